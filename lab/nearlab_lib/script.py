# SPDX-License-Identifier: GPL-2.0-or-later
"""
Faults at their times (row J4), from a text of lines such as

    # seconds  what     target   how much
    1.0        kill     S1
    2.5        restart  S1
    4.0        slow     S2       300ms
    5.0        lose     R1-R2    5%
    6.0        heal

Seconds count from when the script starts, and do not go back. `nearlab fault --script FILE` and a
scenario's lab.script(text) run it.
"""

import collections

from .faults import KINDS, SHORTHANDS, FaultError, amount

Step = collections.namedtuple("Step", "at kind target much line")


def parse(text, name="script"):
    """[Step] of a script, in its order; ValueError "NAME:LINE: what is wrong"."""
    steps = []
    for number, line in enumerate(text.splitlines(), 1):
        words = line.split("#")[0].split()
        if not words:
            continue
        try:
            steps.append(_step(words, steps[-1].at if steps else 0.0, number))
        except (ValueError, FaultError) as error:
            raise ValueError(f"{name}:{number}: {error}") from None
    if not steps:
        raise ValueError(f"{name}: no line says a fault: expected such as '1.5 kill S1'")
    return steps


def _step(words, last, number):
    """The Step of a line's words, which may not be earlier than the `last` one."""
    form = "expected SECONDS WHAT [TARGET [HOW MUCH]], such as '1.5 kill S1'"
    if not 2 <= len(words) <= 4:
        raise ValueError(f"'{' '.join(words)}': {form}")
    try:
        at = float(words[0])
    except ValueError:
        raise ValueError(f"'{words[0]}' is no number of seconds: {form}") from None
    if not last <= at < 86400:
        raise ValueError(f"{words[0]} s is out of order: expected {last:g} s or later, within a day")
    kind, target, much = (*words[1:], None, None)[:3]
    if kind not in (*KINDS, *SHORTHANDS, "heal"):
        raise ValueError(f"no fault '{kind}' (there are: {', '.join((*KINDS, *SHORTHANDS))}, heal)")
    if target is None and kind in KINDS:
        raise ValueError(f"{kind} needs a target: a node, DAEMON@NODE or NODE-NODE")
    return Step(at, kind, target, amount(kind, much), number)


def run(steps, clock, wait, inject, heal):
    """
    Goes through the steps: wait(seconds) until each is due by clock(), then inject(kind, target, much) or
    heal(). [(Step, what inject gave back, or None)].
    """
    start, done = clock(), []
    for step in steps:
        wait(max(0.0, start + step.at - clock()))
        done.append((step, heal() if step.kind == "heal"
                     else inject(step.kind, step.target, step.much)))
    return done
