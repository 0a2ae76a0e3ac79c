"""What events attempt and which children they ask for, as tables."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from pytest_stateless.attempts import DECISIONS, SPAWNS, Attempt
from pytest_stateless.commands import command_of

W, R = os.O_WRONLY | os.O_CREAT, os.O_RDONLY


@pytest.mark.parametrize(
    ("event", "args", "attempts"),
    [
        pytest.param("open", ("a", "r", R | os.O_CLOEXEC), [], id="open-reading"),
        pytest.param("open", ("a", "w", W), [Attempt("open", "a")], id="open-writing"),
        pytest.param("open", ("a", None, W), [Attempt("open", "a")], id="os-open-writing"),
        pytest.param("open", ("a", None, R), [], id="os-open-reading"),
        pytest.param("open", ("a", None, os.O_RDWR), [Attempt("open", "a")], id="os-open-read-write"),
        pytest.param("open", ("a", None, os.O_TRUNC), [Attempt("open", "a")], id="os-open-truncating"),
        pytest.param("open", ("a", None, os.O_APPEND), [Attempt("open", "a")], id="os-open-appending"),
        pytest.param("open", ("a", "a", None), [Attempt("open", "a")], id="mode-alone"),
        pytest.param("open", ("a", "rb+", None), [Attempt("open", "a")], id="update"),
        pytest.param("open", ("a", "x", None), [Attempt("open", "a")], id="exclusive"),
        pytest.param("open", ("a", "rb", None), [], id="reading-mode-alone"),
        pytest.param("open", (7, "w", W), [Attempt("open", 7)], id="descriptor"),
        pytest.param("os.mkdir", ("a", 0o777, -1), [Attempt("mkdir", "a", follow=False)], id="mkdir"),
        pytest.param(
            "os.mkdir", ("a", 0o777, 5), [Attempt("mkdir", "a", 5, follow=False)], id="mkdir-dir-fd"
        ),
        pytest.param("os.remove", ("a", -1), [Attempt("remove", "a", follow=False)], id="remove"),
        pytest.param("os.rmdir", ("a", 5), [Attempt("rmdir", "a", 5, follow=False)], id="rmdir-dir-fd"),
        pytest.param(
            "os.rename",
            ("a", "b", 5, 6),
            [
                Attempt("rename-from", "a", 5, "b", 6, follow=False),
                Attempt("rename-to", "b", 6, "a", 5, follow=False),
            ],
            id="rename",
        ),
        pytest.param(
            "os.link",
            ("a", "b", -1, 6),
            [
                Attempt("link", "b", 6, "a", -1, follow=False),
                Attempt("link-from", "a", -1, "b", 6, follow=False),
            ],
            id="link",
        ),
        pytest.param(
            "os.symlink", ("a", "b", 6), [Attempt("symlink", "b", 6, "a", follow=False)], id="symlink"
        ),
        pytest.param("os.truncate", (7, 100), [Attempt("truncate", 7)], id="ftruncate"),
        pytest.param("os.chmod", ("a", 0o600, 5), [Attempt("chmod", "a", 5)], id="chmod-dir-fd"),
        pytest.param("os.chown", ("a", 1, 2, -1), [Attempt("chown", "a")], id="chown"),
        pytest.param("os.utime", ("a", (1, 1), None, 5), [Attempt("utime", "a", 5)], id="utime-dir-fd"),
        pytest.param("os.setxattr", ("a", "user.a", b"x", 1), [Attempt("setxattr", "a")], id="setxattr"),
        pytest.param("os.removexattr", ("a", "user.a"), [Attempt("setxattr", "a")], id="removexattr"),
        pytest.param("os.chflags", ("a", 2), [Attempt("chmod", "a")], id="chflags"),
        pytest.param("sqlite3.connect", ("a.db",), [Attempt("open", "a.db")], id="sqlite"),
        pytest.param("sqlite3.connect", (b"a.db",), [Attempt("open", "a.db")], id="sqlite-bytes"),
        pytest.param("sqlite3.connect", (Path("a.db"),), [Attempt("open", "a.db")], id="sqlite-path"),
        pytest.param("sqlite3.connect", (":memory:",), [], id="sqlite-in-memory"),
        pytest.param("sqlite3.connect", ("",), [], id="sqlite-temporary"),
        pytest.param("sqlite3.connect", (7,), [], id="sqlite-refused"),
        pytest.param("sqlite3.connect", ("file:a.db?mode=ro",), [Attempt("open", "a.db")], id="sqlite-uri"),
        pytest.param(
            "sqlite3.connect",
            ("file:///v/a%20b.db",),
            [Attempt("open", "/v/a b.db")],
            id="sqlite-uri-absolute",
        ),
        pytest.param(
            "sqlite3.connect", ("file:a?mode=memory&cache=shared",), [], id="sqlite-uri-in-memory-by-name"
        ),
        pytest.param("sqlite3.connect", ("file::memory:",), [], id="sqlite-uri-in-memory"),
        pytest.param("sqlite3.connect", ("file:",), [], id="sqlite-uri-temporary"),
    ],
)
def test_what_an_event_attempts(event: str, args: tuple[Any, ...], attempts: list[Attempt]) -> None:
    assert list(DECISIONS[event](*args)) == attempts


@pytest.mark.parametrize(
    ("event", "args", "command"),
    [
        pytest.param(
            "subprocess.Popen", ("/bin/sh", ["sh", "-c", "true"], None, None), "sh -c true", id="popen"
        ),
        pytest.param("subprocess.Popen", ("/bin/sh", "true", None, None), "true", id="popen-text"),
        pytest.param("subprocess.Popen", ("/bin/sh", [], None, None), "/bin/sh", id="popen-program"),
        pytest.param("os.posix_spawn", ("/bin/sh", [b"sh", Path("x")], {}), "sh x", id="posix-spawn"),
        pytest.param("os.spawn", (0, "sh", ("sh", "a"), None), "sh a", id="spawn"),
        pytest.param("os.system", (b"echo a > b",), "echo a > b", id="system"),
        pytest.param("os.startfile", ("a.pdf", "open"), "a.pdf", id="startfile"),
        pytest.param("os.spawn", (0, "sh", ("sh", object()), None), "sh ?", id="spawn-strange"),
        pytest.param("os.fork", (), "fork", id="fork"),
        pytest.param("os.forkpty", (), "fork", id="forkpty"),
        pytest.param("os.system", ("x" * 1000,), "x" * 200, id="long"),
    ],
)
def test_the_command_of_a_child(event: str, args: tuple[Any, ...], command: str) -> None:
    assert command_of(SPAWNS[event](*args)).line == command
