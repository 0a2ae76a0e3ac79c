"""What test tools replaced at the word of a test, and is still replaced."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

from pytest_stateless.heap.graph import (
    Kind,
    class_namespace,
    module_name_of,
    module_namespace,
    namespace_of,
    plan_of,
)
from pytest_stateless.interpreter.gate import Holder
from pytest_stateless.interpreter.item import (
    WHOLE,
    Item,
    Place,
    Reading,
    loaded,
)
from pytest_stateless.interpreter.kinds import Attribute, Things, within_class


def _patches() -> Reading:
    """The patches of ``unittest.mock`` that were started, by what they replace."""
    active = _active_patches()
    return {_target(patch): patch for patch in active} if type(active) is list else {}


def _active_patches() -> Any:
    cls: Any = (loaded("unittest.mock") or {}).get("_patch")
    return class_namespace(cls).get("_active_patches") if type(cls) is type else None


def _holders_of_patches() -> Iterator[Holder]:
    held = Attribute("unittest.mock", "_patch")
    yield from held.holders()
    yield from within_class(held.held())
    active = _active_patches()
    if type(active) is list:
        yield Holder(active)


def _target(patch: Any) -> str:
    held = namespace_of(patch)
    target, name = held.get("target"), held.get("attribute")
    kind = plan_of(type(target)).kind
    if kind is Kind.MODULE:
        home = module_namespace(target).get("__name__")
    else:
        cls: Any = target if kind is Kind.CLASS else type(target)
        home = f"{module_name_of(cls)}.{type.__dict__['__name__'].__get__(cls)}"
    return f"{home}.{name}" if type(name) is str else f"{home}"


def _places_of_patch(label: str) -> Iterator[Place]:
    patch = _patches().get(label)
    held = namespace_of(patch)
    target, name = held.get("target"), held.get("attribute")
    if target is not None:
        kind = plan_of(type(target)).kind
        if kind is Kind.MODULE:
            yield module_namespace(target), name
        elif kind is Kind.CLASS:
            yield class_namespace(target), name
        yield target, name
    yield patch, WHOLE
    yield _active_patches(), WHOLE


def _frozen() -> Reading:
    """The tools that still replace the clock."""
    return {
        module.partition(".")[0]: "frozen"
        for module, name in _CLOCKS
        if type(things := (loaded(module) or {}).get(name)) is list and things
    }


def _holders_of_clocks() -> Iterator[Holder]:
    for module, name in _CLOCKS:
        yield from Things(module, name).holders()


_CLOCKS: Final = (
    ("freezegun.api", "freeze_factories"),
    ("time_machine", "traveller_stack"),
    ("time_machine", "coordinates_stack"),  # before 3.0
)


def _places_of_clock(_: object) -> Iterator[Place]:
    """Both make the ids that hold the time in Python, and forget the last one."""
    found = loaded("uuid") or {}
    for name in ("_generate_time_safe", "_UuidCreate", "_last_timestamp"):
        yield found, name


ITEMS: Final = (
    Item(
        "unittest.mock.patch",
        _patches,
        "what is replaced stays so for later tests",
        "stop it: self.addCleanup(patcher.stop), or patch in a with block",
        spell=lambda name, label: f"{name}({label!r})",
        places=_places_of_patch,
        holders=_holders_of_patches,
        of_tools=True,
    ),
    Item(
        "clock",
        _frozen,
        "time stands still for later tests",
        "stop it, or freeze in a with block",
        spell=lambda name, label: f"{name} of {label}",
        show=str,
        places=_places_of_clock,
        holders=_holders_of_clocks,
        of_tools=True,
    ),
)
"""The lines of the table about test tools."""
