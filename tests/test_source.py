"""Whose code a file is, and which frame is to blame."""

from __future__ import annotations

import ast
import importlib
import os
import sys
import types
from collections.abc import Callable
from typing import Any

import pytest

from pytest_stateless.leak import Origin, Owner
from pytest_stateless.serving import servers
from pytest_stateless.source import Place, Sources, names_of, relative_to

APPLICATION, DEPENDENCY = "/srv/shop/cart.py", "/venv/lib/site-packages/flask/app.py"
STANDARD, TOOL = ast.__file__, "/venv/lib/site-packages/_pytest/python.py"
SERVER, SERVING = "/venv/lib/site-packages/uvicorn/server.py", servers.__file__
BOOTSTRAP = "<frozen importlib._bootstrap_external>"


def sources() -> Sources:
    return Sources("/srv/shop", frozenset({"shop_plugins"}), frozenset({"_pytest", "coverage"}))


@pytest.mark.parametrize(
    ("file", "owner"),
    [
        pytest.param(APPLICATION, Owner.APPLICATION, id="project"),
        pytest.param("/elsewhere/lib.py", Owner.APPLICATION, id="checked-out-elsewhere"),
        pytest.param("run.py", Owner.APPLICATION, id="relative"),
        pytest.param(DEPENDENCY, Owner.DEPENDENCY, id="installed"),
        pytest.param("/usr/lib/python3/dist-packages/yaml/x.py", Owner.DEPENDENCY, id="debians"),
        pytest.param(
            "/srv/shop/.venv/lib/site-packages/six.py", Owner.DEPENDENCY, id="environment-in-project"
        ),
        pytest.param("/v/site-packages/shop_plugins/a.py", Owner.APPLICATION, id="installed-application"),
        pytest.param("/v/site-packages/shop_plugins.py", Owner.APPLICATION, id="installed-single-module"),
        pytest.param("/v/site-packages/x/site-packages/shop_plugins/a.py", Owner.APPLICATION, id="innermost"),
        pytest.param(TOOL, Owner.DEPENDENCY, id="tool"),
        pytest.param(STANDARD, Owner.STANDARD_LIBRARY, id="standard-library"),
        pytest.param(os.path.realpath(STANDARD), Owner.STANDARD_LIBRARY, id="standard-library-real-path"),
        pytest.param("<string>", Owner.STANDARD_LIBRARY, id="no-file"),
        pytest.param(BOOTSTRAP, Owner.STANDARD_LIBRARY, id="frozen"),
        pytest.param(types.__file__, Owner.STANDARD_LIBRARY, id="types"),
    ],
)
def test_a_file_belongs_to_somebody(file: str, owner: Owner) -> None:
    found = sources()
    assert found.owner(file) is owner
    assert found.owner(file) is owner  # now from memory


def test_the_plugin_itself_is_a_tool_but_its_doors_stand_for_the_os_module() -> None:
    import pytest_stateless.doors
    import pytest_stateless.window

    assert sources().owner(pytest_stateless.window.__file__) is Owner.DEPENDENCY
    assert sources().owner(pytest_stateless.doors.__file__) is Owner.STANDARD_LIBRARY


@pytest.mark.parametrize(
    ("name", "file", "owner"),
    [
        pytest.param("shop.cart", APPLICATION, Owner.APPLICATION, id="by-file"),
        pytest.param("flask.app", DEPENDENCY, Owner.DEPENDENCY, id="by-file-installed"),
        pytest.param("shop_plugins.a", DEPENDENCY, Owner.APPLICATION, id="by-declared-name"),
        pytest.param("sys", None, Owner.STANDARD_LIBRARY, id="built-in"),
        pytest.param("os.path", 7, Owner.STANDARD_LIBRARY, id="odd-file-of-the-standard-library"),
        pytest.param("__main__", None, Owner.APPLICATION, id="main"),
        pytest.param("served", None, Owner.APPLICATION, id="what-has-a-served-application"),
        pytest.param("made_by_hand", None, Owner.DEPENDENCY, id="made-by-hand"),
    ],
)
def test_a_module_belongs_to_somebody(name: str, file: object, owner: Owner) -> None:
    assert sources().owner_of_module(name, file) is owner


def stack(*files: str) -> types.FrameType:
    """A frame below others, the outermost first, each in a function ``f0``, ``f1``, ... of a file."""

    def call(inner: Callable[[], Any], file: str, number: int) -> Callable[[], Any]:
        source = "\n" * number + f"def f{number}(inner): return inner()"
        namespace: dict[str, Any] = {}
        exec(compile(source, file, "exec"), namespace)
        return lambda: namespace[f"f{number}"](inner)

    act: Callable[[], Any] = lambda: sys._getframe(1)  # noqa: E731
    for number, file in reversed(list(enumerate(files))):
        act = call(act, file, number)
    frame = act()
    assert isinstance(frame, types.FrameType)
    return frame


@pytest.fixture(autouse=True)
def _this_file_is_nobodys(monkeypatch: pytest.MonkeyPatch) -> None:
    # The stacks are made by this file and run below pytest: from here outwards nothing may count.
    classify = Sources._classify

    def without_the_test(self: Sources, file: str) -> tuple[Owner, bool]:
        return (Owner.STANDARD_LIBRARY, False) if file == __file__ else classify(self, file)

    monkeypatch.setattr(Sources, "_classify", without_the_test)


@pytest.mark.parametrize(
    ("files", "place"),
    [
        pytest.param(
            [APPLICATION], Place(APPLICATION, 1, "f0", Owner.APPLICATION, False, False), id="application"
        ),
        pytest.param(
            [APPLICATION, STANDARD, "<string>"],
            Place(APPLICATION, 1, "f0", Owner.APPLICATION, False, False),
            id="through-the-standard-library",
        ),
        pytest.param(
            ["/srv/shop/a.py", "/srv/shop/b.py"],
            Place("/srv/shop/b.py", 2, "f1", Owner.APPLICATION, False, False),
            id="the-innermost-of-two",
        ),
        pytest.param(
            [APPLICATION, DEPENDENCY, STANDARD],
            Place(APPLICATION, 1, "f0", Owner.DEPENDENCY, False, False),
            id="a-dependency-called-by-the-application",
        ),
        pytest.param(
            [APPLICATION, TOOL],
            Place(TOOL, 2, "f1", Owner.DEPENDENCY, True, False),
            id="a-tool-called-by-the-application",
        ),
        pytest.param(
            [TOOL, APPLICATION],
            Place(APPLICATION, 2, "f1", Owner.APPLICATION, False, False),
            id="the-application-called-by-a-tool",
        ),
        pytest.param(
            [APPLICATION, BOOTSTRAP],
            Place(APPLICATION, 1, "f0", Owner.APPLICATION, False, True),
            id="the-import-system",
        ),
        pytest.param(
            [APPLICATION, BOOTSTRAP, "/srv/shop/b.py"],
            Place("/srv/shop/b.py", 3, "f2", Owner.APPLICATION, False, False),
            id="a-module-that-is-imported",
        ),
    ],
)
def test_the_first_frame_of_the_users_is_to_blame(files: list[str], place: Place) -> None:
    assert sources().place(stack(*files)) == place


def test_without_the_users_code_the_innermost_of_a_dependency_is_to_blame() -> None:
    found = Sources("/srv/shop")
    inner = stack(DEPENDENCY, "/venv/lib/site-packages/werkzeug/x.py")
    frame: types.FrameType | None = inner
    while frame is not None:  # what runs this test is nobody's either
        if (
            "site-packages/flask" not in frame.f_code.co_filename
            and "werkzeug" not in frame.f_code.co_filename
        ):
            found._known[frame.f_code.co_filename] = Owner.STANDARD_LIBRARY, False
        frame = frame.f_back
    assert found.place(inner) == Place(
        "/venv/lib/site-packages/werkzeug/x.py", 2, "f1", Owner.DEPENDENCY, False, False
    )


@pytest.mark.parametrize(
    ("inner", "place"),
    [
        pytest.param([], (SERVING, True), id="the-plugins-own-server"),
        pytest.param([SERVER], (SERVER, True), id="the-server-itself"),
        pytest.param([SERVER, STANDARD, SERVER], (SERVER, True), id="the-server-again"),
        pytest.param([SERVER, DEPENDENCY], (DEPENDENCY, False), id="a-framework"),
        pytest.param([SERVER, APPLICATION], (APPLICATION, False), id="the-application"),
        pytest.param([SERVER, APPLICATION, DEPENDENCY], (APPLICATION, False), id="a-dependency-of-it"),
    ],
)
def test_who_serves_an_application_is_not_the_test(inner: list[str], place: tuple[str, bool]) -> None:
    found = sources().place(stack("/srv/shop/test_cart.py", SERVING, *inner))
    assert found is not None
    assert (found.file, found.by_tool) == place


def test_a_stack_deeper_than_is_looked_at_shows_what_was_found() -> None:
    dependency = ["/srv/shop/a.py", *[STANDARD] * 230, DEPENDENCY]
    place = sources().place(stack(*dependency))
    assert place is not None
    assert (place.file, place.owner) == (DEPENDENCY, Owner.DEPENDENCY)


def test_nobody_is_to_blame_where_there_is_no_stack() -> None:
    assert sources().place(None) is None
    assert sources().origin(None) is None


def test_an_origin_is_shown_relative_to_the_root() -> None:
    place = Place(APPLICATION, 18, "add", Owner.APPLICATION, False, False)
    assert sources().origin(place) == Origin("cart.py", 18, "add")


@pytest.mark.parametrize(
    ("path", "root", "relative"),
    [
        pytest.param("/srv/shop/a/b", "/srv/shop", "a/b", id="below"),
        pytest.param("/srv/shop/a", "/srv/shop/", "a", id="trailing-slash"),
        pytest.param("/srv/shopping/a", "/srv/shop", "/srv/shopping/a", id="same-beginning"),
        pytest.param("/srv/shop", "/srv/shop", "/srv/shop", id="root-itself"),
        pytest.param("/etc/passwd", "/", "etc/passwd", id="top"),
    ],
)
def test_paths_are_shown_relative_to_the_root(path: str, root: str, relative: str) -> None:
    assert relative_to(path, root) == relative


def test_names_of_packages_are_their_top_level_names() -> None:
    assert names_of(["shop", "shop.cart", "lib.a.b"]) == {"shop", "lib"}


@pytest.mark.parametrize("module", ["doors", "children", "imports", "fake.calls"])
def test_what_stands_in_for_the_standard_library_is_no_culprit(module: str) -> None:
    found = importlib.import_module(f"pytest_stateless.{module}")
    assert found.__file__ is not None
    assert Sources("/srv/shop").owner(found.__file__) is Owner.STANDARD_LIBRARY
