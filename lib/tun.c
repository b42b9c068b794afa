/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A TUN interface, as short as it can be, because an anycast block's fate hangs on it: it is not
 * persistent, so it lives exactly as long as the descriptor is open in some process. Whatever ends
 * that process (exit, SIGKILL, the out-of-memory killer), the kernel closes the descriptor, removes
 * the interface with its addresses and routes, and tells every netlink listener.
 */
#include "lib/netlink.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/if_tun.h>
#include <net/if.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

int tun_open(char ifname[16])
{
	/* Exclusive: a persistent interface of that name would outlive us. */
	struct ifreq req = {.ifr_flags = (short)(IFF_TUN | IFF_NO_PI | IFF_TUN_EXCL)};
	int fd = open("/dev/net/tun", O_RDWR | O_CLOEXEC | O_NONBLOCK);

	if (fd < 0)
		return -errno;
	memcpy(req.ifr_name, ifname, strnlen(ifname, IFNAMSIZ - 1));
	if (ioctl(fd, TUNSETIFF, &req) < 0) {
		int err = -errno;

		close(fd);
		return err;
	}
	memcpy(ifname, req.ifr_name, IFNAMSIZ);
	return fd;
}
