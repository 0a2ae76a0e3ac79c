"""Sees what changes in watched directories, whoever does it: native code and child processes too. Linux only.

A state of everything in the directories is kept. inotify says which paths to look at; what differs there is a change.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Iterator, Sequence
from typing import Final

from pytest_stateless.noted import Change, State
from pytest_stateless.paths import differs, look
from pytest_stateless.watches import kernel
from pytest_stateless.watches.batch import Batch, Touch
from pytest_stateless.watches.kernel import Event, Fanotify, Inotify
from pytest_stateless.watches.roots import Root
from pytest_stateless.watches.tree import TooMuchError, Tree
from pytest_stateless.zones import Zones

own_descriptors: Final = kernel.own_descriptors

UNSEEN: Final = "files written by native code and child processes aren't seen"
"""What it comes to where nothing is watched."""


class _Real:
    """Held where no mock and no faked file system replaces them."""

    listxattr = getattr(os, "listxattr", None)
    lock = staticmethod(threading.Lock)
    clock_gettime = getattr(time, "clock_gettime", None)

    @staticmethod
    def since_boot() -> float:
        if _Real.clock_gettime is None:
            return 0.0
        return float(_Real.clock_gettime(time.CLOCK_BOOTTIME))


class Watches:
    """Watches some directories from the first look on."""

    def __init__(self, roots: Sequence[Root], zones: Zones) -> None:
        self.ours = tuple(root.path for root in roots if root.ours)
        """The directories that are the project's."""
        self._roots = roots
        self.began = 0.0
        """When they were first set up, in seconds since the system started."""
        self.notices: list[str] = []
        """Why less is seen than could be; to be said once in a run."""
        self._zones = zones
        self._lock = _Real.lock()
        self._inotify: Inotify | None = None
        self._fanotify: Fanotify | None = None
        self._news = kernel.News(())
        self._tree: Tree | None = None
        self._ended = False

    @property
    def names_nobody(self) -> bool:
        """Whether the system doesn't tell what of the changes was this process."""
        return self._tree is not None and not self._tree.tells_own

    def look(self) -> list[Change]:
        """What changed since the last look; nothing the first time, also that in a forked child."""
        if self._ended:
            return []
        if self._inotify is not None and self._inotify.is_inherited:
            self._lock = _Real.lock()  # a thread that doesn't exist in a forked child may have held it
        with self._lock:
            try:
                return self._look()
            except TooMuchError as reason:
                self._give_up(str(reason))
                return []

    def _look(self) -> list[Change]:
        if self._tree is None or self._inotify is None or self._inotify.is_inherited:
            self._shut()  # a forked child sets up queues of its own
            self._start()
            return []
        if not self._inotify.is_here:
            return self._start_anew()
        if not self._news.are_there():
            return []
        events = self._inotify.events()
        own = self._own_names()
        if not events:
            return []
        if any(event.mask & kernel.OVERFLOW for event in events):
            return self._start_anew()
        return list(self._changes(self._tree, events, own))

    def close(self) -> None:
        """Watch nothing any more."""
        self._ended = True
        self._shut()

    # ------------------------------------------------------------------------------------ beginning and end

    def _start(self) -> None:
        self.began = self.began or _Real.since_boot()
        self._tree = None  # until it is whole: a set-up that fails is followed by another
        try:
            self._inotify = Inotify()
        except OSError as error:
            raise TooMuchError(f"the system gives no inotify: {error.strerror or error}") from None
        try:
            self._fanotify = Fanotify()
        except OSError:  # an older system, or a container that forbids it
            self._fanotify = None
        self._news = kernel.News(one for one in (self._inotify, self._fanotify) if one is not None)
        tree = Tree(self._inotify, self._fanotify, self._zones)
        for root in self._roots:
            tree.add(root, asked=True)
        self._tree = tree

    def _start_anew(self) -> list[Change]:
        """Events were lost, or the queue itself: compare everything with what was known."""
        before = self._tree
        self._shut()
        self._start()
        if before is None or self._tree is None:
            return []
        paths = dict.fromkeys([*before.paths(), *self._tree.paths()])
        found = (Change("scan", path, "", before.state(path), None) for path in paths)
        return [change for change in found if differs(change.before, self._tree.state(change.path))]

    def _shut(self) -> None:
        for queue in (self._inotify, self._fanotify):
            if queue is not None:
                queue.close()
        self._inotify = self._fanotify = None

    def _give_up(self, reason: str) -> None:
        self.close()
        self._tree = None
        self.notices.append(f"{UNSEEN}: {reason}")

    # ------------------------------------------------------------------------------------ events to changes

    def _own_names(self) -> frozenset[str] | None:
        if self._fanotify is None or not self._fanotify.is_here:
            return None
        return self._fanotify.own_names()

    def _changes(self, tree: Tree, events: list[Event], own: frozenset[str] | None) -> Iterator[Change]:
        batch = Batch(tree, events)
        for top, new in batch.fresh.items():
            for path in tree.add(Root(top, True)):
                if new:
                    batch.touched.setdefault(path, Touch(None, "create", top=top))
        for path, touch in batch.touched.items():
            now = look(path)
            tree.update(path, now)
            if touch.before is None or differs(touch.before, now):  # also what came and went meanwhile
                name = os.path.basename(touch.top or path)
                by_us = None if own is None or not tree.tells_own else name in own
                operation = "setxattr" if _is_of_attributes(touch, path, now) else touch.operation
                yield Change(operation, path, touch.other, touch.before, by_us)


def _is_of_attributes(touch: Touch, path: str, now: State | None) -> bool:
    """Whether nothing but extended attributes can have changed: a mode that is changed and changed back has none."""
    before = touch.before
    if touch.operation != "utime" or before is None or now is None:
        return False
    return before._replace(changed=now.changed) == now and _has_attributes(path)


def _has_attributes(path: str) -> bool:
    if _Real.listxattr is None:
        return False
    try:
        return any(name.startswith("user.") for name in _Real.listxattr(path, follow_symlinks=False))
    except OSError:  # gone, or a file system without them
        return False
