# SPDX-License-Identifier: GPL-2.0-or-later
"""
Where topologies and scenarios are found: by name in the folders that came with nearcast, or as a
file of the user's own.

A topology file has Mininet's `topos = {name: class}`, and may have scenarios for them: `scenarios =
{name: function}`, of functions whose first parameter is the lab; the others, with their defaults, are
the scenario's. A scenario's own file has a docstring whose first line is its title, `topologies =
[names]`, `params = {name: default}` and `run(lab)`.
"""

import glob
import inspect
import os

from . import userfile
from .checked import Checked, TopologyError, mistakes, nearest

HERE = os.path.dirname(os.path.realpath(__file__))


class LibraryError(Exception):
    """No such topology, scenario or parameter; the text says what there is."""


def _load(path):
    try:
        return userfile.load(path)
    except Exception as error:
        raise LibraryError(userfile.explain(path, error, LibraryError)) from error


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


def _parameters(file, function):
    try:
        return userfile.parameters(function)
    except ValueError as error:
        line = inspect.unwrap(function).__code__.co_firstlineno
        raise LibraryError(f"{userfile.shown(file)}:{line}: {error}") from error


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
        module = _load(file)
        self.file, self.name, self.cls = file, name, cls
        if not (inspect.isclass(cls) and issubclass(cls, Checked)):
            raise LibraryError(f"{userfile.shown(file)}: topos['{name}'] has to be a class derived "
                               "from nearlab_lib.topology.Internet")
        self.params = _parameters(file, cls.build)
        self.title = _title(module) or _title(cls)
        own = getattr(module, "scenarios", {})
        if not isinstance(own, dict):
            raise LibraryError(f"{userfile.shown(file)}: scenarios has to be a dictionary, "
                               "{'name': function}")
        self.own = [Scenario(file, name) for name in own]

    def check(self, params):
        """LibraryError when build() does not take such parameters, or makes no sound network."""
        _check(f"topology {self.name}", self.params, params)
        self.built(params)

    def built(self, params=()):
        """The Topo; LibraryError, with all that is wrong and where, when that is no sound network."""
        try:
            topo = self.cls(**dict(params))
        except Exception as error:
            raise LibraryError(userfile.explain(self.file, error, TopologyError)) from error
        wrong = [f"{userfile.shown(file or self.file)}:{f'{line}:' if line else ''} {text}"
                 for file, line, text in mistakes(topo)]
        if wrong:
            raise LibraryError("\n".join(wrong))
        return topo

    def scenarios(self, library):
        """Names of the scenarios that are made for it; the demonstration first."""
        return [s.name for s in [*self.own, *library.scenarios()] if self.name in s.topologies]

    def nodes(self):
        """Names of its nodes, LANs apart."""
        return self.built().hosts()


class Scenario:
    """A scenario's file, or one of the scenarios of a topology's file."""

    def __init__(self, file, function=None):
        module = _load(file)
        self.file, self.function = file, function
        self.order = getattr(module, "order", 50)
        if function is None:
            self.name = os.path.basename(file).removesuffix(".py")
            self.topologies = list(getattr(module, "topologies", []))
            self.params = dict(getattr(module, "params", {}))
            self.title = _title(module)
            if not callable(getattr(module, "run", None)):
                raise LibraryError(f"{userfile.shown(file)}: a scenario needs a function run(lab)")
            return
        self.name = function
        run = module.scenarios[function]
        if not callable(run) or not inspect.signature(run).parameters:
            raise LibraryError(f"{userfile.shown(file)}: scenarios['{function}'] has to be a "
                               "function of the lab: def name(lab): …")
        self.topologies = list(getattr(module, "topos", {}))
        self.params = _parameters(file, run)
        self.title = _title(run)

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
        if name.endswith(".py") or os.sep in name or ".py:" in name:
            return _topology_of_file(name)
        for topology in self.topologies():
            if topology.name == name:
                return topology
        raise LibraryError(f"no topology '{name}' "
                           f"(there are: {', '.join(t.name for t in self.topologies())})")

    def scenario(self, name, topology=None):
        """By name or file; of a topology's file, or beside it, those of that name come first."""
        if name.endswith(".py") or os.sep in name:
            return Scenario(_file(name))
        own = topology.own if topology else []
        for scenario in own:
            if scenario.name == name:
                return scenario
        folders = [os.path.dirname(topology.file)] if topology else []
        for folder in [*folders, self.scenario_folder]:
            file = os.path.join(folder, name + ".py")
            if os.path.isfile(file) and file != getattr(topology, "file", None):
                return Scenario(file)
        if not topology:
            raise LibraryError(f"no scenario '{name}'")
        where = f"in {userfile.shown(topology.file)}" if own else f"for {topology.name}"
        raise LibraryError(f"no scenario '{name}' {where} "
                           f"({nearest(name, topology.scenarios(self))})")

    def listing(self, topologies=None):
        """{topology: {scenarios, nodes, params, title}} of some, or of all that came with nearcast."""
        return {t.name: {"title": t.title, "scenarios": t.scenarios(self), "nodes": t.nodes(),
                         "params": t.params} for t in topologies or self.topologies()}


def _topology_of_file(name):
    """FILE.py, or FILE.py:NAME when it has several."""
    path, _, wanted = name.partition(":") if not os.path.exists(name) else (name, "", "")
    file = _file(path)
    topos = getattr(_load(file), "topos", None)
    if not isinstance(topos, dict) or not topos:
        raise LibraryError(f"{path}: it has no topology: add topos = {{'name': Class}}, with the "
                           "name of a class derived from nearlab_lib.topology.Internet")
    if wanted and wanted not in topos:
        raise LibraryError(f"{path}: no topology '{wanted}' ({nearest(wanted, list(topos))})")
    if not wanted and len(topos) > 1:
        raise LibraryError(f"{path} has several topologies: say "
                           f"{' or '.join(f'{path}:{n}' for n in topos)}")
    wanted = wanted or next(iter(topos))
    return Topology(file, wanted, topos[wanted])
