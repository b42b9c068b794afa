/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The bytes as an RTP packet's payload of each codec: what is found is that packet, or nothing. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "sn-agent/keyframe.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	/* Of its own size, so that a byte too far is seen. */
	uint8_t *copy = malloc(len ? len : 1);

	if (!copy)
		return 0;
	memcpy(copy, data, len);
	for (int codec = KEYFRAME_NONE; codec <= KEYFRAME_TS; codec++) {
		struct rtp p = {.ts = 1, .payload = copy, .payload_len = len};
		struct keyframe k;

		keyframe_init(&k, (enum keyframe_codec)codec);
		keyframe_see(&k, 5, &p);
		if (k.at != -1 && (k.at != 5 || k.ts != 1))
			abort();
		if (codec == KEYFRAME_NONE && k.at != -1)
			abort();
	}
	free(copy);
	return 0;
}
