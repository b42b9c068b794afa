# SPDX-License-Identifier: GPL-2.0-or-later
"""
Asks an anycast address by RTSP, once or again and again, and prints what came: a JSON line for each
transaction. Runs in a node, as a program of its own: probe.py URL [INTERVAL_MS].
"""

import json
import re
import socket
import sys
import time


def ask(url, timeout=2.0):
    """One transaction: {t, ms, code, location} or {t, ms, error}."""
    host, port = re.match(r"rtsp://([^/:]+)(?::(\d+))?", url).groups()
    start = time.monotonic()
    try:
        with socket.create_connection((host, int(port or 554)), timeout) as sock:
            sock.settimeout(timeout)
            sock.sendall(f"DESCRIBE {url} RTSP/1.0\r\nCSeq: 1\r\n\r\n".encode())
            data = b""
            while b"\r\n\r\n" not in data:
                piece = sock.recv(4096)
                if not piece:
                    raise ConnectionError("closed without an answer")
                data += piece
        text = data.decode("latin-1")
        location = re.search(r"^Location:\s*(\S+)", text, re.MULTILINE | re.IGNORECASE)
        answer = {"code": int(text.split()[1]), "location": location and location.group(1)}
    except (OSError, ValueError, IndexError) as error:
        answer = {"error": str(error)}
    return {"t": start, "ms": round((time.monotonic() - start) * 1000, 2), **answer}


def main(url, interval=0.0):
    """Until it is ended; or once, when there is no interval."""
    while True:
        answer = ask(url, 0.5 if interval else 2.0)
        print(json.dumps(answer), flush=True)
        if not interval:
            return 0 if "code" in answer else 1
        time.sleep(max(0.0, answer["t"] + interval - time.monotonic()))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], float(sys.argv[2]) / 1000 if len(sys.argv) > 2 else 0.0))
