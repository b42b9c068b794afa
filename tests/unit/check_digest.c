/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Digest authentication: MD5 by RFC 1321's examples, responses by RFC 7616's, 2617's and 2069's, and
 * headers as players write them. */
#include "lib/digest.h"

#include <check.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "lib/md5.h"
#include "lib/secret.h"
#include "tests/unit/run.h"

static struct digest d;

/* Each from a block of exactly its size. */
static int credentials(const char *text)
{
	static char *copy;
	size_t n = strlen(text);

	free(copy);
	copy = malloc(n ? n : 1);
	memcpy(copy, text, n);
	return digest_parse_credentials(&d, (struct slice){copy, n});
}

static int challenge(const char *text)
{
	static char *copy;
	size_t n = strlen(text);

	free(copy);
	copy = malloc(n ? n : 1);
	memcpy(copy, text, n);
	return digest_parse_challenge(&d, (struct slice){copy, n});
}

static bool is(struct slice s, const char *text)
{
	return slice_eq(s, slice_of(text));
}

START_TEST(test_md5_is_that_of_the_rfc)
{
	static const struct {
		const char *text, *hash;
	} suite[] = {{"", "d41d8cd98f00b204e9800998ecf8427e"},
		{"a", "0cc175b9c0f1b6a831c399e269772661"},
		{"abc", "900150983cd24fb0d6963f7d28e17f72"},
		{"message digest", "f96b697d7cb7938d525a2f31aaf161d0"},
		{"abcdefghijklmnopqrstuvwxyz", "c3fcd3d76192e4007dfb496cca67e13b"},
		{"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789",
			"d174ab98d277d9f5a5611c2c9f419d9f"},
		{"1234567890123456789012345678901234567890123456789012345678901234567890123456"
		 "7890",
			"57edf4a22be3c955ac49da2e2107b67a"},
		/* 55, 56 and 64 bytes: where the padding takes another block */
		{"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
			"ef1772b6dff9a122358552954ad0df65"},
		{"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
			"3b0c8ac703f828b04c6c197006d17218"},
		{"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
			"014842d480b571495a4a0363793f7367"}};

	for (size_t i = 0; i < sizeof(suite) / sizeof(suite[0]); i++) {
		uint8_t hash[MD5_LEN];
		char hex[33];

		md5(suite[i].text, strlen(suite[i].text), hash);
		for (int k = 0; k < MD5_LEN; k++)
			snprintf(hex + 2 * k, 3, "%02x", hash[k]);
		ck_assert_str_eq(hex, suite[i].hash);
	}
}
END_TEST

/* RFC 7616, 3.9.1: the same request with both algorithms. */
START_TEST(test_responses_are_those_of_rfc_7616)
{
	static const char *const algorithm[] = {"MD5", "SHA-256"};
	static const char *const response[] = {"8ca523f5e9506fed4657c9700eebdbec",
		"753927fa0e85d155564e2e272a28d1802ca10daf4496794697cf8db5856cb6c1"};

	for (int i = 0; i < 2; i++) {
		char header[1024], ha1[DIGEST_HEX];

		snprintf(header, sizeof(header),
			"Digest username=\"Mufasa\", realm=\"http-auth@example.org\", "
			"uri=\"/dir/index.html\", algorithm=%s, "
			"nonce=\"7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v\", nc=00000001, "
			"cnonce=\"f2/wE4q74E6zIJEtWaHKaf5wv/H5QzzpXusqGemxURZJ\", qop=auth, "
			"response=\"%s\", opaque=\"FQhe/qaU925kfnzjCev0ciny7QMkPqMAFRtzCUYo5tdS\"",
			algorithm[i], response[i]);
		ck_assert_int_eq(credentials(header), 0);
		ck_assert_int_eq(d.algorithm, i ? DIGEST_SHA256 : DIGEST_MD5);
		ck_assert(d.auth && is(d.username, "Mufasa") && is(d.nc, "00000001"));
		digest_ha1(d.algorithm, d.username, d.realm, SLICE("Circle of Life"), ha1);
		ck_assert(digest_is_right(&d, ha1, SLICE("GET")));
		ck_assert(!digest_is_right(&d, ha1, SLICE("PUT")));
		digest_ha1(d.algorithm, d.username, d.realm, SLICE("Circle of life"), ha1);
		ck_assert(!digest_is_right(&d, ha1, SLICE("GET")));
	}
}
END_TEST

/* RFC 2617, 3.5. */
START_TEST(test_a_response_is_that_of_rfc_2617)
{
	char ha1[DIGEST_HEX];

	ck_assert_int_eq(credentials("Digest username=\"Mufasa\",\n realm=\"testrealm@host.com\",\n"
				     "nonce=\"dcd98b7102dd2f0e8b11d0f600bfb0c093\",\n"
				     "uri=\"/dir/index.html\",\nqop=auth,\nnc=00000001,\n"
				     "cnonce=\"0a4f113b\",\n"
				     "response=\"6629fae49393a05397450978507c4ef1\",\n"
				     "opaque=\"5ccc069c403ebaf9f0171e9517f40e41\""),
		-EINVAL); /* lines are not folded any more */
	ck_assert_int_eq(credentials("Digest username=\"Mufasa\", realm=\"testrealm@host.com\","
				     "nonce=\"dcd98b7102dd2f0e8b11d0f600bfb0c093\","
				     "uri=\"/dir/index.html\",qop=auth,nc=00000001,"
				     "cnonce=\"0a4f113b\","
				     "response=\"6629FAE49393a05397450978507c4ef1\""),
		0);
	digest_ha1(DIGEST_MD5, d.username, d.realm, SLICE("Circle Of Life"), ha1);
	ck_assert_str_eq(ha1, "939e7578ed9e3c518a452acee763bce9");
	ck_assert(digest_is_right(&d, ha1, SLICE("GET")));
}
END_TEST

/* As GStreamer and live555 answer: H(HA1:nonce:HA2). */
START_TEST(test_a_response_without_qop_is_that_of_rfc_2069)
{
	char ha1[DIGEST_HEX], own[DIGEST_HEX];

	ck_assert_int_eq(credentials("Digest username=\"alice\", realm=\"r\", nonce=\"n\", "
				     "uri=\"rtsp://10.2.0.6/news\", "
				     "response=\"00000000000000000000000000000000\""),
		0);
	ck_assert(!d.auth);
	digest_ha1(DIGEST_MD5, SLICE("alice"), SLICE("r"), SLICE("p"), ha1);
	ck_assert_int_eq(digest_response(&d, ha1, SLICE("DESCRIBE"), own), 0);
	/* printf %s "$(printf %s alice:r:p | md5sum | cut -c-32):n:$(printf %s
	 * DESCRIBE:rtsp://10.2.0.6/news | md5sum | cut -c-32)" | md5sum */
	ck_assert_str_eq(own, "520bade0d0eb6bf9cbbbb9f08e799875");
	ck_assert(!digest_is_right(&d, ha1, SLICE("DESCRIBE")));
}
END_TEST

START_TEST(test_a_challenge_is_understood)
{
	ck_assert_int_eq(challenge("Digest realm=\"a, b=c\", nonce=\"x\", qop=\"auth-int, auth\", "
				   "algorithm=sha-256, stale=TRUE, domain=\"/\", x=y"),
		0);
	ck_assert(is(d.realm, "a, b=c") && d.auth && d.stale && d.algorithm == DIGEST_SHA256);
	ck_assert_int_eq(challenge("digest  nonce=x , realm = \"\""), 0);
	ck_assert(is(d.realm, "") && !d.auth && !d.stale && d.algorithm == DIGEST_MD5);
	ck_assert_int_eq(challenge("Basic realm=\"x\""), -EPROTONOSUPPORT);
	ck_assert_int_eq(
		challenge("Digest realm=\"x\", nonce=\"y\", algorithm=MD5-sess"), -EPROTONOSUPPORT);
	ck_assert_int_eq(
		challenge("Digest realm=\"x\", nonce=\"y\", qop=\"auth-int\""), -EPROTONOSUPPORT);
}
END_TEST

START_TEST(test_what_is_no_header_of_ours_is_refused)
{
#define REST "uri=\"u\", response=\"0123456789abcdef0123456789abcdef\""
#define GOOD "Digest username=\"a\", realm=\"r\", nonce=\"n\", " REST
	static const char *const wrong[] = {"Digest", "Digest ", "Digest username",
		"Digest =", "Digest username=", "Digest username=\"a",
		"Digest username=\"a\" realm=\"r\"",
		"Digest username=\"a\", realm=\"r\", " REST, /* no nonce */
		"Digest realm=\"r\", nonce=\"n\", " REST,    /* no user */
		"Digest username=\"a\", nonce=\"n\", " REST, /* no realm */
		GOOD ", realm=\"r\"", GOOD ", qop=auth", GOOD ", qop=auth, nc=1, cnonce=\"x\"",
		GOOD ", qop=auth, nc=00000001",
		"Digest username=\"a\\\"b\", realm=\"r\", nonce=\"n\", " REST,
		"Digest username=\"a\001b\", realm=\"r\", nonce=\"n\", " REST,
		"Digest username=\"a\", realm=\"r\", nonce=\"n\", uri=\"u\", response=\"0123\"",
		GOOD ", algorithm=SHA-256", /* too short a response */
		GOOD ", x=\x01"};

	ck_assert_int_eq(credentials(GOOD), 0);
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++)
		ck_assert_msg(credentials(wrong[i]) == -EINVAL, "%s", wrong[i]);
	ck_assert_int_eq(credentials(""), -EPROTONOSUPPORT);
	ck_assert_int_eq(credentials("Basic YTpi"), -EPROTONOSUPPORT);
	ck_assert_int_eq(credentials("Digestive x=y"), -EPROTONOSUPPORT);
	ck_assert_int_eq(credentials(GOOD ", qop=auth-int"), -EPROTONOSUPPORT);
}
END_TEST

int main(void)
{
	TCase *t = tcase_create("digest");

	if (secret_init() < 0)
		return EXIT_FAILURE;
	tcase_add_test(t, test_md5_is_that_of_the_rfc);
	tcase_add_test(t, test_responses_are_those_of_rfc_7616);
	tcase_add_test(t, test_a_response_is_that_of_rfc_2617);
	tcase_add_test(t, test_a_response_without_qop_is_that_of_rfc_2069);
	tcase_add_test(t, test_a_challenge_is_understood);
	tcase_add_test(t, test_what_is_no_header_of_ours_is_refused);
	return run_case("digest", t);
}
