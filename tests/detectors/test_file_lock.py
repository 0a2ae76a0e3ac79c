"""Locks: the kernel's tables, and real locks of each kind."""

from __future__ import annotations

import ctypes
import os
import sqlite3
import struct
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from pathlib import Path

import pytest

from pytest_stateless import proc
from pytest_stateless.detectors import Context, Detector, file_lock, locks, open_descriptor
from pytest_stateless.detectors.file_lock import FileLock, FileLocks, absorb, compare
from pytest_stateless.detectors.locks import Held, LockEvidence
from pytest_stateless.expected import is_expected
from pytest_stateless.leak import Leak, Origin, Owner
from pytest_stateless.noted import Lock
from pytest_stateless.source import Place, Sources
from tests.conftest import Project as WholeProject

if sys.platform != "win32":
    import fcntl

LeftBy = Callable[[Detector, Callable[[], object]], list[Leak]]

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="read from Linux's /proc/locks")

PLACE = Place("/srv/shop/orders.py", 9, "lock", Owner.APPLICATION, False, False)
LOCK = FileLock("flock", 77, False, "/srv/shop/run/shop.lock", 5)


# ----------------------------------------------------------------------------------------- hand-made values


def at(*held: FileLock, asked: tuple[Lock, ...] = ()) -> FileLocks:
    return FileLocks(frozenset(held), asked, Sources("/srv/shop"))


@pytest.mark.parametrize(
    ("line", "found"),
    [
        pytest.param("1: FLOCK  ADVISORY  WRITE 100 08:02:77 0 EOF", [Held("flock", 77, False)], id="flock"),
        pytest.param("1: POSIX  ADVISORY  READ  100 08:02:77 0 9", [Held("lockf", 77, True)], id="shared"),
        pytest.param(
            "1: OFDLCK ADVISORY  WRITE -1 08:02:77 0 EOF",
            [Held("open file description", 77, False)],
            id="of-an-open-file",
        ),
        pytest.param("1: DELEG  ACTIVE    READ 100 08:02:77 0 EOF", [], id="of-a-file-server"),
        pytest.param("", [], id="none"),
    ],
)
def test_the_kernel_tells_of_the_locks_of_a_descriptor(line: str, found: list[Held]) -> None:
    assert list(locks.held(f"pos:\t0\nflags:\t0100002\nmnt_id:\t29\nlock:\t{line}\n")) == found


@pytest.mark.parametrize(
    ("before", "after", "told"),
    [
        pytest.param([], [LOCK], [("run/shop.lock", "exclusive, flock, fd 5")], id="left"),
        pytest.param(
            [], [LOCK._replace(is_shared=True)], [("run/shop.lock", "shared, flock, fd 5")], id="shared"
        ),
        pytest.param([LOCK], [LOCK], [], id="held-before"),
        pytest.param([LOCK], [], [], id="released"),
        pytest.param([LOCK], [LOCK._replace(descriptor=9)], [], id="at-another-descriptor"),
        pytest.param(
            [LOCK._replace(is_shared=True)],
            [LOCK],
            [("run/shop.lock", "exclusive, flock, fd 5")],
            id="raised",
        ),
    ],
)
def test_a_lock_is_told_by_its_file(
    before: list[FileLock], after: list[FileLock], told: list[tuple[str, str]]
) -> None:
    assert [(leak.subject, leak.message) for leak in compare(at(*before), at(*after))] == told


@pytest.mark.parametrize(
    ("lock", "asked", "expected"),
    [
        pytest.param(LOCK, (Lock(77, PLACE),), False, id="application"),
        pytest.param(LOCK, (Lock(77, PLACE._replace(by_tool=True)),), True, id="tool"),
        pytest.param(LOCK, (), False, id="native"),
        pytest.param(LOCK._replace(is_shared=True), (), True, id="native-and-shared"),
        pytest.param(LOCK._replace(is_shared=True), (Lock(77, PLACE),), False, id="shared"),
    ],
)
def test_what_is_fine_and_what_is_not(lock: FileLock, asked: tuple[Lock, ...], expected: bool) -> None:
    (leak,) = compare(at(), at(lock, asked=asked))
    assert is_expected(leak) is expected


def test_who_asked_for_it_is_to_blame() -> None:
    (leak,) = compare(at(), at(LOCK, asked=(Lock(78, None), Lock(77, PLACE), Lock(79, None))))
    assert (leak.origin, leak.owner) == (Origin("orders.py", 9, "lock"), Owner.APPLICATION)


def test_absorbing_counts_what_others_locked_and_released() -> None:
    mine, theirs, gone = LOCK, LOCK._replace(inode=78), LOCK._replace(inode=79)
    assert absorb(at(gone), at(gone, mine), at(mine, theirs)) == at(theirs)


# -------------------------------------------------------------------------------------------------- real locks


@pytest.fixture
def keep() -> Iterator[ExitStack]:
    with ExitStack() as stack:
        yield stack


@pytest.fixture
def file(project: Path, monkeypatch: pytest.MonkeyPatch, keep: ExitStack) -> int:
    """A descriptor of a file, opened before."""
    monkeypatch.chdir(project)
    number = os.open("shop.lock", os.O_RDWR | os.O_CREAT)
    keep.callback(os.close, number)
    return number


def of_the_open_file(number: int) -> None:
    asked = struct.pack("hhqqixxxx", fcntl.F_WRLCK, os.SEEK_SET, 0, 0, 0)
    fcntl.fcntl(number, fcntl.F_OFD_SETLK, asked)


@pytest.mark.parametrize(
    ("act", "message"),
    [
        pytest.param(lambda number: fcntl.flock(number, fcntl.LOCK_EX), "exclusive, flock", id="flock"),
        pytest.param(
            lambda number: fcntl.flock(number, fcntl.LOCK_SH | fcntl.LOCK_NB), "shared, flock", id="shared"
        ),
        pytest.param(lambda number: fcntl.lockf(number, fcntl.LOCK_EX), "exclusive, lockf", id="lockf"),
        pytest.param(of_the_open_file, "exclusive, open file description", id="of-the-open-file"),
    ],
)
def test_a_lock_that_is_held_is_told(
    act: Callable[[int], object], message: str, left_by: LeftBy, file: int
) -> None:
    if act is of_the_open_file and not hasattr(fcntl, "F_OFD_SETLK"):
        pytest.skip("no such locks here")
    (leak,) = left_by(file_lock, lambda: act(file))
    assert (leak.subject, leak.message) == ("shop.lock", f"{message}, fd {file}")
    assert not is_expected(leak)
    assert leak.origin is not None
    assert leak.origin.file == __file__


LIBC = ctypes.CDLL(None)


def by_fcntl(number: int, kind: int, command: int = 6) -> None:  # F_SETLK
    asked = struct.pack("hhqqixxxx", kind, os.SEEK_SET, 0, 0, 0)
    assert LIBC.fcntl(number, command, asked) == 0


NATIVE: dict[str, tuple[Callable[[int], object], Callable[[int], object]]] = {
    "lockf": (lambda file: by_fcntl(file, 1), lambda file: by_fcntl(file, 2)),
    "open file description": (lambda file: by_fcntl(file, 1, 37), lambda file: by_fcntl(file, 2, 37)),
    "flock": (lambda file: LIBC.flock(file, 2), lambda file: LIBC.flock(file, 8)),
}
"""How native code locks a file, and how it releases it."""


@pytest.mark.parametrize("kind", NATIVE)
def test_native_code_that_locks_a_file_which_was_open_is_seen(kind: str, left_by: LeftBy, file: int) -> None:
    lock, release = NATIVE[kind]
    (leak,) = left_by(file_lock, lambda: lock(file))
    assert (leak.subject, leak.message) == ("shop.lock", f"exclusive, {kind}, fd {file}")
    assert leak.traits >= {"native"}
    assert left_by(file_lock, lambda: None) == []  # of an earlier test
    assert left_by(file_lock, lambda: release(file)) == []
    assert left_by(file_lock, lambda: (lock(file), release(file))) == []


def is_free(path: str, kind: str) -> bool:
    """Whether another open file could be locked."""
    with open(path, "r+") as other:
        try:
            if kind == "flock":
                fcntl.flock(other, fcntl.LOCK_EX | fcntl.LOCK_NB)
            else:
                of_the_open_file(other.fileno())
        except BlockingIOError:
            return False
    return True


@pytest.mark.parametrize("kind", ["flock", "open file description"])
def test_a_lock_of_the_open_file_is_released_and_taken_again(kind: str, file: int) -> None:
    if not hasattr(fcntl, "F_OFD_SETLK"):
        pytest.skip("Python has no name for such locks")
    NATIVE[kind][0](file)
    evidence = LockEvidence(file, os.fstat(file).st_ino)
    assert not is_free("shop.lock", kind)
    redo = evidence.release()
    assert redo is not None
    assert is_free("shop.lock", kind)
    redo()
    assert not is_free("shop.lock", kind)


def test_where_somebody_else_took_the_lock_meanwhile_it_is_theirs(file: int, keep: ExitStack) -> None:
    fcntl.flock(file, fcntl.LOCK_EX)
    redo = LockEvidence(file, os.fstat(file).st_ino).release()
    assert redo is not None
    other = keep.enter_context(open("shop.lock", "r+"))
    fcntl.flock(other, fcntl.LOCK_EX)
    redo()
    assert list(locks.held(proc.text(f"/proc/self/fdinfo/{file}"))) == []


@pytest.mark.parametrize("moved", ["closed", "another-file"])
def test_a_descriptor_that_means_another_file_by_then_is_let_alone(
    moved: str, file: int, keep: ExitStack
) -> None:
    number = os.open("shop.lock", os.O_RDWR)
    fcntl.flock(number, fcntl.LOCK_EX)
    evidence = LockEvidence(number, os.fstat(number).st_ino)
    redo = evidence.release()
    assert redo is not None
    if moved == "another-file":
        other = keep.enter_context(open("other.lock", "w"))
        keep.callback(os.close, os.dup2(other.fileno(), number))
    else:
        os.close(number)
    redo()
    assert evidence.release() is None
    assert is_free("shop.lock", "flock")


def test_a_lock_of_the_process_is_let_alone(file: int) -> None:
    fcntl.lockf(file, fcntl.LOCK_EX)
    assert LockEvidence(file, os.fstat(file).st_ino).release() is None
    assert len(list(locks.held(proc.text(f"/proc/self/fdinfo/{file}")))) == 1


@pytest.mark.parametrize(
    ("line", "taken"),
    [
        pytest.param("1: FLOCK  ADVISORY  READ 9 08:02:77 0 EOF", (True, True, 0, 0), id="flock"),
        pytest.param("1: OFDLCK ADVISORY  WRITE -1 08:02:77 5 9", (False, False, 5, 5), id="a-part"),
        pytest.param("1: OFDLCK ADVISORY  WRITE -1 08:02:77 5 EOF", (False, False, 5, 0), id="to-the-end"),
        pytest.param("1: POSIX  ADVISORY  WRITE 9 08:02:77 0 EOF", None, id="of-the-process"),
        pytest.param("", None, id="none"),
    ],
)
def test_which_locks_a_second_run_would_wait_for(
    line: str, taken: tuple[bool, bool, int, int] | None
) -> None:
    assert locks._of_the_open_file(f"lock:\t{line}") == taken


def test_a_lock_is_looked_at_by_its_file(file: int, keep: ExitStack) -> None:
    (look,) = LockEvidence(file, os.fstat(file).st_ino).looks()
    assert not look.moved()
    other = keep.enter_context(open("shop.lock", "r+"))
    fcntl.flock(other, fcntl.LOCK_EX)
    assert look.moved()
    look.rebase()
    assert not look.moved()


@pytest.mark.parametrize("mode", ["delete", "wal"])
def test_a_transaction_that_stays_open_is_told(
    mode: str, left_by: LeftBy, file: int, keep: ExitStack
) -> None:
    connection = keep.enter_context(closing(sqlite3.connect("db", isolation_level=None)))
    connection.execute(f"pragma journal_mode={mode}")
    connection.execute("create table t (x)")
    leaks = left_by(file_lock, lambda: connection.execute("begin immediate"))
    assert {leak.subject for leak in leaks if not is_expected(leak)} == {"db-shm" if mode == "wal" else "db"}


def test_a_transaction_in_a_temporary_database_may_be_a_wider_fixtures(
    left_by: LeftBy, project: Path, keep: ExitStack
) -> None:
    connection = keep.enter_context(closing(sqlite3.connect(project.parent / "db", isolation_level=None)))
    connection.execute("begin")
    connection.execute("create table t (x)")
    connection.execute("commit")
    connection.execute("begin")
    assert left_by(file_lock, lambda: connection.execute("insert into t values (1)")) == []


@pytest.mark.parametrize("mode", ["delete", "wal"])
def test_a_transaction_that_ends_is_fine(mode: str, left_by: LeftBy, file: int, keep: ExitStack) -> None:
    connection = keep.enter_context(closing(sqlite3.connect("db", isolation_level=None)))
    connection.execute(f"pragma journal_mode={mode}")
    connection.execute("create table t (x)")
    leaks = left_by(file_lock, lambda: connection.execute("insert into t values (1)"))
    assert [leak for leak in leaks if not is_expected(leak)] == []


def test_a_locked_file_that_was_opened_is_told_once(left_by: LeftBy, keep: ExitStack, project: Path) -> None:
    def act() -> None:
        made = keep.enter_context(open(project / "shop.pid", "w"))
        fcntl.flock(made, fcntl.LOCK_EX)

    assert left_by(open_descriptor, act) == []


def lock_and_release(number: int) -> None:
    fcntl.flock(number, fcntl.LOCK_EX)
    fcntl.flock(number, fcntl.LOCK_UN)


def lock_and_close(number: int) -> None:
    with open("other.lock", "w") as other:
        fcntl.flock(other, fcntl.LOCK_EX)


def transaction(number: int) -> None:
    with closing(sqlite3.connect("db")) as connection:
        connection.execute("create table t (x)")


@pytest.mark.parametrize("act", [lambda number: None, lock_and_release, lock_and_close, transaction])
def test_nothing_is_said_of_what_is_fine(act: Callable[[int], object], left_by: LeftBy, file: int) -> None:
    assert left_by(file_lock, lambda: act(file)) == []


def test_a_connection_to_a_database_that_stays_open_is_fine(
    left_by: LeftBy, file: int, keep: ExitStack
) -> None:
    def act() -> None:
        connection = keep.enter_context(closing(sqlite3.connect("db")))
        connection.execute("pragma journal_mode=wal")
        connection.execute("create table t (x)")

    leaks = left_by(file_lock, act)
    assert [leak.subject for leak in leaks if not is_expected(leak)] == []


def test_a_lock_of_another_process_is_not_ours(left_by: LeftBy, file: int, keep: ExitStack) -> None:
    def act() -> None:
        is_locked, locked = os.pipe()
        may_end, end = os.pipe()
        child = os.fork()
        if not child:
            of_the_open_file(os.open("shop.lock", os.O_RDWR))
            os.write(locked, b"x")
            os.read(may_end, 1)
            os._exit(0)
        for number in (is_locked, locked, may_end, end):
            keep.callback(os.close, number)
        keep.callback(os.waitpid, child, 0)
        keep.callback(os.write, end, b"x")
        os.read(is_locked, 1)
        with pytest.raises(BlockingIOError):
            of_the_open_file(file)

    if not hasattr(fcntl, "F_OFD_SETLK"):
        pytest.skip("no such locks here")
    assert left_by(file_lock, act) == []


def test_where_the_kernel_shows_none_nothing_is_said(
    left_by: LeftBy, file: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> int:
        raise FileNotFoundError

    monkeypatch.setattr(proc._Real, "open", refuse)
    assert left_by(file_lock, lambda: fcntl.flock(file, fcntl.LOCK_EX)) == []


def test_of_a_temporary_file_the_kernel_is_asked_only_if_somebody_locks_it(
    context: Context, file: int, keep: ExitStack, project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    temporary = keep.enter_context(open(project.parent / "shop.lock", "w")).fileno()
    file_lock.capture(context)
    asked: list[str] = []

    def read(path: str) -> str:
        asked.append(path)
        return ""

    monkeypatch.setattr(locks, "text", read)
    file_lock.capture(context)
    assert f"/proc/self/fdinfo/{file}" in asked
    assert f"/proc/self/fdinfo/{temporary}" not in asked
    context.recording.locks.append(Lock(os.fstat(temporary).st_ino, None))
    file_lock.capture(context)
    assert f"/proc/self/fdinfo/{temporary}" in asked


def test_looking_leaves_no_descriptor_and_no_lock_behind(context: Context, file: int) -> None:
    fcntl.lockf(file, fcntl.LOCK_EX)
    file_lock.capture(context)
    before = sorted(os.listdir("/proc/self/fd"))
    for _ in range(100):
        found = file_lock.capture(context)
    assert sorted(os.listdir("/proc/self/fd")) == before
    assert [os.path.basename(lock.path) for lock in found.held] == ["shop.lock"]


@pytest.mark.parametrize("workers", ["", "-p xdist -n1"], ids=["here", "xdist"])
def test_each_test_is_blamed_for_its_own(
    workers: str, pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")
    monkeypatch.setenv("PYTEST_ADDOPTS", f"-p stateless {workers}")
    shop = WholeProject(pytester)
    shop.write(
        "test_shop.py",
        """
        import fcntl, pytest
        FILE = open(__file__)
        @pytest.fixture(scope="module")
        def single():
            with open("single.lock", "w") as file:
                fcntl.flock(file, fcntl.LOCK_EX)
                yield
        def test_leaks(): fcntl.flock(FILE, fcntl.LOCK_EX)
        def test_clean(single): pass
        def test_releases(): fcntl.flock(FILE, fcntl.LOCK_UN)
        """,
    )
    shop.run_apart("--stateless", "--stateless-allow=file-write:*", "--stateless-report=json:leaks.json")
    (test,) = shop.report()["tests"]
    assert test["nodeid"] == "test_shop.py::test_leaks"
    assert [(leak["rule"], leak["subject"]) for leak in test["leaks"]] == [("file-lock", "test_shop.py")]
