"""From events to the paths that they speak of, with what was there before the first of them."""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import dataclass

from pytest_stateless.noted import State
from pytest_stateless.watches import kernel
from pytest_stateless.watches.kernel import Event
from pytest_stateless.watches.roots import PRUNED
from pytest_stateless.watches.tree import Tree
from pytest_stateless.zones import within


@dataclass
class Touch:
    """What events said of one path."""

    before: State | None
    operation: str = ""
    """As in an attempt to write."""
    other: str = ""
    """The other path of a rename; empty elsewhere."""
    top: str = ""
    """The directory that brought the path with it; empty where an event named the path."""


_OPERATIONS = {
    kernel.CREATE: "create",
    kernel.DELETE: "remove",
    kernel.MOVED_FROM: "remove",  # until its other half is met
    kernel.MOVED_TO: "create",
}


class Batch:
    """The events of one look."""

    def __init__(self, tree: Tree, events: Iterable[Event]) -> None:
        self.touched: dict[str, Touch] = {}
        self.fresh: dict[str, bool] = {}
        """New directories that aren't watched yet, and whether what is in them is new too."""
        self._tree = tree
        self._moving: dict[int, str] = {}
        """Directories and files of which the first half of a rename was met, by its number."""
        for event in events:
            self._take(event)
        for path in self._moving.values():
            self._lose(path)

    def _lose(self, top: str) -> None:
        """It left what is watched, and took with it what lies in it."""
        if not self._tree.is_watched(top):
            return
        self._tree.forget(top)
        for path in [one for one in self.touched if within(one, top) and one != top]:
            del self.touched[path]

    def _take(self, event: Event) -> None:
        if event.mask & kernel.IGNORED:
            self._tree.ended(event.watch)
            return
        directory = self._tree.path_of(event.watch)
        if directory is None or not event.name:  # of the watched directory itself, its parent tells
            return
        path = os.path.join(directory, event.name)
        touch = self.touched.get(path)
        if touch is None:
            touch = self.touched[path] = Touch(self._tree.state(path))
        self._name(touch, event.mask)
        if event.mask & (kernel.MOVED_FROM | kernel.MOVED_TO):
            self._rename(path, event)
        elif event.mask & kernel.CREATE and event.mask & kernel.IS_DIRECTORY:
            self._meet(path, True)

    def _name(self, touch: Touch, mask: int) -> None:
        """What the events come to: the last that made, removed or renamed it, or else that it was written."""
        made = next((operation for bit, operation in _OPERATIONS.items() if mask & bit), "")
        if made:
            touch.operation, touch.other = made, ""
        elif mask & kernel.MODIFY and touch.operation in ("", "utime"):
            touch.operation = "modify"
        elif mask & kernel.ATTRIB and not touch.operation:
            touch.operation = "chmod" if mask & kernel.IS_DIRECTORY else "utime"

    def _meet(self, path: str, new: bool) -> None:
        if os.path.basename(path) not in PRUNED:
            self.fresh[path] = new

    def _rename(self, path: str, event: Event) -> None:
        if event.mask & kernel.MOVED_FROM:
            self._moving[event.cookie] = path
            return
        source = self._moving.pop(event.cookie, None)
        if source is None:  # from where nothing is watched
            if event.mask & kernel.IS_DIRECTORY:
                self._meet(path, False)
            return
        self.touched[source].operation, self.touched[source].other = "rename-from", path
        self.touched[path].operation, self.touched[path].other = "rename-to", source
        if event.mask & kernel.IS_DIRECTORY:
            self._move(source, path)

    def _move(self, source: str, target: str) -> None:
        """What lies in a directory goes with it."""
        self._tree.move(source, target)
        for path in [one for one in self.touched if within(one, source) and one != source]:
            self.touched[target + path[len(source) :]] = self.touched.pop(path)
        for path in [one for one in self.fresh if within(one, source)]:
            self.fresh[target + path[len(source) :]] = self.fresh.pop(path)
