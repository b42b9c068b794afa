# SPDX-License-Identifier: GPL-2.0-or-later
"""Python files of the user's own: how they are loaded, and how one that fails is told where."""

import importlib.util
import inspect
import linecache
import os
import sys
import traceback

HERE = os.path.dirname(os.path.realpath(__file__))


def load(path):
    """A Python file as a module. Modules that lie beside it can be imported by it."""
    spec = importlib.util.spec_from_file_location(
        os.path.basename(path).removesuffix(".py").replace("-", "_"), path)
    module = importlib.util.module_from_spec(spec)
    folder = os.path.dirname(os.path.abspath(path))
    if folder not in sys.path:
        sys.path.append(folder)  # last: random.py beside it is not to be everybody's `random`
    spec.loader.exec_module(module)
    return module


def parameters(function):
    """
    {name: default} of what a topology's build() or a scenario takes, but for the first. ValueError when
    one has no default.
    """
    taken = [p for p in list(inspect.signature(function).parameters.values())[1:]
             if p.kind in (p.POSITIONAL_OR_KEYWORD, p.KEYWORD_ONLY)]
    for parameter in taken:
        if parameter.default is parameter.empty:
            raise ValueError(f"parameter '{parameter.name}' of {function.__name__}() needs a default, "
                             f"such as {parameter.name}=0")
    return {p.name: p.default for p in taken}


def shown(path):
    """A path as people would say it: from the present folder, if it is below."""
    near = os.path.relpath(path)
    return path if near.startswith("..") else near


def line_of(path, error):
    """(file, line) of a file, or of one beside it, where an error came from; the line may be None."""
    folder = os.path.dirname(os.path.abspath(path))
    if isinstance(error, SyntaxError) and error.filename:
        return error.filename, error.lineno
    own = [(f.filename, f.lineno) for f in traceback.extract_tb(error.__traceback__)
           if os.path.dirname(os.path.abspath(f.filename)) == folder]
    return own[-1] if own else (path, None)


def explain(path, error, plain=()):
    """
    "FILE:LINE: what is wrong" of an exception that a file has caused. plain: the classes whose text
    says all; of others their name belongs to it.
    """
    file, line = line_of(path, error)
    where = f"{shown(file)}:{line}" if line else shown(file)
    return f"{where}: {words(path, error, plain)}"


def _ours(error):
    """Whether the lab has raised an error itself, with words for the user."""
    frames = traceback.extract_tb(error.__traceback__)
    return bool(frames) and os.path.dirname(os.path.realpath(frames[-1].filename)) == HERE


def words(path, error, plain=()):
    """What is wrong, without the place."""
    if isinstance(error, SyntaxError):
        return f"{error.msg}: {(error.text or '').strip()}"
    if isinstance(error, plain) or isinstance(error, ValueError) and _ours(error):
        return str(error)
    if isinstance(error, AssertionError) and not str(error):
        file, line = line_of(path, error)
        return f"not so: {linecache.getline(file, line).strip()}" if line else "not so"
    return f"{type(error).__name__}: {error}"
