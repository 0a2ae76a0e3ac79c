"""What a call of pyfakefs attempts."""

from __future__ import annotations

import sys
from types import SimpleNamespace
from typing import Any

import pytest

from pytest_stateless.attempts import Attempt
from pytest_stateless.fake.calls import _ACCESSOR, _FILE_SYSTEM, _OS, _opened

SELF = object()
WRITES, READS = SimpleNamespace(can_write=True), SimpleNamespace(can_write=False)


@pytest.mark.parametrize(
    ("args", "named", "attempts"),
    [
        pytest.param(("a", "w"), {}, [Attempt("open", "a")], id="write"),
        pytest.param(("a", "r+b"), {}, [Attempt("open", "a")], id="update"),
        pytest.param(("a", "x"), {}, [Attempt("open", "a")], id="exclusive"),
        pytest.param(("a",), {}, [], id="read"),
        pytest.param(("a", "rb"), {}, [], id="read-bytes"),
        pytest.param((7, "w"), {}, [], id="descriptor"),
        pytest.param(("a", "b"), {"open_modes": WRITES}, [Attempt("open", "a")], id="flags"),
        pytest.param(("a", "b"), {"open_modes": READS}, [], id="flags-that-read"),
        pytest.param(("a", "w", -1, None, None, None, True, print), {}, [], id="opener"),
        pytest.param(("a", "w"), {"opener": print}, [], id="opener-by-name"),
        pytest.param(
            ("a", "b", -1, None, None, None, True, None, WRITES), {}, [Attempt("open", "a")], id="all"
        ),
    ],
)
def test_what_opening_attempts(args: tuple[Any, ...], named: dict[str, Any], attempts: list[Attempt]) -> None:
    assert list(_opened(SELF, *args, **named)) == attempts


def _attempt(
    operation: str, path: str, other: str = "", follow: bool = False, directory: int = -1
) -> Attempt:
    return Attempt(operation, path, directory, other=other, follow=follow)


@pytest.mark.parametrize(
    ("table", "name", "args", "named", "attempts"),
    [
        pytest.param(_FILE_SYSTEM, "makedir", ("a", 0o777), {}, [_attempt("mkdir", "a")], id="mkdir"),
        pytest.param(
            *(_FILE_SYSTEM, "rename", ("a", "b"), {"force_replace": True}),
            [_attempt("rename-from", "a", "b"), _attempt("rename-to", "b", "a")],
            id="rename",
        ),
        pytest.param(_FILE_SYSTEM, "link", ("a", "b"), {}, [_attempt("link", "b", "a")], id="link"),
        pytest.param(
            _FILE_SYSTEM, "chmod", ("a", 0o600), {}, [_attempt("chmod", "a", follow=True)], id="chmod"
        ),
        pytest.param(
            *(_FILE_SYSTEM, "chmod", ("a", 0o600), {"follow_symlinks": False}),
            [_attempt("chmod", "a")],
            id="chmod-of-a-link",
        ),
        pytest.param(_OS, "symlink", ("a", "b"), {}, [_attempt("symlink", "b")], id="symlink"),
        pytest.param(
            *(_OS, "symlink", ("a", "b"), {"dir_fd": 5}), [_attempt("symlink", "b", directory=5)], id="dir-fd"
        ),
        pytest.param(
            _ACCESSOR, "symlink", ("a", "b"), {}, [_attempt("symlink", "b")], id="symlink-of-pathlib"
        ),
        pytest.param(_ACCESSOR, "unlink", ("a",), {}, [_attempt("remove", "a")], id="unlink-of-pathlib"),
    ],
)
def test_what_another_call_attempts(
    table: dict[str, Any], name: str, args: tuple[Any, ...], named: dict[str, Any], attempts: list[Attempt]
) -> None:
    assert list(table[name](SELF, *args, **named)) == attempts


def test_every_function_that_is_stood_in_for_is_there() -> None:
    fake_filesystem = pytest.importorskip("pyfakefs.fake_filesystem")
    from pyfakefs import fake_open, fake_os, fake_pathlib

    optional = {"setxattr", "removexattr"}  # not of every system
    assert set(vars(fake_filesystem.FakeFilesystem)) >= set(_FILE_SYSTEM)
    assert set(vars(fake_os.FakeOsModule)) >= set(_OS) - optional
    assert "call" in vars(fake_open.FakeFileOpen)
    if sys.version_info < (3, 11):
        assert set(vars(fake_pathlib._FakeAccessor)) >= set(_ACCESSOR)
