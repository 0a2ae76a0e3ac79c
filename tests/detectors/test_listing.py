"""A directory of shared memory is listed again whenever a file may have come, gone or been exchanged."""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest

from pytest_stateless.detectors import Context, listing

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="Linux's /dev/shm")


class Clock:
    """The machine's time, which goes on when it is told."""

    def __init__(self) -> None:
        self.elapsed = 100.0

    def times(self) -> SimpleNamespace:
        return SimpleNamespace(elapsed=self.elapsed)


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    made = Clock()
    monkeypatch.setattr(listing._Real, "times", made.times)
    return made


@pytest.fixture
def listed(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The directories that were listed, in order."""
    asked: list[str] = []

    def scandir(directory: str) -> object:
        asked.append(directory)
        return os.scandir(directory)

    monkeypatch.setattr(listing._Real, "scandir", scandir)
    return asked


@pytest.fixture
def memory() -> Iterator[Path]:
    """A directory of shared memory, and one file in it."""
    with tempfile.TemporaryDirectory(dir="/dev/shm") as made:
        (Path(made) / "orders").write_text("x")
        yield Path(made)


def names(directory: Path, context: Context) -> list[str]:
    return sorted(name for name, _ in listing.read(str(directory), context))


@pytest.mark.parametrize(
    ("passes", "count"),
    [
        pytest.param([0.01, 0.01, 0.01], 4, id="changed-a-moment-ago"),
        pytest.param([0.06, 0.0, 0.0], 2, id="unchanged-since"),
        pytest.param([0.03, 0.03, 0.0], 3, id="unchanged-meanwhile"),
        pytest.param([-5.0, 0.0, 0.0], 4, id="clock-set-back"),
    ],
)
def test_it_is_listed_until_a_change_would_show(
    passes: list[float], count: int, memory: Path, context: Context, clock: Clock, listed: list[str]
) -> None:
    assert names(memory, context) == ["orders"]
    for seconds in passes:
        clock.elapsed += seconds
        assert names(memory, context) == ["orders"]
    assert len(listed) == count


def exchange(directory: Path) -> None:
    (directory / "new").write_text("y")
    (directory / "new").rename(directory / "orders")


def make_anew(directory: Path) -> None:
    (directory / "new").write_text("y")
    (directory / "orders").unlink()
    (directory / "new").rename(directory / "orders")


def let_another_stand_there(directory: Path) -> None:
    directory.rename(f"{directory}-before")
    directory.mkdir()
    (directory / "orders").write_text("x")
    shutil.rmtree(f"{directory}-before")


CHANGES: dict[str, Callable[[Path], object]] = {
    "made": lambda directory: (directory / "lines").write_text("x"),
    "removed": lambda directory: (directory / "orders").unlink(),
    "renamed": lambda directory: (directory / "orders").rename(directory / "lines"),
    "renamed-over": exchange,
    "made-anew": make_anew,
    "linked": lambda directory: os.link(directory / "orders", directory / "lines"),
    "moved-here": lambda directory: (directory / "inner" / "lines").rename(directory / "lines"),
    "another-directory": let_another_stand_there,
}


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
def test_every_change_is_seen_by_the_next_look(
    change: Callable[[Path], object], memory: Path, context: Context, listed: list[str]
) -> None:
    (memory / "inner").mkdir()
    (memory / "inner" / "lines").write_text("x")
    listing.read(str(memory), context)
    time.sleep(0.1)
    listing.read(str(memory), context)
    before = listing.read(str(memory), context)
    assert len(listed) == 2  # else nothing was taken over
    change(memory)
    after = listing.read(str(memory), context)
    assert after != before
    assert sorted(after) == sorted(
        (entry.name, entry.inode()) for entry in os.scandir(memory) if entry.is_file()
    )


def test_every_change_is_seen_however_fast_they_follow(memory: Path, context: Context) -> None:
    """The kernel's clock stands still between most of these looks, and the number of files is the same at each."""
    orders, other = memory / "orders", memory / "lines"
    begin = time.monotonic()
    while time.monotonic() - begin < 0.15:
        orders.rename(other)
        orders, other = other, orders
        assert names(memory, context) == [orders.name]
    time.sleep(0.1)
    names(memory, context)
    orders.rename(other)
    assert names(memory, context) == [other.name]


def test_after_a_change_it_is_listed_until_the_next_would_show(
    memory: Path, context: Context, clock: Clock, listed: list[str]
) -> None:
    counts = []
    for seconds, file in [(0, ""), (1, ""), (0, ""), (1, "lines"), (0, ""), (1, ""), (0, "")]:
        clock.elapsed += seconds
        if file:
            (memory / file).write_text("x")
        names(memory, context)
        counts.append(len(listed))
    assert counts == [1, 2, 2, 3, 4, 5, 5]


@pytest.mark.parametrize("changed", ["st_dev", "st_ino", "st_size", "st_mtime_ns", "st_ctime_ns"])
def test_whatever_differs_in_its_state_it_is_listed(
    changed: str,
    memory: Path,
    context: Context,
    clock: Clock,
    listed: list[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    told = SimpleNamespace(st_dev=1, st_ino=2, st_size=60, st_mtime_ns=1_234_567, st_ctime_ns=1_234_567)
    monkeypatch.setattr(listing._Real, "stat", lambda _: told)
    for _ in range(3):
        names(memory, context)
        clock.elapsed += 1
    assert len(listed) == 2
    setattr(told, changed, getattr(told, changed) + 1)
    names(memory, context)
    assert len(listed) == 3


@pytest.mark.parametrize(
    ("changed_at", "count"),
    [
        pytest.param(1_700_000_000_123_456_789, 2, id="of-nanoseconds"),
        pytest.param(1_700_000_000_000_000_000, 4, id="of-seconds"),
    ],
)
def test_times_of_a_coarse_file_system_are_not_trusted(
    changed_at: int,
    count: int,
    memory: Path,
    context: Context,
    clock: Clock,
    listed: list[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    told = SimpleNamespace(st_dev=1, st_ino=2, st_size=60, st_mtime_ns=changed_at, st_ctime_ns=changed_at)
    monkeypatch.setattr(listing._Real, "stat", lambda _: told)
    for _ in range(4):
        names(memory, context)
        clock.elapsed += 1
    assert len(listed) == count


def test_what_could_not_be_listed_is_listed_by_the_next_look(
    memory: Path, context: Context, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(_: object) -> None:
        raise OSError("too many open files")

    names(memory, context)
    clock.elapsed += 1
    with monkeypatch.context() as patch:
        patch.setattr(listing._Real, "scandir", refuse)
        assert names(memory, context) == []
    assert names(memory, context) == ["orders"]


def test_a_directory_that_is_not_there_is_empty_until_it_is(
    memory: Path, context: Context, listed: list[str]
) -> None:
    there = memory / "later"
    assert names(there, context) == names(there, context) == []
    assert listed == []
    there.mkdir()
    (there / "orders").write_text("x")
    assert names(there, context) == ["orders"]
    (there / "orders").unlink()
    there.rmdir()
    assert names(there, context) == []
