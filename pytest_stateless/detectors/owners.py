"""Searches the memory for the objects that hold descriptors: dear, so only for those that are new or gone."""

from __future__ import annotations

import _socket
import gc
import io
import sys
import types
from collections import deque
from collections.abc import Callable, Collection, Iterable, Iterator, Set
from itertools import compress
from typing import Any, Final, NamedTuple

from pytest_stateless.heap.graph import identity, is_heap_type, module_namespace, mro_of, plan_of

_PIECES: Final = 1000  # objects whose referents are fetched in one call


class Owners(NamedTuple):
    """Who holds which descriptor, by its number."""

    sockets: dict[int, object]
    """The socket objects."""
    claims: dict[int, int]
    """How many sockets and files think that it is theirs."""
    traits: dict[int, str]
    """``event-loop``, ``running-child`` or ``multiprocessing`` for what such a thing holds."""


_TRAITS: Final[tuple[tuple[str, str, str], ...]] = (
    ("asyncio.base_events", "BaseEventLoop", "event-loop"),
    ("subprocess", "Popen", "running-child"),
    ("multiprocessing.popen_fork", "Popen", "running-child"),
    ("multiprocessing.resource_tracker", "ResourceTracker", "multiprocessing"),
    ("multiprocessing.forkserver", "ForkServer", "multiprocessing"),
)
"""Classes whose instances hold descriptors that a leak of another kind tells of, or none; where they are loaded."""


def find() -> Owners:
    """Look through all objects once."""
    readers: dict[int, Callable[[Any, Owners], None]] = {}
    for cls in _with_subclasses(_socket.socket):
        readers[identity(cls)] = _read_socket
    for cls in _with_subclasses(io.FileIO):
        readers[identity(cls)] = _read_file
    for module, name, trait in _TRAITS:
        for cls in _with_subclasses(_loaded(module, name)):
            readers[identity(cls)] = _reader(trait)
    found = Owners({}, {}, {})
    objects = gc.get_objects()
    # Step by step for all of them: a third of what a loop takes.
    is_wanted = map(readers.__contains__, map(identity, map(type, objects)))
    for thing in compress(objects, is_wanted):
        readers[identity(type(thing))](thing, found)
    return found


def _loaded(module: str, name: str) -> type | None:
    found = sys.modules.get(module)
    cls = module_namespace(found).get(name) if issubclass(type(found), types.ModuleType) else None
    return cls if cls is not None and issubclass(type(cls), type) else None  # type: ignore[return-value]


def _with_subclasses(cls: type | None) -> Iterator[type]:
    if cls is not None:
        yield cls
        child: type
        for child in type.__subclasses__(cls):
            yield from _with_subclasses(child)


def _read_socket(socket: Any, found: Owners) -> None:
    number = _socket.socket.fileno(socket)
    if number >= 0:
        found.sockets[number] = socket
        found.claims[number] = found.claims.get(number, 0) + 1


def _read_file(file: Any, found: Owners) -> None:
    number = _number(file)
    if number is not None and io.FileIO.closefd.__get__(file):  # else it only borrows it
        found.claims[number] = found.claims.get(number, 0) + 1


def _reader(trait: str) -> Callable[[Any, Owners], None]:
    def read(thing: Any, found: Owners) -> None:
        for number in _DESCRIPTORS[trait](_attributes(thing)):
            found.traits[number] = trait

    return read


_get: Final[Any] = dict.get  # what is kept in an instance may be of a subclass


def _attributes(thing: object) -> dict[str, object]:
    namespace = plan_of(type(thing)).namespace
    return {} if namespace is None else namespace(thing)


def _of_a_loop(loop: dict[str, object]) -> Iterator[int]:
    if _get(loop, "_closed") is False:
        selector = _attributes(_get(loop, "_selector"))
        yield from _numbers([_get(selector, "_selector"), _get(loop, "_ssock"), _get(loop, "_csock")])


def _of_a_child(child: dict[str, object]) -> Iterator[int]:
    if _get(child, "returncode", 0) is not None:
        return
    yield from _numbers(_get(child, name) for name in ("stdin", "stdout", "stderr", "sentinel"))
    arguments = _get(_attributes(_get(child, "finalizer")), "_args")
    yield from _numbers(arguments if type(arguments) is tuple else ())


def _of_a_tracker(tracker: dict[str, object]) -> Iterator[int]:
    yield from _numbers(_get(tracker, name) for name in ("_fd", "_forkserver_alive_fd"))


_DESCRIPTORS: Final[dict[str, Callable[[dict[str, object]], Iterator[int]]]] = {
    "event-loop": _of_a_loop,
    "running-child": _of_a_child,
    "multiprocessing": _of_a_tracker,
}


def _numbers(things: Iterable[object]) -> Iterator[int]:
    return (number for thing in things if (number := _number(thing)) is not None)


def _number(thing: Any) -> int | None:
    """The descriptor of a file, a socket or a poller, asked past any override; None where it is closed."""
    if type(thing) is int:
        return thing
    if type(thing) is io.TextIOWrapper:
        thing = io.TextIOWrapper.buffer.__get__(thing)
    for buffered in (io.BufferedReader, io.BufferedWriter, io.BufferedRandom):
        if type(thing) is buffered:
            thing = buffered.raw.__get__(thing)
    for base in mro_of(type(thing)):
        if any(base is known for known in _WITH_NUMBER):
            try:
                number: int = base.fileno(thing)  # type: ignore[attr-defined]
            except ValueError:
                return None
            return number if number >= 0 else None
    return None


def _pollers() -> tuple[type, ...]:
    import select

    return tuple(
        found
        for name in ("epoll", "kqueue", "devpoll")
        if isinstance(found := getattr(select, name, 0), type)
    )


_POLLERS: Final = _pollers()
_WITH_NUMBER: Final = (_socket.socket, io.FileIO, *_POLLERS)


_PLAIN: Final = frozenset(
    {dict, list, tuple, set, deque, types.CellType, types.MethodType, types.BuiltinFunctionType}
)


def pollers(wanted: Collection[int]) -> Set[int]:
    """Those of the descriptors that are pollers of Python's: the garbage collector knows only who refers to them."""
    found: set[int | None] = set()
    # Of containers and instances alone: a frame that runs may not be asked what it refers to.
    objects = [thing for thing in gc.get_objects() if type(thing) in _PLAIN or is_heap_type(type(thing))]
    for start in range(0, len(objects), _PIECES):
        for thing in gc.get_referents(*objects[start : start + _PIECES]):
            if type(thing) in _POLLERS:
                found.add(_number(thing))
    return frozenset(wanted) & found
