# SPDX-License-Identifier: GPL-2.0-or-later
"""
What scenario web-cache does (row E1). The client asks acme.com for an object over HTTP. The ARN, which finds
the site by SRV records, has each node open a port for it, and sends the client to one of them; that
fetches the object from the site, beyond the long link, and keeps it. Then the node dies, and the other one
does the same; and in the end the site itself dies, and nobody notices. `size` is in KiB; the lab's wires are no place for
more than some megabytes at once.
"""

import hashlib
import os
import statistics

from . import daemons, site

PARAMS = {"web": 1, "client": "c802", "origin": "sn808", "size": 512, "times": 10}
NODES = ("sn806", "sn810")
SLICE = 128  # KiB, as the nodes are configured


class Got:
    """What curl got: `of` is the node that the object came from, ms how long it took."""

    def __init__(self, lab, url):
        node, out = lab.net[lab.params["client"]], "run/tmp/object"
        text, _, self.code = node.pexec(
            ["curl", "-sL", "-m", "10", "-o", f"/{out}", "-w",
             "%{http_code} %{time_total} %{num_redirects} %{url_effective}", url])
        status, seconds, self.hops, url = text.split(maxsplit=3)
        self.status, self.ms = int(status), 1000 * float(seconds)
        self.of = lab.name_of(url.split("/")[2])
        self.sum = None
        if self.status == 200:
            with open(node.file(out), "rb") as file:
                self.sum = hashlib.sha256(file.read()).hexdigest()


def make_object(lab):
    """A file of the site that nobody has asked for yet: (its path, its sum)."""
    path = "/" + lab.fresh("film")
    data = lab.random.randbytes(int(lab.params["size"]) << 10)
    file = lab.net[lab.params["origin"]].file(f"{site.FOLDER}/files{path}")
    os.makedirs(os.path.dirname(file), exist_ok=True)
    with open(file, "wb") as out:
        out.write(data)
    return path, hashlib.sha256(data).hexdigest()


def wait_served(lab, url):
    """Until clients are sent to a port that a node has opened for the site."""
    def served():
        got = Got(lab, url)
        return got.status == 404 and got.hops == "1" and got
    return daemons.wait_until(served, 20, f"a node answers for {url}", 0.1)


def run(lab):
    """See the essay above."""
    origin = lab.net[lab.params["origin"]]
    path, right = make_object(lab)
    url = f"http://acme.com{path}"
    wait_served(lab, "http://acme.com/none")
    slices = -(-int(lab.params["size"]) // SLICE)

    first = Got(lab, url)
    lab.event(f"the object came from {first.of}", lab.params["client"])
    lab.check(first.sum == right, "the first client got the object, byte for byte")
    lab.check(site.asked(origin, path) == slices, f"{first.of} fetched each slice once")
    more = [Got(lab, url) for _ in range(int(lab.params["times"]))]
    lab.check(all(g.sum == right for g in more), f"and so did the next {len(more)}")
    served_by = {first.of} | {g.of for g in more}
    lab.check(site.asked(origin, path) == slices * len(served_by),
              "the site was asked once by each node that served it")
    near = [g.ms for g in more if g.of == first.of]

    victim = first.of
    lab.fault("kill-sn", victim)
    after = daemons.wait_until(lambda: (g := Got(lab, url)).sum == right and g, 10,
                               "another node serves")
    lab.check(after.of != victim, f"when {victim} was killed, {after.of} had the object for the client")
    lab.fault("kill", f"site@{lab.params['origin']}")
    last = Got(lab, url)
    lab.check(last.sum == right and last.of == after.of,
              "when the site was killed, it still had")
    lab.heal()
    lab.measured.update(victim=victim, first_ms=round(first.ms, 1), slices=slices,
                        next_ms=round(statistics.median(near), 1) if near else None,
                        asked=site.asked(origin, path))
    lab.tell(f"{lab.params['client']} got {lab.params['size']} KiB from {first.of} in "
             f"{first.ms:.0f} ms, when {first.of} had to fetch them, and in "
             f"{statistics.median(near) if near else first.ms:.0f} ms (median) when it had them.")
    lab.tell(f"{victim} was killed, and then the site: {after.of} went on. The site was asked for "
             f"{site.asked(origin, path)} slices in all, {slices} by each node.")
