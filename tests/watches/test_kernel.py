"""What is read of the two queues, from bytes made by hand and from the system's own."""

from __future__ import annotations

import ctypes
import os
import struct
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from pytest_stateless.watches import kernel
from pytest_stateless.watches.kernel import (
    Event,
    Fanotify,
    Inotify,
    own_descriptors,
    parse_events,
    parse_names,
)

on_linux = pytest.mark.skipif(sys.platform != "linux", reason="inotify is Linux's")


def event(watch: int, mask: int, cookie: int = 0, name: bytes = b"") -> bytes:
    padded = name + b"\0" * (-len(name) % 16 if name else 0)
    return struct.pack("=iIII", watch, mask, cookie, len(padded)) + padded


@pytest.mark.parametrize(
    ("piece", "events"),
    [
        pytest.param(b"", [], id="nothing"),
        pytest.param(event(1, 2, 0, b"a"), [Event(1, 2, 0, "a")], id="one"),
        pytest.param(
            event(1, 0x40, 7, b"a") + event(2, 0x80, 7, b"b"),
            [Event(1, 0x40, 7, "a"), Event(2, 0x80, 7, "b")],
            id="two",
        ),
        pytest.param(event(1, 0x8000), [Event(1, 0x8000, 0, "")], id="without-a-name"),
        pytest.param(event(-1, 0x4000), [Event(-1, 0x4000, 0, "")], id="overflow"),
        pytest.param(event(1, 2, 0, b"\xff"), [Event(1, 2, 0, "\udcff")], id="name-that-is-no-text"),
        pytest.param(event(1, 2, 0, b"x" * 16), [Event(1, 2, 0, "x" * 16)], id="name-without-padding"),
    ],
)
def test_events_are_read(piece: bytes, events: list[Event]) -> None:
    assert list(parse_events(piece)) == events


def names(process: int, name: bytes, mask: int = 2) -> bytes:
    handle = b"handle.."
    record = (
        struct.pack("=BBH8xIi", 2, 0, 20 + len(handle) + len(name) + 1, len(handle), 1)
        + handle
        + name
        + b"\0"
    )
    return struct.pack("=IBBHQii", 24 + len(record), 3, 0, 24, mask, -1, process) + record


@pytest.mark.parametrize(
    ("piece", "found"),
    [
        pytest.param(b"", set(), id="nothing"),
        pytest.param(names(5, b"a"), {"a"}, id="own"),
        pytest.param(names(0, b"a"), set(), id="somebody-else"),
        pytest.param(names(6, b"a"), set(), id="somebody-else-by-number"),
        pytest.param(names(6, b"a") + names(5, b"bb") + names(5, b"bb"), {"bb"}, id="several"),
        pytest.param(names(5, b"\xff"), {"\udcff"}, id="name-that-is-no-text"),
        pytest.param(names(5, b"a") + names(5, b"", 0x4000), None, id="overflow"),
    ],
)
def test_names_are_read(piece: bytes, found: set[str] | None) -> None:
    assert parse_names(piece, 5) == found


@pytest.fixture
def inotify(tmp_path: Path) -> Iterator[Inotify]:
    made = Inotify()
    made.add(str(tmp_path))
    yield made
    made.close()


@pytest.fixture
def fanotify(tmp_path: Path) -> Iterator[Fanotify]:
    try:
        made = Fanotify()
    except OSError as error:
        pytest.skip(f"no fanotify here: {error}")
    made.add(str(tmp_path))
    yield made
    made.close()


@on_linux
def test_inotify_tells_what_happened_once(inotify: Inotify, tmp_path: Path) -> None:
    assert inotify.events() == []
    (tmp_path / "a").mkdir()
    assert [(one.mask, one.name) for one in inotify.events()] == [(kernel.CREATE | kernel.IS_DIRECTORY, "a")]
    assert inotify.events() == []


@on_linux
def test_fanotify_tells_this_process_from_others(fanotify: Fanotify, tmp_path: Path) -> None:
    subprocess.run(["touch", "theirs"], cwd=tmp_path, check=True)
    (tmp_path / "ours").touch()
    thread = threading.Thread(target=(tmp_path / "of-a-thread").touch)
    thread.start()
    thread.join()
    assert fanotify.own_names() == frozenset({"ours", "of-a-thread"})
    assert fanotify.own_names() == frozenset()


@on_linux
def test_the_descriptors_are_known_out_of_the_way_and_not_inherited(inotify: Inotify) -> None:
    assert inotify.number in own_descriptors()
    assert inotify.number >= 600
    assert not os.get_inheritable(inotify.number)
    inotify.close()
    assert inotify.number not in own_descriptors()
    with pytest.raises(OSError, match="Bad file descriptor"):
        os.fstat(inotify.number)


@on_linux
def test_a_low_limit_of_descriptors_is_no_error(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(kernel, "_HIGH", 1 << 30)
    made = Inotify()
    made.add(str(tmp_path))
    (tmp_path / "a").touch()
    assert made.events()
    made.close()


@on_linux
def test_a_descriptor_that_somebody_else_has_now_is_neither_read_nor_closed(inotify: Inotify) -> None:
    os.close(inotify.number)
    assert not inotify.is_here
    reading, writing = os.pipe()
    os.dup2(reading, inotify.number)
    assert not inotify.is_here
    inotify.close()
    os.write(writing, b"x")
    assert os.read(inotify.number, 1) == b"x"
    for descriptor in (reading, writing, inotify.number):
        os.close(descriptor)


@on_linux
def test_what_the_system_refuses_is_an_error(inotify: Inotify, tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        inotify.add(str(tmp_path / "missing"))
    (tmp_path / "a").touch()
    with pytest.raises(NotADirectoryError):
        inotify.add(str(tmp_path / "a"))
    inotify.remove(12345)


def test_a_system_without_the_functions_has_neither(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kernel, "_LIBC", None)
    with pytest.raises(OSError, match="no inotify"):
        Inotify()
    with pytest.raises(OSError, match="no fanotify"):
        Fanotify()


@pytest.mark.parametrize("platform", ["darwin", "win32"])
def test_elsewhere_no_library_is_asked(platform: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "platform", platform)
    assert kernel._libc() is None


def test_an_old_library_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "platform", "linux")
    monkeypatch.setattr(ctypes, "CDLL", lambda *_, **__: object())
    assert kernel._libc() is None
