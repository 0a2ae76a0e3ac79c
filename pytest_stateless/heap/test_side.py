"""Which things on the way to a place are the test's own: what its clients of an application and its mocks keep."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from types import MethodType
from typing import Final

from pytest_stateless.heap.graph import Kind, class_namespace, is_heap_type, module_name_of, mro_of, plan_of
from pytest_stateless.heap.path import Path
from pytest_stateless.source import FIXTURES

OF_A_CLIENT: Final = "of-a-test-client"
OF_A_MOCK: Final = "of-a-mock"
BY_A_FIXTURE: Final = "by-a-fixture"

_BY_MODULE: Final[dict[str, str]] = {
    **dict.fromkeys(
        (
            *("werkzeug.test", "flask.testing", "webtest.app", "django.test.client", "rest_framework.test"),
            *("starlette.testclient", "aiohttp.test_utils"),
        ),
        OF_A_CLIENT,
    ),
    "unittest.mock": OF_A_MOCK,
}
"""Traits of what lies in instances of classes of a module."""

_CODE: Final = frozenset({Kind.CLASS, Kind.FUNCTION, Kind.MODULE})


def traits_of(path: Path) -> Iterator[str]:
    """What the path to a container makes of what it holds."""
    if path.text == FIXTURES:
        yield BY_A_FIXTURE
    yield from traits_of_way(path.things)


def traits_of_way(things: Iterable[object]) -> set[str]:
    """What the things on the way make of its end.

    A client leads to the application, which may have no other way to it: what lies behind that is none of the client's.
    """
    found: set[str] = set()
    before: object = None
    for thing in things:
        own = {_BY_MODULE[home] for home in map(module_name_of, mro_of(type(thing))) if home in _BY_MODULE}
        if not own and OF_A_CLIENT in found and (_is_called(thing) or _is_named_so(thing, before)):
            found.discard(OF_A_CLIENT)
        found |= own
        before = thing
    return found


def _is_named_so(thing: object, namespace: object) -> bool:
    """Whether it has the name of an application, or of the state that one set up at its start."""
    if type(namespace) is not dict:
        return False
    names = [name for name, value in namespace.items() if value is thing]
    return any(type(name) is str and name.startswith("app") for name in names)


def _is_called(thing: object) -> bool:
    """Whether it is code, or an object that is called as an application of WSGI or ASGI is."""
    cls = type(thing)
    if cls is MethodType or plan_of(cls).kind in _CODE:
        return True
    return any("__call__" in class_namespace(base) for base in mro_of(cls) if is_heap_type(base))
