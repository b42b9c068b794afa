# SPDX-License-Identifier: GPL-2.0-or-later
"""
A small web server beside a service node's agent: web.py NAME PORT [FILE]. Every object is the
node's name. FILE, if it is there, has the milliseconds that each answer takes. Runs in a node, as a
program of its own.
"""

import http.server
import socket
import sys
import time


class Handler(http.server.BaseHTTPRequestHandler):
    """GET and HEAD of anything."""

    protocol_version = "HTTP/1.1"
    timeout = 5

    def do_GET(self):  # pylint: disable=invalid-name
        """The node's name."""
        try:
            with open(self.server.delay_file, encoding="ascii") as file:
                time.sleep(float(file.read() or 0) / 1000)
        except (OSError, TypeError, ValueError):
            pass
        body = self.server.node_name.encode()
        self.send_response(200)
        self.send_header("Content-Type", "text/plain")
        self.send_header("Content-Length", str(len(body)))
        self.send_header("Connection", "close")
        self.end_headers()
        if self.command == "GET":
            self.wfile.write(body)
        self.close_connection = True

    do_HEAD = do_GET

    def log_message(self, format, *args):  # pylint: disable=redefined-builtin
        """Nothing: it is asked all the time."""


class Server(http.server.ThreadingHTTPServer):
    """Of one node."""

    address_family = socket.AF_INET6  # and IPv4, mapped
    daemon_threads = True
    request_queue_size = 64

    def __init__(self, name, port, delay_file=None):
        self.node_name, self.delay_file = name, delay_file
        super().__init__(("::", port), Handler)


if __name__ == "__main__":
    Server(sys.argv[1], int(sys.argv[2]), sys.argv[3] if len(sys.argv) > 3 else None).serve_forever()
