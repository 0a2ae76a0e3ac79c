"""Which line is named for a write, or a map, that no event of Python's tells of."""

from __future__ import annotations

import sys
import textwrap
from typing import TYPE_CHECKING, Final

import pytest

from pytest_stateless.paths import PathLook

if TYPE_CHECKING:
    from pathlib import Path

    from tests.conftest import Project

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="inotify is Linux's")


HEAD: Final = """
import ctypes, logging, mmap, os, pathlib, sqlite3, subprocess, threading
import pytest
HERE = pathlib.Path(__file__).parent
LIBC = ctypes.CDLL(None)
LIBC.fopen.restype = ctypes.c_void_p
LIBC.fputs.argtypes = (ctypes.c_char_p, ctypes.c_void_p)
LIBC.fclose.argtypes = (ctypes.c_void_p,)
def nothing(): pass
"""

ROWS: Final = {
    "fopen": (
        """
        def test_a():
            nothing()
            file = LIBC.fopen(b"a", b"w")  # here
            LIBC.fclose(file)
            nothing()
        """,
        "a created by native code during this test",
    ),
    "append": (
        """
        def test_a():
            file = LIBC.fopen(b"old", b"a")
            LIBC.fputs(b"tea", file)
            nothing()
            LIBC.fclose(file)  # here
        """,
        "old modified by native code during this test",
    ),
    "in-a-call": (
        """
        def save(name):
            return LIBC.fclose(LIBC.fopen(name, b"w"))  # here
        def test_a(): save(b"a")
        """,
        "a created by native code during this test",
    ),
    "thread": (
        """
        def save(): LIBC.fclose(LIBC.fopen(b"a", b"w"))  # here
        def test_a():
            thread = threading.Thread(target=save)
            thread.start(), thread.join()  # no event of this thread's comes between, which might see the file first
        """,
        "a created by native code during this test",
    ),
    "sqlite-attach": (
        """
        def test_a():
            connection = sqlite3.connect(":memory:", isolation_level=None)
            connection.execute(f"attach '{HERE}/a' as other")
            connection.execute("create table if not exists other.t (x)")
            connection.execute("insert into other.t values (1)")  # here
            connection.close()
        """,
        "a created by native code during this test",
    ),
    "sqlite-connected-before": (
        """
        CONNECTION = sqlite3.connect(HERE / "old.db")
        CONNECTION.execute("create table t (x)")
        CONNECTION.commit()
        def test_a():
            CONNECTION.execute("insert into t values (1)")
            nothing()
            CONNECTION.commit()  # here
        """,
        "old.db modified through a descriptor opened before",
    ),
    "log": (
        """
        logging.getLogger("shop").addHandler(logging.FileHandler(HERE / "shop.log"))
        def test_a():
            nothing()
            logging.getLogger("shop").error("no tea")  # here
        """,
        "shop.log modified through a descriptor opened before, +7 bytes",
    ),
    "file-that-is-flushed": (
        """
        LOG = open(HERE / "shop.log", "w")
        def test_a():
            LOG.write("tea")
            nothing()
            LOG.flush()  # here
        """,
        "shop.log modified through a descriptor opened before, +3 bytes",
    ),
    "mapped": (
        """
        FILE = open(HERE / "old", "r+b")
        MAP = mmap.mmap(FILE.fileno(), 0)
        def test_a():
            nothing()
            MAP[0:3] = b"TEA"  # here
            MAP.flush()
        """,
        "old modified through a descriptor opened before",
    ),
    "map": (
        """
        LIBC.mmap.restype = ctypes.c_void_p
        LIBC.mmap.argtypes = (ctypes.c_void_p, ctypes.c_size_t, *[ctypes.c_int] * 3, ctypes.c_long)
        def test_a():
            file = LIBC.open(b"old", os.O_RDWR)
            nothing()
            LIBC.mmap(None, 4096, 3, 1, file, 0)  # here
            LIBC.close(file)
        """,
        "map old mapped for others to see",
    ),
    "fixture": (
        """
        @pytest.fixture
        def file():
            yield
            LIBC.fclose(LIBC.fopen(b"a", b"w"))  # here
        def test_a(file): nothing()
        """,
        "a created by native code during this test",
    ),
}


def check(project: Project, text: str, *arguments: str, apart: bool = False) -> list[str]:
    """Run a test; subject and message of what it wrote, with where that was."""
    project.write("old", "coffee")
    file = project.write("test_shop.py", HEAD + textwrap.dedent(text))
    (project.run_apart if apart else project.run)(
        "--stateless",
        "--stateless-allow=module-state:*",
        "--stateless-scope=application",
        "--stateless-allow=open-descriptor:*",
        "--stateless-report=json:leaks.json",
        *arguments,
    )
    here = [n for n, line in enumerate(file.read_text().splitlines(), 1) if line.endswith("# here")]
    return [
        f"{leak['subject']} {leak['message']}: {_where(leak['origin'], here) or leak['note']}"
        for test in project.report()["tests"]
        for leak in test["leaks"]
    ]


def _where(origin: dict[str, object] | None, here: list[int]) -> str:
    if origin is None:
        return ""
    return "here" if origin["line"] in here else f"line {origin['line']}"


@pytest.mark.parametrize(("text", "told"), ROWS.values(), ids=ROWS)
def test_the_line_is_named(text: str, told: str, project: Project) -> None:
    assert check(project, text) == [f"{told}: here"]


def test_the_line_of_a_lock_is_named(project: Project) -> None:
    text = """
    FILE = open(HERE / "old", "r+")
    def test_a():
        nothing()
        LIBC.flock(FILE.fileno(), 2)  # here
        nothing()
    """
    (told,) = check(project, text)
    assert told.startswith("old exclusive, flock, fd ")
    assert told.endswith(": here")


def test_so_it_is_of_a_child_that_nobody_announced(project: Project) -> None:
    text = """
    def test_a():
        LIBC.system(os.fsencode(f"echo tea >> {HERE}/old"))  # here
        nothing()
    """
    # In a process of its own: in this one, children of other tests may be alive.
    assert check(project, text, apart=True) == ["old modified by a child process: here"]


NOTES: Final = {
    "not-again": (
        "def test_a(): LIBC.mkdir(os.fsencode(HERE / 'a'), 0o755)",
        "a created (directory) by native code during this test: only on first use",
    ),
    "fails-again": (
        "def test_a():\n    assert not (HERE / 'a').exists()\n    LIBC.fclose(LIBC.fopen(b'a', b'w'))",
        "a created by native code during this test: not found: the test failed when it was run again",
    ),
}


@pytest.mark.parametrize(("text", "told"), NOTES.values(), ids=NOTES)
def test_it_is_said_why_no_line_is_known(text: str, told: str, project: Project) -> None:
    assert check(project, text) == [told]


def test_without_blame_no_test_runs_again(project: Project) -> None:
    found = check(project, ROWS["append"][0], "--stateless-no-blame")
    assert found == [f"{ROWS['append'][1]}: None"]
    assert (project.path / "old").read_text() == "coffeetea"


def test_a_child_with_a_line_of_its_own_needs_no_second_run(project: Project) -> None:
    text = """
    def test_a():
        subprocess.run(["sh", "-c", "echo tea >> old"], check=True, cwd=HERE)  # here
    """
    assert check(project, text) == ["old modified by a child process (sh -c echo tea >> old): here"]
    assert (project.path / "old").read_text() == "coffeetea\n"


def test_with_very_many_files_the_first_are_followed(project: Project) -> None:
    text = """
    def test_a():
        for number in range(60):
            LIBC.fclose(LIBC.fopen(b"%02d" % number, b"w"))  # here
    """
    found = check(project, text)
    native = "created by native code during this test"
    assert found == [f"{n:02} {native}: {'here' if n < 50 else None}" for n in range(60)]


def test_a_directory_has_not_moved_when_something_is_written_in_it(tmp_path: Path) -> None:
    look = PathLook(str(tmp_path))
    (tmp_path / "a").touch()
    assert not look.moved()
    tmp_path.chmod(0o700 if tmp_path.stat().st_mode & 0o77 else 0o755)
    assert look.moved()
    look.rebase()
    assert not look.moved()
