"""What a call of pyfakefs attempts."""

from __future__ import annotations

import os
import sys
import zlib
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from pytest_stateless.attempts import Attempt
from pytest_stateless.contents import LONGEST
from pytest_stateless.fake.calls import _ACCESSOR, _FILE_SYSTEM, _OS, FakedWrites, _opened, stand_in
from pytest_stateless.recording import Recording
from pytest_stateless.source import Sources

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


@pytest.fixture
def faked() -> FakedWrites:
    """What is noted of a file system that nothing goes to by itself."""
    fake_filesystem = pytest.importorskip("pyfakefs.fake_filesystem")
    writes = FakedWrites(Recording(Sources("/srv/shop")))
    writes.fs = fake_filesystem.FakeFilesystem()
    writes.fs.create_file("/srv/shop/a", contents="12345")
    writes.fs.create_symlink("/srv/shop/l", "/srv/shop/a")
    return writes


def noted(faked: FakedWrites, *attempts: Attempt) -> list[tuple[str, int | None]]:
    """Paths, each with the size that was there."""
    faked.note(attempts, sys._getframe())
    assert faked._recording.broken == []
    found = faked._recording.writes
    return [(write.path, None if write.before is None else write.before.size) for write in found]


@pytest.mark.parametrize(
    ("path", "follow", "paths"),
    [
        pytest.param("/srv/shop/a", True, [("/srv/shop/a", 5)], id="file"),
        pytest.param("/srv/shop/new", True, [("/srv/shop/new", None)], id="new-file"),
        pytest.param("/srv/shop/l", True, [("/srv/shop/l", 11), ("/srv/shop/a", 5)], id="through-a-link"),
        pytest.param("/srv/shop/l", False, [("/srv/shop/l", 11)], id="the-link-itself"),
        pytest.param("/nowhere/a", True, [("/nowhere/a", None)], id="in-a-directory-that-is-not-there"),
        pytest.param(b"/srv/shop/a", True, [("/srv/shop/a", 5)], id="bytes"),
    ],
)
def test_a_faked_write_is_noted_where_it_goes(
    path: str | bytes, follow: bool, paths: list[tuple[str, int | None]], faked: FakedWrites
) -> None:
    assert noted(faked, Attempt("chmod", path, follow=follow)) == paths


def test_a_descriptor_of_the_fake_means_its_file_or_directory(faked: FakedWrites) -> None:
    from pyfakefs import fake_os

    fake = fake_os.FakeOsModule(faked.fs)
    file, directory = fake.open("/srv/shop/a", os.O_RDWR), fake.open("/srv", os.O_RDONLY)
    assert noted(faked, Attempt("truncate", file)) == [("/srv/shop/a", 5)]
    faked._recording.forget()
    assert noted(faked, Attempt("mkdir", "d", directory, follow=False)) == [("/srv/d", None)]
    faked._recording.forget()
    fake.close(file)
    assert noted(faked, Attempt("truncate", file)) == []  # as the call itself is about to say


def test_what_was_in_a_file_is_taken_down_where_it_may_come_to_hold_something_else(
    faked: FakedWrites, tmp_path: Path
) -> None:
    gone = tmp_path / "gone"
    gone.write_text("tea")
    faked.fs.add_real_file(gone)
    gone.unlink()
    faked.fs.create_file("/srv/long", contents="." * (LONGEST + 1))
    for attempt in (
        Attempt("open", "/srv/shop/l"),  # also what the link leads to
        Attempt("chmod", "/srv/shop/a"),
        Attempt("open", "/srv/shop/new"),
        Attempt("open", "/srv/long"),
        Attempt("open", str(gone)),
    ):
        faked.note((attempt,), sys._getframe())
    known = {write.path: write.content for write in faked._recording.writes if write.content is not None}
    assert known == {"/srv/shop/a": zlib.crc32(b"12345")}
    assert faked._recording.broken == []


def test_what_cannot_be_noted_is_said_and_not_raised(faked: FakedWrites) -> None:
    faked._recording.sources = None  # type: ignore[assignment]
    faked.note((Attempt("mkdir", "/srv/d"),), sys._getframe())
    (error,) = faked._recording.broken
    assert error.startswith("fake: AttributeError: ")


def test_stand_ins_note_a_call_and_leave_its_errors_to_it(
    faked: FakedWrites, monkeypatch: pytest.MonkeyPatch
) -> None:
    from pyfakefs import fake_os

    monkeypatch.setitem(_OS, "of_another_system", _OS["symlink"])
    real = vars(fake_os.FakeOsModule)["symlink"]
    fake = fake_os.FakeOsModule(faked.fs)
    with stand_in(faked):
        assert vars(fake_os.FakeOsModule)["symlink"] is not real
        fake.symlink("/srv/shop/a", "/srv/shop/m")
        with pytest.raises(TypeError):
            fake.symlink()  # type: ignore[call-arg]
    assert vars(fake_os.FakeOsModule)["symlink"] is real
    assert "/srv/shop/m" in [write.path for write in faked._recording.writes]
    (place,) = {write.place for write in faked._recording.writes}
    assert place is not None
    assert place.file == __file__
