"""Looks at the children of this process: those that it still has, and those that left it for another parent."""

from __future__ import annotations

import os
import re
import sys
import time
import types
from collections.abc import Callable, Iterator, Set
from functools import partial
from typing import Any, Final, NamedTuple

from pytest_stateless import proc
from pytest_stateless.commands import Command, command_of
from pytest_stateless.detectors import kernel
from pytest_stateless.detectors.context import Context
from pytest_stateless.detectors.spelling import stable
from pytest_stateless.heap.graph import module_namespace, plan_of
from pytest_stateless.proc import TICKS, stat_of

_LOOKS: Final = 8  # at a child; a window takes no more than five
_SERVANT: Final = re.compile(r"from multiprocessing\.(resource_tracker|forkserver) import main")
_CLOCK: Final[int | None] = getattr(time, "CLOCK_BOOTTIME", None)


class Child(NamedTuple):
    """A process that this one started."""

    pid: int
    started: float
    """Ticks since the system's start; elsewhere than on Linux seconds of the clock."""
    command: Command
    """Empty for a moment while a program begins."""
    state: str
    """``alive``, ``zombie`` or ``orphan``."""
    name: str = ""
    """What multiprocessing calls it."""
    forked: bool = False
    """Whether it runs this very program, from a fork on."""


def is_servant(command: Command) -> bool:
    """Whether it serves multiprocessing itself; also what its fork server forked has that command line."""
    return _SERVANT.search(command.line) is not None


class _Real:
    """Held where neither a mock nor a faked file system replaces it."""

    getpid = staticmethod(os.getpid)
    waitid = staticmethod(getattr(os, "waitid", lambda *_: None))
    wall = staticmethod(time.time)
    clock = staticmethod(getattr(time, "clock_gettime", lambda _: 0.0))
    environ: Any = vars(os.environ)["_data"]


def now() -> float:
    """The moment, as the beginnings of children are given."""
    return _Real.wall() if _CLOCK is None else int(_Real.clock(_CLOCK) * TICKS)


def has_children() -> bool:
    """Whether there may be children; a single call that neither waits for one nor takes its end from the program."""
    if not hasattr(os, "WNOWAIT"):
        return True
    try:
        _Real.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)
    except ChildProcessError:
        return False
    except OSError:
        return True
    return True


def may_have_children(context: Context) -> bool:
    """The same, asked once in a look."""
    return context.once("children", has_children)


def _usage() -> Callable[[], Any] | None:
    """What says how much the children used that were waited for; None on Windows."""
    try:
        import resource
    except ImportError:  # Windows
        return None
    return partial(resource.getrusage, resource.RUSAGE_CHILDREN)


_USAGE: Final = _usage()


def reaped() -> int:
    """Page faults of the children that were waited for: no child is without."""
    if _USAGE is None:
        return 0
    used = _USAGE()
    return int(used.ru_minflt + used.ru_majflt)


def reaped_by(context: Context) -> int:
    """The same, asked once in a look."""
    return context.once("reaped", reaped)


def children(context: Context) -> Iterator[Child]:
    """The children that there are; where to look is dear, none that were not asked for within the window."""
    if not (may_have_children(context) or _may_have_orphans(context)):
        return
    if kernel.task_count():
        if may_have_children(context):
            yield from _listed(context.show_values)
        yield from orphans(context)
    elif context.recording.spawns and may_have_children(context):
        yield from _told_by_psutil(context.show_values)


# -------------------------------------------------------------------------------------------------- on Linux

_met: dict[int, tuple[Child, int]] = {}
"""Children by their numbers, and how often each was looked at."""


def _listed(show_values: bool) -> Iterator[Child]:
    names = dict(_of_multiprocessing())
    # A child is listed under the thread that started it; a fork server's under none of this process.
    own = set(proc.children_of("self"))
    for gone in _met.keys() - own - names.keys():
        _met.pop(gone, None)
    for pid in sorted(own | names.keys()):
        known, looks = _met.get(pid, (None, 0))
        settled = known is not None and known.command.line and looks >= _LOOKS
        child = known if settled else _look(pid, names.get(pid, ""), show_values)
        if child is None:
            continue
        if known is not None and not (child.command.line or known.forked) and child.started == known.started:
            # It begins another program, whose name isn't there yet.
            child = child._replace(command=known.command)
        _met[pid] = child, looks + 1
        yield child


def _look(pid: int, name: str, show_values: bool) -> Child | None:
    stat = stat_of(pid)
    if stat is None:
        return None
    own = stat_of(_Real.getpid())
    forked = own is not None and stat.image == own.image and any(map(int, stat.image))
    state = "zombie" if stat.state in "ZX" else "alive"
    command = command_of(stat.name) if state == "zombie" else proc.command_of(pid, show_values)
    return Child(pid, stat.started, command, state, name, forked)


def orphans(context: Context) -> list[Child]:
    """The processes that left this one for another parent since the recording began; searched once in a look.

    Nobody need have announced the child between them: it was waited for, or is still there.
    """
    return context.once("orphans", lambda: _searched(context)) if _may_have_orphans(context) else []


def _may_have_orphans(context: Context) -> bool:
    recording = context.recording
    return bool(recording.spawns) or recording.reaped not in (None, reaped_by(context))


def _searched(context: Context) -> list[Child]:
    if not kernel.task_count():
        return []
    tests = {context.test, *(spawn.test for spawn in context.recording.spawns)} - {""}
    found = _orphans(tests, context.show_values)
    return [child for child in found if child.started >= context.recording.began]


def may_be_ours(process: int, context: Context) -> bool:
    """Whether a process descends from this one, or may have: it is gone, and no older than the window's children.

    The kernel numbers processes as they are started, and begins anew from its highest number on.
    """
    if process > 0 and stat_of(process) is None:
        older = context.recording.older or 0
        return process > older or proc.youngest() < older
    return not _left(process) or any(orphan.pid == process for orphan in orphans(context))


def _orphans(tests: Set[str], show_values: bool) -> Iterator[Child]:
    """Processes that no child is the parent of any more, and that are known by what they took along.

    A fork has this program's addresses; whoever was run anew has the name of the test in its environment.
    """
    own = stat_of(_Real.getpid())
    for pid in proc.processes():
        stat = stat_of(pid) if pid not in _met and pid != _Real.getpid() else None
        if stat is None or own is None or stat.state in "ZX" or stat.parent == _Real.getpid():
            continue
        forked = stat.image == own.image and any(map(int, stat.image))
        if stat.started < own.started or not (forked or _test_of(pid) in tests):
            continue
        if _left(stat.parent):
            command = proc.command_of(pid, show_values)
            yield Child(pid, stat.started, command, "orphan", forked=forked)


def _left(parent: int) -> bool:
    """Whether the way up from a parent doesn't lead to this process: the parent's parent is told otherwise."""
    for _ in range(100):
        if parent == _Real.getpid():
            return False
        stat = stat_of(parent)
        if stat is None or parent <= 1:
            return True
        parent = stat.parent
    return True


def _test_of(pid: int) -> str:
    """The test during which a process was run, of one that another worker of the same run didn't start."""
    text = proc.text(f"/proc/{pid}/environ", 1 << 20)
    found = dict(entry.partition("=")[::2] for entry in text.split("\0"))
    worker = _Real.environ.get(b"PYTEST_XDIST_WORKER", b"").decode()
    same = found.get("PYTEST_XDIST_WORKER", "") == worker
    return found.get("PYTEST_CURRENT_TEST", "").rpartition(" (")[0] if same else ""


# ------------------------------------------------------------------------------------------ names, and elsewhere


def _of_multiprocessing() -> Iterator[tuple[int, str]]:
    """Number and name of the processes that multiprocessing started."""
    module = sys.modules.get("multiprocessing.process")
    found = module_namespace(module).get("_children") if type(module) is types.ModuleType else None
    for process in list(found) if type(found) is set else ():
        own = _namespace(process)
        pid = _namespace(own.get("_popen")).get("pid")
        if type(pid) is int:
            name = own.get("_name")  # what it runs is forgotten when it has started
            yield pid, stable(name) if type(name) is str else ""


def _namespace(thing: object) -> dict[str, Any]:
    get = plan_of(type(thing)).namespace
    return {} if get is None else get(thing)


def _told_by_psutil(show_values: bool) -> Iterator[Child]:
    import psutil

    names = dict(_of_multiprocessing())
    for process in psutil.Process().children():
        try:
            state = "zombie" if process.status() == psutil.STATUS_ZOMBIE else "alive"
            words = process.name() if state == "zombie" else process.cmdline()
            command = command_of(words, show_values)
            yield Child(process.pid, process.create_time(), command, state, names.get(process.pid, ""))
        except psutil.Error:  # it ended meanwhile, or isn't ours to ask
            continue
