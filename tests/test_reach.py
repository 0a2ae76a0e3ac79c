"""What a child does so that those whom it starts tell too, seen in this process."""

from __future__ import annotations

import ctypes
import os
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import pytest

from pytest_stateless.reaching import Reach

pytestmark = pytest.mark.skipif(
    sys.platform != "linux", reason="the C library's environment, as Linux has it"
)

REPORT: Final = "/nowhere/7.txt"
SHELL: Final = ["/bin/sh", "-c", "exec env"]
OTHER: Final = ["/usr/bin/env"]
GETENV: Final[Any] = ctypes.CDLL(None).getenv
GETENV.restype = ctypes.c_char_p


@pytest.fixture
def reach(monkeypatch: pytest.MonkeyPatch) -> Reach:
    """As in a child; what stands in somewhere is taken away when the test is over."""
    for owner, name in (
        (subprocess, "_fork_exec"),
        (sys.modules["_posixsubprocess"], "fork_exec"),
        (os, "posix_spawn"),
        (os, "posix_spawnp"),
    ):
        if hasattr(owner, name):
            monkeypatch.setattr(owner, name, getattr(owner, name))
    monkeypatch.setenv("PYTHONPATH", "/mine")
    return Reach(REPORT, "None")


def run(command: list[str], out: int, **more: Any) -> None:
    subprocess.run(command, stdout=out, check=True, **more)


def spawn(command: Any, out: int, env: Any) -> None:
    child = os.posix_spawn(
        "/bin/sh" if command is SHELL else OTHER[0],
        command,
        env,
        file_actions=[(os.POSIX_SPAWN_DUP2, out, 1)],
    )
    assert os.waitpid(child, 0) == (child, 0)


class Odd(dict[str, str]):
    """An environment that may say anything of itself."""


Start = Callable[[list[str], int], None]
MINE: Final = {"PYTHONPATH": "/mine"}
WAYS: Final[dict[str, Start]] = {
    "run": run,
    "run-in-a-directory": lambda command, out: run(command, out, cwd="/"),  # never by posix_spawn
    "run-with-environment": lambda command, out: run(command, out, cwd="/", env=MINE),
    "run-by-posix-spawn": lambda command, out: run(command, out, close_fds=False),
    "posix-spawn": lambda command, out: spawn(command, out, MINE),
    "posix-spawn-with-os-environ": lambda command, out: spawn(command, out, os.environ),
}
if sys.version_info >= (3, 13):
    WAYS["posix-spawn-without-environment"] = lambda command, out: spawn(command, out, None)


def seen_by(start: Callable[[int], object], file: Path) -> dict[str, str]:
    """The environment of a program that shows it."""
    with file.open("wb") as out:
        start(out.fileno())
    return dict(line.split("=", 1) for line in file.read_text().splitlines() if "=" in line)


@pytest.mark.parametrize("way", WAYS.values(), ids=WAYS)
def test_who_may_run_python_gets_the_hook(way: Start, reach: Reach, tmp_path: Path) -> None:
    reach.note("subprocess.Popen", ())
    reach.note("subprocess.Popen", ())  # with each that is started
    seen = seen_by(lambda out: way(SHELL, out), tmp_path / "seen")
    assert seen["PYTEST_STATELESS_REPORT"] == REPORT
    assert seen["PYTEST_STATELESS_START"] == "None"
    assert seen["PYTHONPATH"] == "/nowhere:/mine"
    assert not is_lent()


@pytest.mark.parametrize("way", WAYS.values(), ids=WAYS)
def test_another_program_gets_what_it_is_given(way: Start, reach: Reach, tmp_path: Path) -> None:
    reach.note("subprocess.Popen", ())
    seen = seen_by(lambda out: way(OTHER, out), tmp_path / "seen")
    assert "PYTEST_STATELESS_REPORT" not in seen
    assert seen["PYTHONPATH"] == "/mine"


def test_an_environment_of_another_type_is_not_looked_at(reach: Reach, tmp_path: Path) -> None:
    reach.note("subprocess.Popen", ())
    assert seen_by(lambda out: spawn(SHELL, out, Odd(MINE)), tmp_path / "seen")["PYTHONPATH"] == "/mine"


def test_what_is_lent_is_taken_back_though_nothing_starts(reach: Reach) -> None:
    reach.note("subprocess.Popen", ())
    with pytest.raises(FileNotFoundError):
        subprocess.run(["/nowhere/python"], check=True)
    assert not is_lent()


@pytest.mark.parametrize(
    ("event", "args", "lends"),
    [
        pytest.param("os.system", (b"true",), True, id="system"),
        pytest.param("os.exec", ("/bin/sh", ["sh"], None), True, id="exec"),
        pytest.param("os.exec", ("/usr/bin/env", ["env"], None), False, id="exec-another-program"),
        pytest.param("os.exec", ("/bin/sh", ["sh"], {}), False, id="exec-with-an-environment"),
    ],
)
def test_what_has_no_place_to_stand_in_inherits_it_for_a_moment(
    event: str, args: tuple[Any, ...], lends: bool, reach: Reach, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("PYTHONPATH")
    reach.note(event, args)
    try:
        assert is_lent() is lends
        assert os.environ.get("PYTHONPATH") is None
        in_a_thread(reach.come_back)
        assert is_lent() is lends
    finally:
        reach.come_back()
    assert not is_lent()
    assert GETENV(b"PYTHONPATH") is None


def test_a_command_of_the_shell_gets_the_hook(reach: Reach, tmp_path: Path) -> None:
    reach.note("os.system", (b"",))
    try:
        assert os.system(f"env > '{tmp_path}/seen'") == 0
    finally:
        reach.come_back()
    assert "PYTHONPATH=/nowhere:/mine\n" in tmp_path.joinpath("seen").read_text()
    assert GETENV(b"PYTHONPATH") == b"/mine"


def is_lent() -> bool:
    """Whether the next child inherits it."""
    return bool(GETENV(b"PYTEST_STATELESS_REPORT") == REPORT.encode())


def in_a_thread(call: Callable[[], None]) -> None:
    thread = threading.Thread(target=call)
    thread.start()
    thread.join()
