"""What stands for what is in files, and of which files and how many it is read."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from pytest_stateless import contents
from pytest_stateless.contents import LONGEST, Contents, content_of
from pytest_stateless.noted import State
from pytest_stateless.paths import look


def test_content_stands_for_what_is_in_a_file(tmp_path: Path) -> None:
    one, other = tmp_path / "one", tmp_path / "other"
    one.write_text("tea")
    other.write_text("tea")
    found = content_of(str(one), look(str(one)))
    assert found == content_of(str(other), look(str(other))) is not None
    other.write_text("ham")
    assert content_of(str(other), look(str(other))) != found


@pytest.mark.skipif(sys.platform != "linux", reason="Linux's table of locks")
def test_a_file_that_is_open_keeps_its_locks(tmp_path: Path) -> None:
    import fcntl

    path = tmp_path / "db"
    path.write_text("tea")
    state = look(str(path))
    with path.open("r+") as file:
        fcntl.lockf(file, fcntl.LOCK_EX)
        assert content_of(str(path), state) is None
        assert f":{path.stat().st_ino} " in Path("/proc/locks").read_text()
    assert content_of(str(path), state) is not None


def test_where_nothing_tells_what_is_open_nothing_is_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(_: str) -> list[str]:
        raise OSError

    path = tmp_path / "a"
    path.write_text("tea")
    monkeypatch.setattr(contents._Real, "listdir", refuse)
    assert (content_of(str(path), look(str(path))) is None) is (os.name == "posix")


def test_content_is_read_of_short_regular_files_alone(tmp_path: Path) -> None:
    long, link, gone = tmp_path / "long", tmp_path / "link", tmp_path / "gone"
    long.write_bytes(bytes(LONGEST + 1))
    link.symlink_to("long")
    gone.write_text("tea")
    state = look(str(gone))
    gone.unlink()
    assert [content_of(str(path), look(str(path))) for path in (long, link, tmp_path, gone)] == [None] * 4
    assert content_of(str(gone), state) is None


def test_the_whole_of_a_long_file_counts(tmp_path: Path) -> None:
    path = tmp_path / "long"
    found = set()
    for last in (b"a", b"b", b"a"):
        path.write_bytes(bytes(LONGEST - 1) + last)
        found.add(content_of(str(path), look(str(path))))
    assert len(found) == 2
    assert None not in found


def test_a_file_that_grows_beyond_what_is_read_stands_for_nothing(tmp_path: Path) -> None:
    path = tmp_path / "grows"
    path.write_bytes(bytes(10))
    state = look(str(path))
    path.write_bytes(bytes(LONGEST + 1))
    assert content_of(str(path), state) is None


# ------------------------------------------------------------------------------------------ in one test


@pytest.fixture
def reads(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The paths that were read."""
    found: list[str] = []

    def content_of(path: str, state: State | None) -> int | None:
        found.append(path)
        return None if path == "/open" else len(found)

    monkeypatch.setattr(contents, "content_of", content_of)
    monkeypatch.setattr(contents._Real, "time_ns", lambda: 10**9)
    return found


def file(size: int = 3, changed: int = 0) -> State:
    return State(*(8, 10, 0o100644, 1000, 1000, size), *(changed, changed))


@pytest.mark.parametrize(
    ("path", "states", "times"),
    [
        pytest.param("/a", [file(), file()], 1, id="unchanged"),
        pytest.param("/a", [file(), file(changed=1), file(changed=1)], 2, id="changed"),
        pytest.param("/a", [file(changed=10**9 - 1)] * 2, 2, id="changed-just-now"),
        pytest.param("/a", [file(changed=10**9 + 5)] * 2, 2, id="changed-in-the-future"),
        pytest.param("/open", [file()] * 2, 2, id="could-not-be-read"),
    ],
)
@pytest.mark.parametrize("look_at", [Contents.before, Contents.now], ids=["before", "now"])
def test_a_file_is_read_once_for_as_long_as_it_stays_the_same(
    look_at: Callable[[Contents, str, State], int | None],
    path: str,
    states: list[State],
    times: int,
    reads: list[str],
) -> None:
    made = Contents()
    found = [look_at(made, path, state) for state in states]
    assert reads == [path] * times
    assert len(set(found)) == (1 if path == "/open" else times)


def test_of_long_files_no_more_than_so_much_is_read_before_they_are_written(reads: list[str]) -> None:
    made = Contents()
    long = [made.before(f"/{number}", file(LONGEST)) for number in range(10)]
    assert long == [*range(1, 9), None, None]
    assert made.before("/0", file(LONGEST)) == 1  # it is known
    assert made.before("/short", file(1 << 18)) == 9
    assert made.now("/9", file(LONGEST)) == 10
    made.forget()
    assert made.before("/0", file(LONGEST)) == 11


def test_nothing_and_what_is_too_long_stand_for_nothing(reads: list[str]) -> None:
    made = Contents()
    assert (made.before("/a", None), made.before("/a", file(LONGEST + 1)), reads) == (None, None, [])


def test_what_is_open_is_read_where_it_is(tmp_path: Path) -> None:
    path = tmp_path / "a"
    path.write_text("tea")
    with path.open("r+b", buffering=0) as file, path.open("ab") as writing:
        file.seek(2)
        state = look(str(path))
        assert state is not None
        known = contents.content_behind(file.fileno(), state)
        assert file.tell() == 2
        assert contents.content_behind(writing.fileno(), state) is None
        assert contents.content_behind(file.fileno(), state._replace(size=(1 << 18) + 1)) is None
    assert known == content_of(str(path), state) is not None


def test_a_file_that_cannot_be_read_to_its_end_stands_for_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> bytes:
        raise OSError

    path = tmp_path / "a"
    path.write_text("tea")
    before = len(os.listdir("/dev/fd")) if os.name == "posix" else 0
    monkeypatch.setattr(contents._Real, "read", refuse)
    assert content_of(str(path), look(str(path))) is None
    assert os.name != "posix" or len(os.listdir("/dev/fd")) == before
