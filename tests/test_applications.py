"""What is an application is told by its code; one that only a fixture has is in the memory for as long as it counts."""

from __future__ import annotations

import sys
import types
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from pytest_stateless.applications import Applications, is_application
from pytest_stateless.source import FIXTURES


class Wsgi:
    def __call__(self, environ: Any, start_response: Any) -> Any: ...


class Inherits(Wsgi):
    """An application by what it inherits."""


class Asgi:
    async def __call__(self, one: Any, two: Any, three: Any) -> Any: ...


class AsgiByName:
    def __call__(self, scope: Any, receive: Any, send: Any) -> Any: ...


class Adder:
    def __call__(self, one: int, two: int) -> int:
        return one + two


class Mixer:
    def __call__(self, one: int, two: int, three: int) -> int:
        return one + two + three


class Loud:
    """Nothing of it may run."""

    def __getattribute__(self, name: str) -> Any:
        raise AssertionError(name)

    def __eq__(self, other: object) -> bool:
        raise AssertionError

    __hash__ = object.__hash__


class LoudApplication(Loud):
    def __call__(self, environ: Any, start_response: Any) -> Any:
        raise AssertionError


def wsgi(environ: Any, start_response: Any) -> Any: ...


async def asgi(scope: Any, receive: Any, send: Any) -> Any: ...


async def read(file: Any) -> Any: ...


THINGS: dict[str, tuple[object, bool]] = {
    "wsgi-object": (Wsgi(), True),
    "wsgi-inherited": (Inherits(), True),
    "wsgi-function": (wsgi, True),
    "asgi-object": (Asgi(), True),
    "asgi-object-by-name": (AsgiByName(), True),
    "asgi-function": (asgi, True),
    "hostile-application": (LoudApplication(), True),
    "hostile": (Loud(), False),
    "class": (Wsgi, False),
    "two-numbers": (Adder(), False),
    "three-numbers": (Mixer(), False),
    "coroutine-function": (read, False),
    "built-in": (print, False),
    "number": (1, False),
    "none": (None, False),
}


@pytest.mark.parametrize(("thing", "expected"), THINGS.values(), ids=THINGS)
def test_an_application_is_told_by_its_code(thing: object, expected: bool) -> None:
    assert is_application(thing) is expected


@pytest.mark.parametrize(
    "make",
    [
        pytest.param(lambda: __import__("flask").Flask("shop"), id="flask"),
        pytest.param(lambda: __import__("fastapi").FastAPI(), id="fastapi"),
        pytest.param(lambda: __import__("starlette.applications").applications.Starlette(), id="starlette"),
        pytest.param(
            lambda: __import__("django.core.handlers.asgi", fromlist=["x"]).ASGIHandler.__new__(
                sys.modules["django.core.handlers.asgi"].ASGIHandler
            ),
            id="django-asgi",
        ),
        pytest.param(
            lambda: __import__("django.core.handlers.wsgi", fromlist=["x"]).WSGIHandler.__new__(
                sys.modules["django.core.handlers.wsgi"].WSGIHandler
            ),
            id="django-wsgi",
        ),
    ],
)
def test_the_frameworks_make_applications(make: Callable[[], object]) -> None:
    for package in ("flask", "fastapi", "django"):
        pytest.importorskip(package)
    assert is_application(make())


# ---------------------------------------------------------------------------------------------------- kept


class Client:
    """A test client, as all of them have their application."""

    def __init__(self, name: str, app: object) -> None:
        setattr(self, name, app)


@pytest.fixture
def kept() -> Iterator[Applications]:
    applications = Applications()
    applications.begin()
    yield applications
    applications.end()


def names() -> dict[str, object]:
    return {name: value for name, value in vars(sys.modules[FIXTURES]).items() if not name.startswith("__")}


@pytest.mark.parametrize("name", ["app", "application"])
def test_the_application_of_a_client_is_found(kept: Applications, name: str) -> None:
    app = Wsgi()
    assert kept.find(Client(name, app)) is app
    assert kept.find(Client("other", app)) is None
    assert kept.find(Client(name, Adder())) is None


def test_what_is_held_already_isnt_found_again(kept: Applications) -> None:
    app = Wsgi()
    finish = kept.keep("app", app)
    assert kept.find(Client("application", app)) is None
    assert names() == {"app": app}
    finish()
    assert kept.find(app) is app, "the next fixture may give the same one"


def test_what_is_finished_is_held_until_it_was_told(kept: Applications) -> None:
    app = Wsgi()
    finish = kept.keep("app", app)
    kept.let_go()
    assert names() == {"app": app}
    finish()
    assert names() == {"app": app}
    kept.let_go()
    assert names() == {}


def test_two_of_one_name_are_both_held(kept: Applications) -> None:
    outer, inner = Wsgi(), Wsgi()
    kept.keep("app", outer)
    kept.keep("app", inner)()
    assert names() == {"app": outer, "app_": inner}
    kept.let_go()
    assert names() == {"app": outer}


def test_what_is_made_anew_takes_the_place_of_what_is_finished(kept: Applications) -> None:
    kept.keep("app", Wsgi())()
    again = Wsgi()
    kept.keep("app", again)
    kept.let_go()
    assert names() == {"app": again}


def test_at_the_end_nothing_is_left() -> None:
    applications = Applications()
    applications.end()  # it never began
    applications.begin()
    applications.keep("app", Wsgi())
    module = sys.modules[FIXTURES]
    applications.end()
    assert FIXTURES not in sys.modules
    assert vars(module) == {}


def test_somebody_elses_module_is_left_alone() -> None:
    applications, other = Applications(), types.ModuleType("other")
    applications.begin()
    sys.modules[FIXTURES] = other
    try:
        applications.end()
        assert sys.modules[FIXTURES] is other
    finally:
        del sys.modules[FIXTURES]
