# SPDX-License-Identifier: GPL-2.0-or-later
"""Knot DNS in a namespace, with zones that a test writes."""

import pathlib
import signal

from conftest import wait_until

SOA = "@ {ttl} SOA ns hostmaster 1 60 60 60 {negative}\n@ NS ns\nns A {address}\n"


class Knot:
    """A name server with `zones`: {name: the records' text}, without SOA and NS."""

    def __init__(self, space, folder, address, zones, port=53, negative=1):
        self.space, self.folder = space, pathlib.Path(folder) / f"knot-{address}-{port}"
        self.process = None
        self.folder.mkdir()
        text = f'server:\n  listen: {address}@{port}\n  rundir: "{self.folder}"\n'
        text += f'database:\n  storage: "{self.folder}"\ncontrol:\n  listen: "{self.folder}/ctl"\n'
        text += "log:\n  - target: stderr\n    any: info\n"
        text += f'template:\n  - id: default\n    storage: "{self.folder}"\n    file: "%s.zone"\nzone:\n'
        for name, records in zones.items():
            text += f"  - domain: {name}\n"
            head = SOA.format(ttl=negative, negative=negative, address=address)
            (self.folder / f"{name}.zone").write_text(f"$ORIGIN {name}.\n$TTL 1\n{head}{records}")
        self.conf = self.folder / "knot.conf"
        self.conf.write_text(text)
        self.start()

    def start(self):
        """Starts it, and waits until it has loaded its zones."""
        log = self.folder / "log"
        log.write_text("")
        self.process = self.space.start("knotd", "-c", self.conf, log=log)

        def serves():
            assert self.process.poll() is None, log.read_text()
            return "server started" in log.read_text()

        wait_until(serves, "Knot DNS serves")

    def kill(self):
        """SIGKILL."""
        self.space.stop(self.process, signal.SIGKILL)
