"""What is found of a secret in memory, in the environment and in files, and how it is told."""

from __future__ import annotations

import base64
import ctypes
import hashlib
import os
import sys
import types
from collections.abc import Callable
from pathlib import Path
from typing import Any
from unittest import mock

import pytest

from pytest_stateless.detectors import Context, retained_secret
from pytest_stateless.expected import is_kept_by_the_application, judge
from pytest_stateless.heap.scope import Scope
from pytest_stateless.heap.snapshot import Heap
from pytest_stateless.leak import Leak, Owner

SECRET = "canary-5e1f"
Left = Callable[[Callable[[], object]], list[Leak]]


@pytest.fixture
def shop(monkeypatch: pytest.MonkeyPatch) -> Any:
    """An empty module of the application's."""
    module = types.ModuleType("stateless_shop")
    module.__file__ = "/srv/stateless_shop.py"
    monkeypatch.setitem(sys.modules, module.__name__, module)
    return module


@pytest.fixture
def recorded(recorded: Context) -> Context:
    """A context that looks for a password in one module."""
    scope = Scope(frozenset({"stateless_shop"}))
    recorded.make_heap = lambda: Heap(sys.modules, scope)
    recorded.canaries.add("password", SECRET)
    return recorded


@pytest.fixture
def left(recorded: Context, shop: Any) -> Left:
    """What was left of the password by a function."""

    def left_by(act: Callable[[], object]) -> list[Leak]:
        before = retained_secret.capture(recorded)
        act()
        return list(retained_secret.compare(before, retained_secret.capture(recorded)))

    return left_by


def told(leaks: list[Leak]) -> list[tuple[str, str]]:
    return [(leak.subject, leak.message) for leak in leaks]


def test_a_secret_in_memory_is_told_with_its_place(left: Left, shop: Any) -> None:
    def act() -> None:
        shop.last_attempts = [{"password": SECRET}]

    (leak,) = left(act)
    assert told([leak]) == [
        ("stateless_shop.last_attempts[0]['password']", "the password is still reachable")
    ]
    assert leak.owner is Owner.APPLICATION


def test_a_canary_is_looked_for_where_something_changed_since_its_window_began(
    recorded: Context, shop: Any
) -> None:
    recorded.canaries.clear()
    shop.before = [SECRET]  # as nobody can have it
    recorded.look_at_memory()
    assert retained_secret.capture(recorded) == retained_secret.NOTHING
    recorded.canaries.add("password", SECRET, is_new=True)
    assert list(retained_secret.capture(recorded).traces) == []
    shop.kept = [SECRET]
    assert list(retained_secret.capture(recorded).traces) == ["stateless_shop.kept[0]"]
    recorded.rest()  # a served application goes on with the same secrets
    assert list(retained_secret.capture(recorded).traces) == [
        "stateless_shop.before[0]",
        "stateless_shop.kept[0]",
    ]


def test_its_spelling_is_told(left: Left, shop: Any) -> None:
    def act() -> None:
        shop.header = "Basic " + base64.b64encode(f"bob:{SECRET}".encode()).decode()

    assert told(left(act)) == [("stateless_shop.header", "the password (base64) is still reachable")]


def test_the_request_that_sent_it_is_told(left: Left, shop: Any, recorded: Context) -> None:
    recorded.canaries.note_request("POST /other", b"nothing")
    recorded.canaries.note_request("POST /login", SECRET.encode())
    recorded.canaries.note_request("POST /again", SECRET.encode())
    assert told(left(lambda: setattr(shop, "kept", SECRET))) == [
        ("stateless_shop.kept", "the password of POST /login is still reachable")
    ]


def test_several_secrets_at_a_place_are_one_leak(left: Left, shop: Any, recorded: Context) -> None:
    recorded.canaries.add("token", "canary-77aa", "GET /")
    assert told(left(lambda: setattr(shop, "kept", f"{SECRET} canary-77aa"))) == [
        ("stateless_shop.kept", "the password and the token of GET / are still reachable")
    ]


def test_a_second_secret_at_a_place_is_told_alone(left: Left, shop: Any, recorded: Context) -> None:
    recorded.canaries.add("token", "canary-77aa")
    shop.kept = SECRET
    assert told(left(lambda: setattr(shop, "kept", f"{SECRET} canary-77aa"))) == [
        ("stateless_shop.kept", "the token is still reachable")
    ]


@pytest.mark.parametrize(
    "key",
    [SECRET, f"user {SECRET}", SECRET.encode().hex(), f'it\'s "{SECRET}"', SECRET.encode()],
    ids=["whole", "part", "encoded", "quotes", "bytes"],
)
def test_a_secret_in_a_key_is_masked(key: object, left: Left, shop: Any) -> None:
    (leak,) = left(lambda: setattr(shop, "tokens", {key: 1}))
    assert leak.subject.startswith("stateless_shop.tokens[")
    assert SECRET not in leak.subject
    assert SECRET.encode().hex() not in leak.subject


def test_a_subject_that_has_it_elsewhere_is_masked_as_a_whole(recorded: Context) -> None:
    assert recorded.canaries.masked(f"file {SECRET}.txt") == "file ***.txt"
    assert recorded.canaries.masked(f"file {SECRET.encode().hex()}.txt") == "***"
    assert recorded.canaries.masked("shop.kept['bob']") == "shop.kept['bob']"


def test_a_secret_in_the_name_of_a_request_is_masked(recorded: Any) -> None:
    recorded.canaries.add("password", SECRET)
    leak = retained_secret.RULE.leak("shop.kept", "").during(f"GET /{SECRET} (1st request)")
    told = recorded.canaries.taken_out([leak, retained_secret.RULE.leak("shop.kept", "")])
    assert [one.request for one in told] == ["GET /*** (1st request)", None]


@pytest.mark.parametrize(
    "healthy",
    [
        pytest.param(
            lambda shop: setattr(shop, "kept", hashlib.sha256(SECRET.encode()).hexdigest()), id="hash"
        ),
        pytest.param(lambda shop: setattr(shop, "kept", SECRET[:-1]), id="part"),
        pytest.param(
            lambda shop: shop.__dict__.update(kept=SECRET) or shop.__dict__.pop("kept"), id="undone"
        ),
        pytest.param(lambda shop: [SECRET], id="local"),
    ],
)
def test_what_can_not_be_found_is_no_leak(healthy: Callable[[Any], object], left: Left, shop: Any) -> None:
    assert left(lambda: healthy(shop)) == []


def test_what_was_there_before_it_was_sent_is_no_leak(left: Left, shop: Any, recorded: Context) -> None:
    shop.settings = {"password": SECRET}
    for subject, trace in retained_secret.capture(recorded).traces.items():
        recorded.canaries.learn(subject, trace.found)
    assert retained_secret.capture(recorded).traces == {}
    assert told(left(lambda: setattr(shop, "kept", SECRET))) == [
        ("stateless_shop.kept", "the password is still reachable")
    ]


@pytest.mark.parametrize(
    ("module", "kept"), [("werkzeug.test", False), ("unittest.mock", False), ("shop", True)]
)
def test_what_the_test_keeps_in_its_own_tools_is_no_leak(
    module: str, kept: bool, left: Left, shop: Any
) -> None:
    cls = type("Client", (), {"__module__": module})

    def act() -> None:
        shop.client = cls()
        shop.client.cookies = {"session": SECRET}

    assert bool(judge(left(act), ())[0]) is kept


class App:
    def __call__(self) -> None: ...


View = type("View", (), {"__module__": "stateless_shop"})


@pytest.mark.parametrize(
    ("between", "kept"),
    [(App(), True), (types.SimpleNamespace(), False), (View, True), (App().__call__, True)],
    ids=["application", "jar", "class", "method"],
)
def test_what_an_application_keeps_behind_a_test_client_is_told(
    between: Any, kept: bool, left: Left, shop: Any
) -> None:
    client = type("Client", (), {"__module__": "werkzeug.test"})()

    def act() -> None:
        getattr(between, "__self__", between).kept = SECRET
        client.target = between
        shop.client = client

    assert bool(judge(left(act), ())[0]) is kept


@pytest.mark.parametrize(
    ("subject", "kept"), [("sys.last_value<tuple>[0]", False), ("shop.last_value", True)]
)
def test_the_last_exception_is_kept_by_pytest(subject: str, kept: bool) -> None:
    assert bool(judge([retained_secret.RULE.leak(subject, "the password is still reachable")], ())[0]) is kept


def test_a_mock_of_the_standard_library_is_such_a_tool(left: Left, shop: Any) -> None:
    shop.send = mock.Mock()
    assert judge(left(lambda: shop.send(SECRET)), ())[0] == []


@pytest.mark.parametrize(("module", "its_own"), [("stateless_shop", True), ("json", False)])
def test_what_a_library_keeps_is_told_at_once_only_of_the_application(
    module: str, its_own: bool, left: Left, shop: Any
) -> None:
    made = type("Context", (), {"__module__": module})()
    shop.current = made

    (leak,) = left(lambda: setattr(made, "token", SECRET))
    assert leak.subject == "stateless_shop.current.token"
    assert is_kept_by_the_application(leak) is its_own


def test_nothing_is_looked_at_without_a_secret(recorded: Context) -> None:
    recorded.canaries.clear()
    recorded.make_heap = lambda: pytest.fail("the memory was looked at")
    assert retained_secret.capture(recorded) == retained_secret.NOTHING
    assert retained_secret.carry(retained_secret.NOTHING, recorded) == retained_secret.NOTHING


# ---------------------------------------------------------------------------------------------------- the environment


def test_a_variable_is_told_by_its_name(left: Left, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("LAST_TOKEN", raising=False)
    assert told(left(lambda: monkeypatch.setenv("LAST_TOKEN", f"x{SECRET}"))) == [
        ("os.environ['LAST_TOKEN']", "the password is still set")
    ]


@pytest.mark.skipif(sys.platform != "linux", reason="another C library")
def test_a_variable_past_python_is_told(left: Left) -> None:
    setenv, unsetenv = ctypes.CDLL(None).setenv, ctypes.CDLL(None).unsetenv
    try:
        assert told(left(lambda: setenv(b"PAST", SECRET.encode(), 1))) == [
            ("environment past os.environ['PAST']", "the password is still set")
        ]
    finally:
        unsetenv(b"PAST")


def test_a_variable_is_told_once(left: Left, recorded: Context, monkeypatch: pytest.MonkeyPatch) -> None:
    recorded.make_heap = lambda: Heap(sys.modules, Scope(frozenset({"os"})))
    assert len(left(lambda: monkeypatch.setenv("LAST_TOKEN", SECRET))) == 1


def test_the_name_of_the_test_is_none_of_the_programs(left: Left, monkeypatch: pytest.MonkeyPatch) -> None:
    assert left(lambda: monkeypatch.setenv("PYTEST_CURRENT_TEST", f"test_login[{SECRET}]")) == []


# --------------------------------------------------------------------------------------------------------------- files


@pytest.mark.parametrize("place", ["project/app.log", "elsewhere/app.log"])
def test_a_file_is_told_with_the_line_that_wrote_it(
    place: str, left: Left, project: Path, tmp_path: Path
) -> None:
    path = tmp_path / place
    path.parent.mkdir(exist_ok=True)

    (leak,) = left(lambda: path.write_text(f"user=bob password={SECRET}\n"))
    assert leak.subject == "file app.log" if place.startswith("project") else leak.subject.startswith("file ")
    assert leak.message == "the password is written there"
    assert leak.origin is not None
    assert leak.origin.file.endswith("test_retained_secret.py")


def test_the_name_of_a_file_is_searched_too(left: Left, project: Path) -> None:
    assert told(left(lambda: project.joinpath(f"session-{SECRET}").touch())) == [
        ("file session-***", "the password is written there")
    ]


def test_a_file_that_was_open_before_is_searched(left: Left, project: Path) -> None:
    with open(project / "app.log", "wb", buffering=0) as log:
        assert told(left(lambda: log.write(SECRET.encode()))) == [
            ("file app.log", "the password is written there")
        ]


@pytest.mark.parametrize(
    "write",
    [
        pytest.param(lambda root: root.joinpath("a").write_text("nothing"), id="nothing"),
        pytest.param(
            lambda root: (root.joinpath("a").write_text(SECRET), root.joinpath("a").unlink()), id="gone"
        ),
        pytest.param(
            lambda root: root.joinpath("a").write_bytes(b"SQLite format 3\0" + SECRET.encode()), id="db"
        ),
        pytest.param(lambda root: root.joinpath("a.db-wal").write_text(SECRET), id="wal"),
        pytest.param(lambda root: root.joinpath("a.pyc").write_text(SECRET), id="pyc"),
        pytest.param(
            lambda root: root.joinpath("tmp").mkdir() or root.joinpath("tmp/a").write_text(SECRET), id="tmp"
        ),
        pytest.param(lambda root: root.joinpath("a").symlink_to("/etc/hostname"), id="link"),
        pytest.param(lambda root: os.mkfifo(root / "a"), id="pipe"),
    ],
)
def test_a_file_without_it_or_of_a_backing_service_is_no_leak(
    write: Callable[[Path], object], left: Left, project: Path, recorded: Context
) -> None:
    recorded.of_pytest = (str(project / "tmp"),)
    assert left(lambda: write(project)) == []


def test_of_a_large_file_the_end_is_searched(
    left: Left, project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pytest_stateless.detectors.retained_files.LARGEST", 64)
    path = project / "app.log"
    assert left(lambda: path.write_text(SECRET + "x" * 64)) == []
    assert len(left(lambda: path.write_text("x" * 64 + SECRET))) == 1


def test_an_unchanged_file_is_read_once_for_each_secret(
    left: Left, project: Path, recorded: Context, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = project / "app.log"
    assert len(left(lambda: path.write_text(f"user=bob {SECRET}"))) == 1
    monkeypatch.setattr("pytest_stateless.detectors.retained_files._content", lambda path: pytest.fail(path))
    assert left(lambda: None) == []
    monkeypatch.undo()
    recorded.canaries.add("user", "user=bob")
    assert [list(trace.found) for trace in retained_secret.capture(recorded).traces.values()] == [[0, 1]]
    path.write_text("user=bob")
    assert [list(trace.found) for trace in retained_secret.capture(recorded).traces.values()] == [[1]]


def test_a_file_that_can_not_be_read_is_left_alone(
    left: Left, project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> int:
        raise PermissionError

    monkeypatch.setattr("pytest_stateless.detectors.retained_files._Real.open", refuse)
    assert left(lambda: project.joinpath("app.log").write_text(SECRET)) == []


def test_places_of_one_name_are_told_together(left: Left, shop: Any, recorded: Context) -> None:
    recorded.canaries.add("token", "canary-77aa")
    keys: dict[object, int] = {SECRET: 1, "canary-77aa": 1}
    assert told(left(lambda: setattr(shop, "kept", keys))) == [
        ("stateless_shop.kept['***']", "the password and the token are still reachable")
    ]
