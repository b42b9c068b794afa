/* SPDX-License-Identifier: GPL-2.0-or-later */
/* RTSP over primed ports (row B6); its arg is the agent. */
#ifndef NEARCAST_SN_RTSP_DOOR_H
#define NEARCAST_SN_RTSP_DOOR_H

#include "sn-agent/primes.h"

extern const struct primes_service rtsp_door_service;

#endif
