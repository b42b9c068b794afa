# SPDX-License-Identifier: GPL-2.0-or-later
"""
Where topologies and scenarios are found: by name in the folders that came with nearcast, or as a
file of the user's own.

A topology file has Mininet's `topos = {name: class}`. A scenario file has a docstring whose first
line is its title, `topologies = [names]`, `params = {name: default}` and `run(lab)`.
"""

import glob
import os

HERE = os.path.dirname(os.path.realpath(__file__))


class LibraryError(Exception):
    """No such topology, scenario or parameter; the text says what there is."""


def _load(path):
    from .keeper import load_file  # pylint: disable=import-outside-toplevel,cyclic-import
    try:
        return load_file(path)
    except Exception as error:
        raise LibraryError(f"{path}: {type(error).__name__}: {error}") from error


def _title(thing):
    text = (thing.__doc__ or "").strip()
    return text.splitlines()[0] if text else ""


def _check(what, known, given):
    for name in given:
        if name not in known:
            raise LibraryError(f"{what} has no parameter '{name}' "
                               f"(it has: {', '.join(sorted(known)) or 'none'})")
        if isinstance(known[name], (int, float)) and not isinstance(given[name], (int, float)):
            raise LibraryError(f"parameter '{name}' is a number, not '{given[name]}'")


def _file(name):
    """A path of the user's; LibraryError when it cannot be a topology or scenario."""
    if not os.path.exists(name):
        raise LibraryError(f"{name}: no such file")
    if not name.endswith(".py") or not os.path.isfile(name):
        raise LibraryError(f"{name}: expected a Python file, *.py")
    return os.path.abspath(name)


class Topology:
    """A topology of a file."""

    def __init__(self, file, name, cls):
        from .keeper import topology_parameters  # pylint: disable=import-outside-toplevel
        self.file, self.name, self.cls = file, name, cls
        self.params = topology_parameters(cls)
        self.title = _title(_load(file)) or _title(cls)

    def check(self, params):
        """LibraryError when build() does not take such parameters."""
        _check(f"topology {self.name}", self.params, params)

    def scenarios(self, library):
        """Names of the scenarios that are made for it; the demonstration first."""
        return [s.name for s in library.scenarios() if self.name in s.topologies]

    def nodes(self):
        """Names of its nodes, LANs apart."""
        topo = self.cls()
        return topo.hosts()


class Scenario:
    """A scenario's file."""

    def __init__(self, file):
        module = _load(file)
        self.file = file
        self.name = os.path.basename(file).removesuffix(".py")
        self.topologies = list(getattr(module, "topologies", []))
        self.params = dict(getattr(module, "params", {}))
        self.order = getattr(module, "order", 50)
        self.title = _title(module)
        if not callable(getattr(module, "run", None)):
            raise LibraryError(f"{file}: a scenario needs a function run(lab)")

    def check_topology(self, topology):
        """LibraryError when it is not made for that topology."""
        if topology.name not in self.topologies:
            raise LibraryError(f"scenario {self.name} is made for "
                               f"{', '.join(self.topologies) or 'no topology'}, "
                               f"not for {topology.name}")

    def check(self, params, topology):
        """LibraryError when it does not take such parameters."""
        _check(f"neither topology {topology.name} nor scenario {self.name}: it",
               {**self.params, **topology.params}, params)


class Library:
    """All topologies and scenarios that can be named."""

    def __init__(self):
        share = os.path.dirname(os.path.dirname(HERE))
        self.topology_folder = os.path.join(share, "topologies")
        self.scenario_folder = os.path.join(os.path.dirname(HERE), "scenarios")

    def topologies(self):
        """All that came with nearcast."""
        found = []
        for file in sorted(glob.glob(os.path.join(self.topology_folder, "*.py"))):
            found += [Topology(file, n, c) for n, c in sorted(_load(file).topos.items())]
        return found

    def scenarios(self):
        """All that came with nearcast."""
        files = glob.glob(os.path.join(self.scenario_folder, "*.py"))
        return sorted((Scenario(f) for f in files), key=lambda s: (s.order, s.name))

    def topology(self, name):
        """By name or file."""
        if name.endswith(".py") or os.sep in name:
            file = _file(name)
            topos = getattr(_load(name), "topos", None)
            if not topos:
                raise LibraryError(f"{name}: a topology file needs topos = {{'name': class}}")
            return Topology(file, *next(iter(topos.items())))
        for topology in self.topologies():
            if topology.name == name:
                return topology
        raise LibraryError(f"no topology '{name}' "
                           f"(there are: {', '.join(t.name for t in self.topologies())})")

    def scenario(self, name):
        """By name or file."""
        if name.endswith(".py") or os.sep in name:
            return Scenario(_file(name))
        file = os.path.join(self.scenario_folder, name + ".py")
        if not os.path.isfile(file):
            raise LibraryError(f"no scenario '{name}' "
                               f"(there are: {', '.join(s.name for s in self.scenarios())})")
        return Scenario(file)

    def listing(self):
        """{topology: {scenarios, nodes, params, title}}"""
        return {t.name: {"title": t.title, "scenarios": t.scenarios(self), "nodes": t.nodes(),
                         "params": t.params} for t in self.topologies()}
