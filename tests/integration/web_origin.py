# SPDX-License-Identifier: GPL-2.0-or-later
"""A master site for tests of the web cache: objects that a test gives, ranges, validators, and a
record of who asked for what."""

import contextlib
import hashlib
import http.server
import re
import socket
import socketserver
import threading

from near_testlib import socket_in


class Object:
    """Content with what the site says of it; max_age None: nothing."""

    def __init__(self, body, kind="text/plain", max_age=60, status=200, **headers):
        self.body, self.kind, self.max_age, self.status = body, kind, max_age, status
        self.headers = {k.replace("_", "-"): v for k, v in headers.items()}

    @property
    def etag(self):
        """Of these bytes."""
        return f'"{hashlib.sha1(self.body).hexdigest()[:16]}"'


class _Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    timeout = 20

    def do_GET(self):  # pylint: disable=invalid-name
        site = self.server.site
        site.requests.append((self.path, dict(self.headers)))
        found = site.objects.get(self.path.partition("?")[0])
        if callable(found):
            found = found(self.path)
        if found is None:
            found = Object(b"no such object\n", status=404, max_age=None)
        status, body, extra = found.status, found.body, dict(found.headers)
        if status == 200:
            extra["ETag"] = found.etag
            extra["Accept-Ranges"] = "bytes"
            wanted = re.fullmatch(r"bytes=(\d+)-(\d*)", self.headers.get("Range", ""))
            if self.headers.get("If-None-Match") == found.etag:
                status, body = 304, b""
            elif wanted and site.ranges:
                first, last = int(wanted[1]), int(wanted[2] or len(body) - 1)
                last = min(last, len(body) - 1)
                if first >= len(body):
                    status, extra["Content-Range"], body = 416, f"bytes */{len(body)}", b""
                else:
                    status, extra["Content-Range"] = 206, f"bytes {first}-{last}/{len(body)}"
                    body = body[first:last + 1]
        if found.max_age is not None:
            extra["Cache-Control"] = f"max-age={found.max_age}"
        self.send_response(status)
        self.send_header("Content-Type", found.kind)
        if status != 304:
            self.send_header("Content-Length", str(len(body)))
        for name, value in extra.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command == "GET":
            self.wfile.write(body)

    do_HEAD = do_GET

    def log_message(self, format, *args):  # pylint: disable=redefined-builtin
        """Nothing: `requests` has it."""


class _Server(http.server.ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 64

    def server_bind(self):
        """Without looking up the host's name, for which nobody is there to be asked."""
        socketserver.TCPServer.server_bind(self)
        self.server_name, self.server_port = self.server_address[:2]

    def get_request(self):
        sock, peer = super().get_request()
        self.site.open.append(sock)
        return sock, peer


class Master:
    """The site, at (host, port) of a namespace. `objects`: {path: Object, or what makes one}."""

    def __init__(self, space, host, port=80, ranges=True):
        self.space, self.place, self.ranges = space, (host, port), ranges
        self.objects, self.requests, self.open = {}, [], []
        self.server = None
        self.start()

    def start(self):
        """Serves (again)."""
        server = type("_Here", (_Server,), {"address_family": 10 if ":" in self.place[0] else 2})
        self.server = socket_in(self.space, server, self.place, _Handler)
        self.server.site = self
        threading.Thread(target=self.server.serve_forever, args=(0.02,), daemon=True).start()

    def stop(self):
        """Nobody listens there any more; connections that are open end."""
        self.server.shutdown()
        self.server.server_close()
        for sock in self.open:
            with contextlib.suppress(OSError):
                sock.shutdown(socket.SHUT_RDWR)
        self.open.clear()

    def asked(self, path):
        """The requests for a path: their headers, in order."""
        return [h for p, h in self.requests if p == path]
