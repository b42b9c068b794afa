# SPDX-License-Identifier: GPL-2.0-or-later
"""
Asks an anycast address by RTSP, once or again and again, and prints what came: a JSON line for each
transaction when it ends. Each is asked at its time, whatever became of those before: one that hangs
does not hide that the next would be answered. Runs in a node, as a program of its own: probe.py URL
[INTERVAL_MS].
"""

import asyncio
import json
import re
import sys
import time


async def transaction(url):
    """The answer's (code, location)."""
    host, port = re.match(r"rtsp://([^/:]+)(?::(\d+))?", url).groups()
    reader, writer = await asyncio.open_connection(host, int(port or 554))
    try:
        writer.write(f"DESCRIBE {url} RTSP/1.0\r\nCSeq: 1\r\n\r\n".encode())
        text = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
    finally:
        writer.close()
    location = re.search(r"^Location:\s*(\S+)", text, re.MULTILINE | re.IGNORECASE)
    return int(text.split()[1]), location and location.group(1)


async def ask(url, timeout):
    """One transaction: prints {t, ms, code, location} or {t, ms, error}; whether it had an answer."""
    start = time.monotonic()
    try:
        code, location = await asyncio.wait_for(transaction(url), timeout)
        answer = {"code": code, "location": location}
    except asyncio.TimeoutError:
        answer = {"error": f"no answer for {timeout:g} s"}
    except (OSError, EOFError, ValueError, IndexError) as error:
        answer = {"error": str(error) or "closed without an answer"}
    ms = round((time.monotonic() - start) * 1000, 2)
    print(json.dumps({"t": start, "ms": ms, **answer}), flush=True)
    return "code" in answer


async def main(url, interval=0.0):
    """Until it is ended; or once, when there is no interval."""
    if not interval:
        return 0 if await ask(url, 2.0) else 1
    under_way = set()
    at = time.monotonic()
    while True:
        task = asyncio.create_task(ask(url, 0.5))
        under_way.add(task)
        task.add_done_callback(under_way.discard)
        at = max(at + interval, time.monotonic())
        await asyncio.sleep(at - time.monotonic())


if __name__ == "__main__":
    sys.exit(asyncio.run(main(sys.argv[1],
                              float(sys.argv[2]) / 1000 if len(sys.argv) > 2 else 0.0)))
