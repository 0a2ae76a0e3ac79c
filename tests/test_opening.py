"""Who opened what, as noted by the hook and looked up later."""

from __future__ import annotations

import os
import socket
import sys
from pathlib import Path

import pytest

from pytest_stateless import opening
from pytest_stateless.opening import Openings
from pytest_stateless.source import Sources


@pytest.fixture
def openings() -> Openings:
    return Openings(Sources("/srv/shop"))


@pytest.mark.parametrize("spelled", ["a.txt", b"a.txt", "./sub/../a.txt"], ids=["text", "bytes", "detour"])
def test_a_file_is_found_by_its_path(
    spelled: str | bytes, openings: Openings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    openings.note_file(spelled, sys._getframe())
    place, noted = openings.of_file(os.path.join(os.getcwd(), "a.txt"))
    assert noted
    assert place is not None
    assert place.function == "test_a_file_is_found_by_its_path"
    assert openings.of_file(os.path.join(os.getcwd(), "b.txt")) == (None, False)


def test_a_file_without_a_path_is_not_noted(openings: Openings) -> None:
    openings.note_file(7, sys._getframe())
    openings.note_file("", sys._getframe())
    assert openings.of_file("/srv/shop/7") == (None, False)


def test_a_test_that_opens_very_many_files_is_not_noted_to_the_end(
    openings: Openings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(opening, "_ENOUGH", 2)
    for name in ("/a", "/b", "/c"):
        openings.note_file(name, sys._getframe())
    assert [openings.of_file(name)[1] for name in ("/a", "/b", "/c")] == [True, True, False]


def test_a_relative_path_in_a_directory_that_is_gone_stays_as_it_is(
    openings: Openings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    tmp_path.rmdir()
    openings.note_file("a.txt", sys._getframe())
    assert openings.of_file("a.txt")[1]


def test_a_file_through_a_link_and_one_without_a_name_are_found(openings: Openings, tmp_path: Path) -> None:
    real = Path(os.path.realpath(tmp_path))
    (real / "there").mkdir()
    (real / "here").symlink_to("there")
    openings.note_file(str(real / "here" / "a"), sys._getframe())
    (real / "there" / "a").touch()
    assert openings.of_file(str(real / "there" / "a"))[1]
    openings.note_file(str(real / "there"), sys._getframe())
    assert openings.of_file(str(real / "there" / "#12345"))[1]


def test_a_socket_is_found_by_its_identity(openings: Openings) -> None:
    with socket.socket() as made, socket.socket() as other:
        openings.note_socket(made, sys._getframe())
        assert openings.of_socket(made)[1]
        assert openings.of_socket(other) == (None, False)
        openings.forget()
        assert openings.of_socket(made) == (None, False)


@pytest.mark.parametrize(
    ("function", "kind", "found"),
    [
        pytest.param("pipe", "", True, id="of-its-own-inode"),
        pytest.param("eventfd", "eventfd", True, id="same-kind"),
        pytest.param("pidfd_open", "pidfd", True, id="opened"),
        pytest.param("timerfd_create", "timerfd", True, id="created"),
        pytest.param("dup", "eventfd", True, id="duplicated"),
        pytest.param("eventfd", "pidfd", False, id="another-kind"),
    ],
)
def test_a_descriptor_is_found_by_what_it_is(
    function: str, kind: str, found: bool, openings: Openings
) -> None:
    reading, writing = os.pipe()
    try:
        openings.note_made(function, reading, sys._getframe())
        state = os.fstat(reading)
        assert openings.of_descriptor(reading, state.st_dev, state.st_ino, kind)[1] is found
        assert openings.of_descriptor(reading, state.st_dev, state.st_ino + 1, kind) == (None, False)
        assert openings.of_descriptor(writing, state.st_dev, state.st_ino, kind) == (None, False)
    finally:
        os.close(reading)
        os.close(writing)
