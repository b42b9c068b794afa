/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * gst-rtsp-server as a relay of one live stream, as cheap as it can be: RTP packets come over UDP and go
 * to all clients of one shared medium as they are.
 *
 * usage: gstserver ADDRESS RTSP-PORT RTP-PORT CAPS
 */
#include <gst/gst.h>
#include <gst/rtsp-server/rtsp-server.h>
#include <stdio.h>

int main(int argc, char **argv)
{
	g_autofree char *launch = NULL;
	GstRTSPMediaFactory *factory;
	GstRTSPServer *server;

	gst_init(&argc, &argv);
	if (argc != 5) {
		fprintf(stderr, "usage: gstserver ADDRESS RTSP-PORT RTP-PORT CAPS\n");
		return 2;
	}
	launch = g_strdup_printf("( udpsrc address=%s port=%s buffer-size=4194304 caps=\"%s\" ! "
				 "identity name=pay0 )",
		argv[1], argv[3], argv[4]);
	server = gst_rtsp_server_new();
	gst_rtsp_server_set_address(server, argv[1]);
	gst_rtsp_server_set_service(server, argv[2]);
	gst_rtsp_server_set_backlog(server, 1024);
	factory = gst_rtsp_media_factory_new();
	gst_rtsp_media_factory_set_launch(factory, launch);
	gst_rtsp_media_factory_set_shared(factory, TRUE);
	gst_rtsp_media_factory_set_buffer_size(factory, 4 * 1024 * 1024);
	gst_rtsp_mount_points_add_factory(
		gst_rtsp_server_get_mount_points(server), "/live", factory);
	if (!gst_rtsp_server_attach(server, NULL)) {
		fprintf(stderr, "gstserver: %s:%s cannot be listened at\n", argv[1], argv[2]);
		return 1;
	}
	g_main_loop_run(g_main_loop_new(NULL, FALSE));
	return 0;
}
