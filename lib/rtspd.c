/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "lib/rtspd.h"

const char *rtspd_reason(int status)
{
	static const struct {
		int status;
		const char *text;
	} table[] = {{200, "OK"}, {400, "Bad Request"}, {401, "Unauthorized"}, {403, "Forbidden"},
		{404, "Not Found"}, {405, "Method Not Allowed"}, {406, "Not Acceptable"},
		{408, "Request Timeout"}, {410, "Gone"}, {412, "Precondition Failed"},
		{413, "Request Entity Too Large"}, {414, "Request-URI Too Long"},
		{415, "Unsupported Media Type"}, {451, "Parameter Not Understood"},
		{453, "Not Enough Bandwidth"}, {454, "Session Not Found"},
		{455, "Method Not Valid in This State"}, {457, "Invalid Range"},
		{459, "Aggregate Operation Not Allowed"}, {460, "Only Aggregate Operation Allowed"},
		{461, "Unsupported Transport"}, {482, "Loop Detected"},
		{500, "Internal Server Error"}, {501, "Not Implemented"}, {502, "Bad Gateway"},
		{503, "Service Unavailable"}, {504, "Gateway Timeout"},
		{505, "RTSP Version Not Supported"}, {551, "Option Not Supported"}};

	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++)
		if (table[i].status == status)
			return table[i].text;
	return "Failed";
}

enum rtspd_method rtspd_method(const struct text_msg *m)
{
	static const char *const name[RTSPD_METHODS] = {
		[RTSPD_OPTIONS] = "OPTIONS",
		[RTSPD_DESCRIBE] = "DESCRIBE",
		[RTSPD_SETUP] = "SETUP",
		[RTSPD_PLAY] = "PLAY",
		[RTSPD_PAUSE] = "PAUSE",
		[RTSPD_TEARDOWN] = "TEARDOWN",
		[RTSPD_GET_PARAMETER] = "GET_PARAMETER",
		[RTSPD_SET_PARAMETER] = "SET_PARAMETER",
		[RTSPD_ANNOUNCE] = "ANNOUNCE",
		[RTSPD_RECORD] = "RECORD",
		[RTSPD_REDIRECT] = "REDIRECT",
		[RTSPD_PLAY_NOTIFY] = "PLAY_NOTIFY",
	};
	enum rtspd_method i = 0;

	while (i < RTSPD_METHODS && !text_method_is(m, name[i]))
		i++;
	return i;
}

bool rtspd_list_has(struct slice list, struct slice item)
{
	while (list.n)
		if (slice_ieq(slice_trim(slice_cut(&list, ',')), item))
			return true;
	return false;
}

bool rtspd_accepts_sdp(const struct text_msg *m)
{
	struct slice accept = text_header(m, "Accept");

	if (!accept.p)
		return true;
	while (accept.n) {
		struct slice one = slice_cut(&accept, ',');
		struct slice type = slice_trim(slice_cut(&one, ';'));

		if (slice_ieq(type, SLICE("application/sdp")) || slice_eq(type, SLICE("*/*")) ||
			slice_ieq(type, SLICE("application/*")))
			return true;
	}
	return false;
}

bool rtspd_requires(const struct text_msg *m, struct slice known, struct slice *feature)
{
	static const char *const header[] = {"Require", "Proxy-Require"};

	for (int i = 0; i < 2; i++) {
		struct slice list = text_header(m, header[i]);

		while (list.n) {
			*feature = slice_trim(slice_cut(&list, ','));
			if (feature->n && !slice_ieq(*feature, known))
				return true;
		}
	}
	return false;
}
