"""What runs that were killed left in the temporary directory goes with a later run."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from pytest_stateless import remains
from pytest_stateless.remains import clear_remains

OLD = 2 * 86_400


@pytest.fixture(scope="module")
def gone() -> int:
    """The number of a process that has ended."""
    ended = subprocess.Popen([sys.executable, "-S", "-c", ""])
    ended.wait()
    return ended.pid


def make(path: Path, age: float = OLD) -> Path:
    path.mkdir()
    (path / "hook.py").write_text("")
    then = path.parent.stat().st_mtime - age
    os.utime(path, (then, then))
    return path


@pytest.fixture
def own(tmp_path: Path) -> Path:
    return make(tmp_path / f"pytest-stateless-{os.getpid()}-0a1b", age=0)


def test_what_a_process_left_that_is_gone_is_removed(own: Path, gone: int) -> None:
    left = make(own.parent / f"pytest-stateless-{gone}-77ff")
    clear_remains(str(own))
    assert not left.exists()
    assert own.exists()


@pytest.mark.parametrize(
    ("name", "age"),
    [
        pytest.param("pytest-stateless-{gone}-77ff", 60.0, id="young"),
        pytest.param("pytest-stateless-{me}-77ff", OLD, id="of-a-living-process"),
        pytest.param("pytest-stateless-1-77ff", OLD, id="of-the-first-process"),
        pytest.param("pytest-other-{gone}-77ff", OLD, id="of-somebody-else"),
        pytest.param("pytest-stateless-{gone}-77ff-kept", OLD, id="with-more-to-its-name"),
    ],
)
def test_all_else_stays(name: str, age: float, own: Path, gone: int) -> None:
    other = make(own.parent / name.format(gone=gone, me=os.getppid()), age)
    clear_remains(str(own))
    assert (other / "hook.py").exists()


def test_so_does_what_is_no_directory(own: Path, gone: int) -> None:
    aim = make(own.parent / "aim")
    link = own.parent / f"pytest-stateless-{gone}-77ff"
    link.symlink_to(aim)
    os.utime(link, (0, 0), follow_symlinks=False)
    clear_remains(str(own))
    assert link.is_symlink()
    assert (aim / "hook.py").exists()


def test_so_does_what_is_another_user_s(own: Path, gone: int, monkeypatch: pytest.MonkeyPatch) -> None:
    left = make(own.parent / f"pytest-stateless-{gone}-77ff")
    real = os.lstat

    def lstat(path: str) -> os.stat_result:
        found = list(real(path))
        found[4] += path == str(left)  # st_uid
        return os.stat_result(found)

    monkeypatch.setattr(remains._Real, "lstat", lstat)
    clear_remains(str(own))
    assert left.exists()


def test_a_process_of_another_user_is_alive(own: Path, gone: int, monkeypatch: pytest.MonkeyPatch) -> None:
    left = make(own.parent / f"pytest-stateless-{gone}-77ff")

    def refuse(*_: object) -> None:
        raise PermissionError

    monkeypatch.setattr(remains._Real, "kill", refuse)
    clear_remains(str(own))
    assert left.exists()


def test_what_another_run_removes_meanwhile_is_gone(
    own: Path, monkeypatch: pytest.MonkeyPatch, gone: int
) -> None:
    monkeypatch.setattr(remains._Real, "listdir", lambda _: [f"pytest-stateless-{gone}-77ff"])
    clear_remains(str(own))


def test_where_no_process_can_be_asked_all_stays(
    own: Path, gone: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    left = make(own.parent / f"pytest-stateless-{gone}-77ff")
    monkeypatch.setattr(remains._Real, "kill", None)
    clear_remains(str(own))
    assert left.exists()
