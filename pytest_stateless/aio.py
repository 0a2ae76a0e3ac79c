"""Reads what asyncio's loops and tasks are up to, without running code of the program."""

from __future__ import annotations

import contextvars
import sys
import types
import weakref
from collections import deque
from typing import Any, Final

from pytest_stateless.heap.graph import (
    class_namespace,
    get_referents,
    identity,
    is_heap_type,
    module_namespace,
    mro_of,
    namespace_of,
    unwrapped,
)
from pytest_stateless.heap.holders import local_namespace

_ENOUGH: Final = 1000  # coroutines that wait for one another
_met: Final[dict[str, Any]] = {}
"""What ``_asyncio`` defines, held from its first sight on: tests mock asyncio."""


def loaded(module: str) -> dict[str, Any]:
    """The names of a module; none where it isn't loaded."""
    found = sys.modules.get(module)
    return module_namespace(found) if type(found) is types.ModuleType else {}


def _real(name: str) -> Any:
    if name not in _met and "_asyncio" in sys.modules:
        _met[name] = loaded("_asyncio").get(name)
    return _met.get(name)


# --------------------------------------------------------------------------------------------------- loops


def running() -> Any:
    """The loop that runs in this thread right now."""
    ask = _real("_get_running_loop")
    return None if ask is None else ask()


def about_to_run() -> Any:
    """The loop that begins to run in this thread, where the interpreter was just told who finalizes its generators."""
    hook = sys.get_asyncgen_hooks().finalizer
    bound = type(hook) is types.MethodType or type(hook) is types.BuiltinMethodType
    loop = hook.__self__ if bound else None  # type: ignore[union-attr]
    return loop if loop is not None and is_loop(loop) else None


def is_loop(thing: Any) -> bool:
    """Whether it is an event loop of asyncio's kind."""
    abstract = loaded("asyncio.events").get("AbstractEventLoop")
    return any(base is abstract for base in mro_of(type(thing)))


def current() -> Any:
    """The loop that is set for this thread; asking asyncio for it could make one."""
    policy = loaded("asyncio.events").get("_event_loop_policy")
    local = None if policy is None else namespace_of(policy).get("_local")
    found = None if local is None else local_namespace(local)
    loop = None if found is None else found.get("_loop")
    return loop if loop is not None and is_loop(loop) else None


def is_in_c(loop: Any) -> bool:
    """Whether the loop keeps what it does where Python can't see it."""
    return type(namespace_of(loop).get("_closed")) is not bool


def is_closed(loop: Any) -> bool:
    """Whether the loop was closed."""
    closed = namespace_of(loop).get("_closed")
    if type(closed) is bool:
        return closed
    for base in mro_of(type(loop)):  # a loop in C; a class in C can't be given another method
        ask: Any = class_namespace(base).get("is_closed")
        if ask is not None:
            return not is_heap_type(base) and ask(loop) is True
    return False


def thread_of(loop: Any) -> int:
    """The thread that the loop runs in; 0 where it doesn't run, or doesn't say so."""
    found = namespace_of(loop).get("_thread_id")
    return found if type(found) is int else 0


def generators_of(loop: Any) -> list[Any]:
    """The asynchronous generators that began in the loop, are alive and have not ended."""
    return [
        found
        for found in _in_weak_set(namespace_of(loop).get("_asyncgens"))
        if type(found) is types.AsyncGeneratorType and found.ag_frame is not None
    ]


def callbacks_of(loop: Any) -> list[tuple[Any, types.FunctionType]]:
    """The Python functions that the loop is to call, each with its handle; those of tasks and futures are C's."""
    found = [(handle, _function_of(handle)) for handle in _handles(namespace_of(loop))]
    return [(handle, function) for handle, function in found if function is not None]


def _handles(names: dict[str, Any]) -> list[Any]:
    scheduled, ready = names.get("_scheduled"), names.get("_ready")
    found = list(scheduled) if type(scheduled) is list else []
    return found + (list(ready) if type(ready) is deque else [])


def _function_of(handle: Any) -> types.FunctionType | None:
    """What a handle calls, unless it was cancelled."""
    base: Any = loaded("asyncio.events").get("Handle")
    if not any(cls is base for cls in mro_of(type(handle))):
        return None
    slots: dict[str, Any] = class_namespace(base)
    function, cancelled = (slots[name].__get__(handle) for name in ("_callback", "_cancelled"))
    function = _python_function(unwrapped(function))
    return None if cancelled else function


def _python_function(called: Any) -> types.FunctionType | None:
    """The function itself, or what an object of a class of Python's runs when it is called."""
    if type(called) is not types.FunctionType:
        calls = (class_namespace(cls).get("__call__") for cls in mro_of(type(called)))
        called = next((call for call in calls if call is not None), None)
    return called if type(called) is types.FunctionType else None


# --------------------------------------------------------------------------------------------------- tasks


def pending(loop: Any) -> list[Any]:
    """The tasks of a loop that are not done."""
    found = {identity(task): task for task in _registered() if _loop_of(task) is loop}
    found.update((identity(task), task) for task in _tasks_in_c(loop))
    return [task for task in found.values() if not _is_done(task)]


def _tasks_in_c(loop: Any) -> Any:
    """From 3.14 on tasks stand in lists that C code alone can read, for one loop.

    It asks those of a class of the program's for ``done()``, as asyncio itself does.
    """
    ask = _real("all_tasks")
    return () if ask is None else ask(loop)


def _registered() -> list[Any]:
    names = loaded("asyncio.tasks")
    eager = names.get("_eager_tasks")  # since 3.12
    found = list(eager) if type(eager) is set else []
    return found + _in_weak_set(_scheduled(names))


def _scheduled(names: dict[str, Any]) -> Any:
    return names.get("_scheduled_tasks", names.get("_all_tasks"))  # the former since 3.12


def marks(loop: Any) -> list[weakref.ref[Any]] | None:
    """What stands for all that may go on in a loop, and is the same as long as nothing new does; None where it can't.

    It costs a fraction of looking at each: what goes on may end unnoticed, but nothing that ended begins again.
    """
    names, tasks = namespace_of(loop), loaded("asyncio.tasks")
    eager = tasks.get("_eager_tasks")
    things = [*_tasks_in_c(loop), *(eager if type(eager) is set else ()), *_handles(names)]
    try:
        found = list(map(weakref.ref, things))
    except TypeError:  # a handle of a class that allows no reference
        return None
    return found + _references(_scheduled(tasks)) + _references(names.get("_asyncgens"))


def _in_weak_set(found: Any) -> list[Any]:
    """What is alive in a weak set."""
    return [thing for reference in _references(found) if (thing := reference()) is not None]


def _references(found: Any) -> list[weakref.ref[Any]]:
    """What a weak set holds, which other threads may change meanwhile."""
    return list(vars(found)["data"]) if type(found) is weakref.WeakSet else []


def _is(task: Any, name: str) -> bool:
    cls = _real(name)
    return cls is not None and any(base is cls for base in mro_of(type(task)))


def _loop_of(task: Any) -> Any:
    return _real("Future").get_loop(task) if _is(task, "Future") else namespace_of(task).get("_loop")


def _is_done(task: Any) -> bool:
    if _is(task, "Future"):
        return _real("Future").done(task) is True
    return bool(
        namespace_of(task).get("_state", "PENDING") != "PENDING"
    )  # until it ends, its class alone says so


def coroutine_of(task: Any) -> Any:
    """What the task runs."""
    return _real("Task").get_coro(task) if _is(task, "Task") else namespace_of(task).get("_coro")


def context_of(task: Any) -> contextvars.Context | None:
    """The context variables that a task runs with; asking it for them is possible from 3.12 on."""
    return next((held for held in get_referents(task) if type(held) is contextvars.Context), None)


def awaits(coroutine: Any) -> list[tuple[Any, types.FrameType]]:
    """The coroutines that wait for one another, the outermost first, each with its frame."""
    found: list[tuple[Any, types.FrameType]] = []
    for _ in range(_ENOUGH):
        frame, inner = _inside(coroutine)
        if frame is None:
            break
        found.append((coroutine, frame))
        coroutine = inner
    return found


def _inside(thing: Any) -> tuple[types.FrameType | None, Any]:
    """The frame of a coroutine or generator that has not ended, and what it waits for."""
    if type(thing) is types.CoroutineType:
        return thing.cr_frame, thing.cr_await
    if type(thing) is types.GeneratorType:
        return thing.gi_frame, thing.gi_yieldfrom
    if type(thing) is types.AsyncGeneratorType:
        return thing.ag_frame, thing.ag_await
    return None, None


def key_of(thing: Any) -> weakref.ref[Any] | None:
    """What stands for a thing as long as somebody holds the key, and keeps it from nothing; None where it can't."""
    try:
        return weakref.ref(thing)
    except TypeError:
        return None
