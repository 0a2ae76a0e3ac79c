"""Shared memory: the kernel's tables, and real memory, semaphores and queues."""

from __future__ import annotations

import ctypes
import mmap
import multiprocessing
import os
import stat
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from multiprocessing.shared_memory import SharedMemory
from pathlib import Path
from typing import Any

import pytest

from pytest_stateless import proc
from pytest_stateless.detectors import (
    Context,
    Detector,
    descriptors,
    listing,
    maps,
    open_descriptor,
    shared_memory,
)
from pytest_stateless.detectors.shared_memory import Maker, Thing, Things, absorb, compare, numbered
from pytest_stateless.expected import is_expected
from pytest_stateless.leak import Leak, Origin, Owner
from pytest_stateless.paths import PathEvidence
from pytest_stateless.source import Place, Sources
from pytest_stateless.watches import Watches
from pytest_stateless.watches.roots import Root
from tests.conftest import Project as WholeProject

LeftBy = Callable[[Detector, Callable[[], object]], list[Leak]]

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="Linux's /dev/shm and /proc/sysvipc")

PLACE = Place("/srv/shop/totals.py", 9, "share", Owner.APPLICATION, False, False)


def things(*found: Thing) -> Things:
    return Things(frozenset(found), Sources("/srv/shop"))


MEMORY = Thing("memory", "orders", 77, place=PLACE)


@pytest.mark.parametrize(
    ("thing", "subject", "message"),
    [
        pytest.param(MEMORY, "memory /orders", "created, in /dev/shm", id="memory"),
        pytest.param(
            MEMORY._replace(name="psm_12ab34cd"), "memory /psm_*", "created, in /dev/shm", id="made-up"
        ),
        pytest.param(
            MEMORY._replace(name="tmpab12_xy9"), "memory /tmp*", "created, in /dev/shm", id="temporary"
        ),
        pytest.param(
            MEMORY._replace(kind="semaphore", name="lock"),
            "semaphore /lock",
            "created, a POSIX semaphore",
            id="semaphore",
        ),
        pytest.param(
            MEMORY._replace(kind="queue", name="jobs"),
            "queue /jobs",
            "created, a POSIX message queue",
            id="queue",
        ),
        pytest.param(
            Thing("SysV memory", "key 4660", 3), "SysV memory key 4660", "created, id 3", id="by-number"
        ),
    ],
)
def test_a_thing_is_told_by_its_name(thing: Thing, subject: str, message: str) -> None:
    (leak,) = compare(things(), things(thing))
    assert (leak.subject, leak.message) == (subject, message)


@pytest.mark.parametrize(
    ("before", "after", "count"),
    [
        pytest.param([MEMORY], [MEMORY], 0, id="there-before"),
        pytest.param([MEMORY], [], 0, id="removed"),
        pytest.param([MEMORY], [MEMORY._replace(inode=78)], 1, id="another-of-the-name"),
        pytest.param([], [MEMORY._replace(is_own=False)], 0, id="of-another-process"),
        pytest.param([MEMORY._replace(is_own=False)], [MEMORY], 0, id="taken-up"),
    ],
)
def test_only_what_this_process_made_is_told(before: list[Thing], after: list[Thing], count: int) -> None:
    assert len(list(compare(things(*before), things(*after)))) == count


def test_who_made_it_is_to_blame() -> None:
    (leak,) = compare(things(), things(MEMORY))
    assert (leak.origin, leak.owner) == (Origin("totals.py", 9, "share"), Owner.APPLICATION)
    (leak,) = compare(things(), things(MEMORY._replace(place=PLACE._replace(by_tool=True))))
    assert is_expected(leak)


MAP = Thing("map", "/srv/shop/totals.bin", 77, place=PLACE)


@pytest.mark.parametrize(
    ("before", "after", "subjects"),
    [
        pytest.param(things(), things(MAP), ["map totals.bin"], id="mapped"),
        pytest.param(things(MAP), things(), [], id="unmapped"),
        pytest.param(things(MAP), things(MAP._replace(place=None)), [], id="mapped-before"),
        pytest.param(things(MAP), things(MAP._replace(name="/srv/shop/old.bin")), [], id="renamed"),
        pytest.param(
            things(), things(MAP)._replace(open=frozenset({(5, 77)})), [], id="told-by-its-descriptor"
        ),
        pytest.param(
            things()._replace(open=frozenset({(5, 77)})),
            things(MAP)._replace(open=frozenset({(5, 77)})),
            ["map totals.bin"],
            id="open-before",
        ),
    ],
)
def test_a_map_is_told_by_its_file(before: Things, after: Things, subjects: list[str]) -> None:
    assert [leak.subject for leak in compare(before, after)] == subjects


@pytest.mark.parametrize(
    ("line", "found"),
    [
        pytest.param("rw-s 00000000 08:02 77     /srv/a b", [maps.Map("/srv/a b", 77)], id="shared"),
        pytest.param("rwxs 00000000 08:02 77     /srv/a", [maps.Map("/srv/a", 77)], id="executable"),
        pytest.param("r--s 00000000 08:02 77     /srv/a", [], id="read-only"),
        pytest.param("rw-p 00000000 08:02 77     /srv/a", [], id="private"),
        pytest.param("rw-s 00000000 00:01 77     /dev/zero (deleted)", [], id="of-no-file"),
        pytest.param("rw-s 00000000 08:02 77     /srv/a (deleted)", [], id="without-a-name"),
        pytest.param("rw-s 00000000 00:0f 77     anon_inode:[perf_event]", [], id="anonymous"),
        pytest.param("rw-p 00000000 00:00 0 ", [], id="plain-memory"),
    ],
)
def test_the_kernel_tells_what_is_mapped(line: str, found: list[maps.Map]) -> None:
    other = "7f0000000000-7f0000001000 r-xp 00000000 08:02 12     /usr/lib/libc.so.6\n"
    assert maps.parse(f"{other}7f2000000000-7f2000001000 {line}\n{other}") == frozenset(found)


def test_the_line_of_a_map_is_found_by_where_it_lies() -> None:
    maps_of_a = "1000-2000 rw-s 0 08:02 77  /srv/a\n5000-6000 rw-s 0 08:02 77  /srv/a\n"
    table = f"{maps_of_a}3000-4000 rw-s 0 08:02 78  /srv/b\n8000-9000 rw-p 0 08:02 77  /srv/a\n"
    assert maps.addresses(table, "/srv/a") == ("1000-2000", "5000-6000")


def test_a_map_is_looked_at_where_the_address_space_has_another_size(monkeypatch: pytest.MonkeyPatch) -> None:
    tables = {"/proc/self/statm": "100 50 30", "/proc/self/maps": ""}
    monkeypatch.setattr(maps, "text", tables.__getitem__)
    (look,) = maps.MapEvidence("/srv/a").looks()
    tables["/proc/self/maps"] = "1-2 rw-s 0 08:02 77  /srv/a\n"
    assert not look.moved()
    tables["/proc/self/statm"] = "101 50 30"
    assert look.moved()
    look.rebase()
    assert not look.moved()


@pytest.mark.parametrize(
    ("thing", "evidence"),
    [
        pytest.param(MEMORY, None, id="line-known"),
        pytest.param(MEMORY._replace(place=None), PathEvidence("/dev/shm/orders"), id="memory"),
        pytest.param(MEMORY._replace(place=None, by_child=True), None, id="of-a-child"),
        pytest.param(Thing("semaphore", "lock", 77), PathEvidence("/dev/shm/sem.lock"), id="semaphore"),
        pytest.param(Thing("queue", "jobs", 77), PathEvidence("/dev/mqueue/jobs"), id="queue"),
        pytest.param(Thing("map", "/srv/a", 77), maps.MapEvidence("/srv/a"), id="map"),
        pytest.param(Thing("SysV memory", "key 4660", 3), None, id="by-number"),
    ],
)
def test_where_nobody_told_the_line_can_be_found_out(thing: Thing, evidence: object) -> None:
    (leak,) = compare(things(), things(thing))
    assert leak.evidence == evidence


def test_absorbing_counts_what_others_made_and_removed() -> None:
    mine, theirs, gone = MEMORY, MEMORY._replace(inode=78), MEMORY._replace(inode=79)
    assert absorb(things(gone), things(gone, mine), things(mine, theirs)) == things(theirs)


SHM = "       key      shmid perms  size  cpid  lpid nattch   uid   gid  cuid  cgid\n"
MSG = "       key      msqid perms cbytes qnum lspid lrpid   uid   gid  cuid  cgid\n"
SEM = "       key      semid perms nsems   uid   gid  cuid  cgid\n"


@pytest.mark.parametrize(
    ("text", "number", "makers", "alone", "found"),
    [
        pytest.param(
            f"{SHM} 4660 5 666 64 100 0 1 9 9 9 9\n", "shmid", ("cpid",), True, [("key 4660", True)], id="own"
        ),
        pytest.param(
            f"{SHM} 0 5 666 64 100 0 1 9 9 9 9\n", "shmid", ("cpid",), True, [("private", True)], id="private"
        ),
        pytest.param(
            f"{SHM} 4660 5 666 64 101 0 1 7 7 7 7\n",
            "shmid",
            ("cpid",),
            True,
            [("key 4660", False)],
            id="others",
        ),
        pytest.param(
            f"{MSG} 4660 5 666 0 0 100 0 9 9 9 9\n",
            "msqid",
            ("lspid", "lrpid"),
            False,
            [("key 4660", True)],
            id="sent",
        ),
        pytest.param(
            f"{MSG} 4660 5 666 0 0 0 0 7 7 7 7\n",
            "msqid",
            ("lspid", "lrpid"),
            True,
            [("key 4660", True)],
            id="users",
        ),
        pytest.param(
            f"{MSG} 4660 5 666 0 0 0 0 7 7 7 7\n",
            "msqid",
            ("lspid", "lrpid"),
            False,
            [("key 4660", False)],
            id="users-beside-other-workers",
        ),
        pytest.param(
            f"{SEM} 4660 5 666 1 7 7 7 7\n", "semid", (), True, [("key 4660", True)], id="semaphores"
        ),
        pytest.param(
            f"{SEM} 4660 5 666 1 8 8 8 8\n", "semid", (), True, [("key 4660", False)], id="another-user"
        ),
        pytest.param(SEM, "semid", (), True, [], id="none"),
        pytest.param("", "semid", (), True, [], id="no-table"),
    ],
)
def test_the_kernels_table_tells_whose_it_is(
    text: str, number: str, makers: tuple[str, ...], alone: bool, found: list[tuple[str, bool]]
) -> None:
    told = list(numbered(text, "kind", number, makers, Maker(100, 7, alone)))
    assert [(one.name, one.is_own) for one in told] == found
    assert all(one.inode == 5 for one in told)


@pytest.mark.parametrize(
    ("maker", "alone", "told"),
    [
        pytest.param(101, True, True, id="child"),
        pytest.param(102, True, False, id="somebody-else"),
        pytest.param(101, False, False, id="beside-other-workers"),
    ],
)
def test_what_a_child_made_is_this_processs(maker: int, alone: bool, told: bool) -> None:
    me = Maker(100, 7, alone, lambda process: process == 101)
    (found,) = numbered(f"{SHM} 0 5 666 64 {maker} 0 1 7 7 7 7\n", "SysV memory", "shmid", ("cpid",), me)
    assert (found.is_own, found.by_child) == (told, told)
    messages = [leak.message for leak in compare(things(), things(found))]
    assert messages == ["created, id 5 by a child process"] * told


# ------------------------------------------------------------------------------------------- real things


@pytest.fixture
def keep() -> Iterator[ExitStack]:
    with ExitStack() as stack:
        yield stack


NAME = f"stateless-test-{os.getpid()}"
LIBC = ctypes.CDLL(None, use_errno=True)


def block(keep: ExitStack, name: str | None = None) -> SharedMemory:
    made = SharedMemory(name, create=True, size=16)
    keep.callback(made.unlink)
    keep.callback(made.close)
    return made


def file(keep: ExitStack) -> None:
    path = Path("/dev/shm") / NAME
    keep.callback(path.unlink)
    path.write_text("x")


def semaphore(keep: ExitStack) -> None:
    LIBC.sem_open.restype = ctypes.c_void_p
    made = LIBC.sem_open(f"/{NAME}".encode(), os.O_CREAT, 0o600, 1)
    if not made:
        pytest.skip("no named semaphores here")
    keep.callback(LIBC.sem_unlink, f"/{NAME}".encode())
    keep.callback(LIBC.sem_close, ctypes.c_void_p(made))


def mapped(keep: ExitStack) -> None:
    descriptor = LIBC.shm_open(f"/{NAME}".encode(), os.O_CREAT | os.O_RDWR, 0o600)
    keep.callback(LIBC.shm_unlink, f"/{NAME}".encode())
    keep.callback(os.close, descriptor)


def system_v(keep: ExitStack) -> None:
    number = LIBC.shmget(4660 + os.getpid(), 64, 0o1600)
    if number < 0:
        pytest.skip("no System V memory here")
    keep.callback(LIBC.shmctl, number, 0, None)


def system_v_semaphores(keep: ExitStack) -> None:
    number = LIBC.semget(4660 + os.getpid(), 1, 0o1600)
    if number < 0:
        pytest.skip("no System V semaphores here")
    keep.callback(LIBC.semctl, number, 0, 0)


def system_v_queue(keep: ExitStack) -> None:
    number = LIBC.msgget(4660 + os.getpid(), 0o1600)
    if number < 0:
        pytest.skip("no System V queues here")
    keep.callback(LIBC.msgctl, number, 0, None)


@pytest.mark.parametrize(
    ("act", "subject", "has_origin"),
    [
        pytest.param(block, "memory /psm_*", True, id="multiprocessing"),
        pytest.param(lambda keep: block(keep, NAME), f"memory /{NAME}", True, id="with-a-name"),
        pytest.param(file, f"memory /{NAME}", True, id="file"),
        pytest.param(mapped, f"memory /{NAME}", False, id="native"),
        pytest.param(semaphore, f"semaphore /{NAME}", False, id="semaphore"),
        pytest.param(system_v, f"SysV memory key {4660 + os.getpid()}", False, id="sysv-memory"),
        pytest.param(
            system_v_semaphores, f"SysV semaphores key {4660 + os.getpid()}", False, id="sysv-semaphores"
        ),
        pytest.param(system_v_queue, f"SysV queue key {4660 + os.getpid()}", False, id="sysv-queue"),
    ],
)
def test_what_is_left_is_told(
    act: Callable[[ExitStack], object], subject: str, has_origin: bool, left_by: LeftBy, keep: ExitStack
) -> None:
    (leak,) = left_by(shared_memory, lambda: act(keep))
    assert leak.subject == subject
    assert (leak.origin is not None) is has_origin


def map_natively(path: Path, protection: int = 3, kind: int = 1) -> Callable[[], object]:
    """Map a file and close it; returns what unmaps it."""
    LIBC.mmap.restype = ctypes.c_void_p
    LIBC.mmap.argtypes = (ctypes.c_void_p, ctypes.c_size_t, *[ctypes.c_int] * 3, ctypes.c_long)
    LIBC.munmap.argtypes = (ctypes.c_void_p, ctypes.c_size_t)
    descriptor = os.open(path, os.O_RDWR)
    address = LIBC.mmap(None, 4096, protection, kind, descriptor, 0)
    os.close(descriptor)
    return lambda: LIBC.munmap(address, 4096)


@pytest.fixture
def totals(project: Path) -> Path:
    """A file to map."""
    path = project / "totals.bin"
    path.write_bytes(bytes(4096))
    return path


def test_a_file_that_native_code_leaves_mapped_is_told(
    left_by: LeftBy, keep: ExitStack, totals: Path
) -> None:
    (leak,) = left_by(shared_memory, lambda: keep.callback(map_natively(totals)))
    assert (leak.subject, leak.message) == ("map totals.bin", "mapped for others to see")


def test_a_map_in_the_place_of_other_memory_of_the_same_size_is_told(
    left_by: LeftBy, keep: ExitStack, totals: Path
) -> None:
    spare = map_natively(totals, kind=2)
    (leak,) = left_by(shared_memory, lambda: (spare(), keep.callback(map_natively(totals))))
    assert leak.subject == "map totals.bin"


@pytest.mark.skipif(sys.version_info < (3, 13), reason="a map has a descriptor of its own")
def test_a_map_without_a_descriptor_tells_its_line(left_by: LeftBy, keep: ExitStack, totals: Path) -> None:
    file = os.open(totals, os.O_RDWR)
    keep.callback(os.close, file)
    make: Any = mmap.mmap  # for the types of 3.10, which have no such argument
    (leak,) = left_by(shared_memory, lambda: keep.enter_context(make(file, 0, trackfd=False)))
    assert leak.subject == "map totals.bin"
    assert leak.origin is not None
    assert leak.origin.file == __file__


def test_a_map_of_pythons_is_told_once(left_by: LeftBy, keep: ExitStack, totals: Path) -> None:
    file = os.open(totals, os.O_RDWR)
    keep.callback(os.close, file)

    def act() -> object:
        return keep.enter_context(mmap.mmap(file, 0))

    assert left_by(shared_memory, act) == []
    (leak,) = left_by(open_descriptor, act)
    assert leak.subject == "file totals.bin (read and write)"


MAPS: dict[str, Callable[[Path], object]] = {
    "unmapped": lambda path: map_natively(path)(),
    "unmapped-by-python": lambda path: _mapped_and_closed(path),
    "read-only": lambda path: map_natively(path, protection=1),
    "private": lambda path: map_natively(path, kind=2),
    "of-no-file": lambda path: mmap.mmap(-1, 4096),
    "without-a-name": lambda path: _without_a_name(path),
    "of-a-temporary-file": lambda path: map_natively(path.rename(path.parents[1] / "totals.bin")),
    "of-a-closed-descriptor": lambda path: _refused(),
}


def _mapped_and_closed(path: Path) -> None:
    with open(path, "r+b") as file, mmap.mmap(file.fileno(), 0):
        pass


def _without_a_name(path: Path) -> None:
    map_natively(path)
    path.unlink()


def _refused() -> None:
    with pytest.raises(OSError, match="descriptor"):
        mmap.mmap(9999, 4096)


@pytest.mark.parametrize("act", MAPS.values(), ids=MAPS)
def test_nothing_is_said_of_a_map_that_is_fine(
    act: Callable[[Path], object], left_by: LeftBy, totals: Path
) -> None:
    assert left_by(shared_memory, lambda: act(totals)) == []


def test_the_table_of_maps_is_read_only_if_there_may_be_more(
    context: Context, monkeypatch: pytest.MonkeyPatch
) -> None:
    tables = {"/proc/self/statm": "100 50 30", "/proc/self/maps": ""}
    monkeypatch.setattr(maps, "text", tables.__getitem__)
    assert maps.read(context) == frozenset()
    tables["/proc/self/maps"] = "1-2 rw-s 0 08:02 77  /srv/a\n"
    assert maps.read(context) == frozenset()
    tables["/proc/self/statm"] = "101 50 30"
    assert maps.read(context) == {maps.Map("/srv/a", 77)}


def memory_that_is_closed(name: bytes) -> None:
    os.close(LIBC.shm_open(name, os.O_CREAT | os.O_RDWR, 0o600))


def semaphore_that_is_closed(name: bytes) -> None:
    LIBC.sem_open.restype = ctypes.c_void_p
    LIBC.sem_close(ctypes.c_void_p(LIBC.sem_open(name, os.O_CREAT, 0o600, 1)))


@pytest.mark.parametrize(
    ("act", "unlink", "subject"),
    [
        pytest.param(memory_that_is_closed, LIBC.shm_unlink, f"memory /{NAME}", id="memory"),
        pytest.param(semaphore_that_is_closed, LIBC.sem_unlink, f"semaphore /{NAME}", id="semaphore"),
    ],
)
def test_what_native_code_let_go_of_is_told_where_its_name_is_there(
    act: Callable[[bytes], object],
    unlink: Callable[[bytes], int],
    subject: str,
    context: Context,
    left_by: LeftBy,
    keep: ExitStack,
) -> None:
    name = f"/{NAME}".encode()
    context.close()
    context.watches = Watches([Root("/dev/shm", False, False)], context.zones)
    context.watches.look()
    if context.watches._fanotify is None:
        pytest.skip("the system doesn't tell who changed a file")
    assert left_by(shared_memory, lambda: (act(name), unlink(name))) == []
    keep.callback(unlink, name)
    (leak,) = left_by(shared_memory, lambda: act(name))
    assert leak.subject == subject
    assert left_by(shared_memory, lambda: act(name)) == []  # of an earlier test


def unlinked(keep: ExitStack) -> None:
    made = SharedMemory(create=True, size=16)
    made.close()
    made.unlink()


def locks(keep: ExitStack) -> None:
    keep.callback(multiprocessing.get_context("spawn").Semaphore().release)


@pytest.mark.parametrize(
    "act",
    [
        pytest.param(lambda keep: None, id="nothing"),
        pytest.param(unlinked, id="unlinked"),
        pytest.param(locks, id="lock-without-a-name"),
    ],
)
def test_nothing_is_said_of_what_is_fine(
    act: Callable[[ExitStack], object], left_by: LeftBy, keep: ExitStack
) -> None:
    assert left_by(shared_memory, lambda: act(keep)) == []


def test_what_another_process_makes_is_not_ours(context: Context, keep: ExitStack) -> None:
    path = Path("/dev/shm") / NAME
    before = shared_memory.capture(context)
    path.write_text("x")  # while nothing is recorded, as if another had
    keep.callback(path.unlink)
    assert list(compare(before, shared_memory.capture(context))) == []


@pytest.mark.parametrize(("device", "count"), [("another", 0), ("the same", 1)])
def test_a_file_elsewhere_of_the_same_number_is_no_sign(
    device: str, count: int, context: Context, keep: ExitStack, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = Path("/dev/shm") / NAME
    before = shared_memory.capture(context)
    path.write_text("x")  # while nothing is recorded, as if another had
    keep.callback(path.unlink)
    state = list(path.stat())
    state[stat.ST_DEV] += device == "another"
    monkeypatch.setattr(descriptors, "table", lambda _: {9: os.stat_result(state)})
    assert len(list(compare(before, shared_memory.capture(context)))) == count


def test_it_is_told_once(left_by: LeftBy, keep: ExitStack) -> None:
    assert left_by(open_descriptor, lambda: block(keep)) == []


def test_where_there_is_none_nothing_is_said(
    left_by: LeftBy, keep: ExitStack, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise FileNotFoundError

    monkeypatch.setattr(listing._Real, "scandir", refuse)
    monkeypatch.setattr(proc._Real, "open", refuse)
    assert left_by(shared_memory, lambda: block(keep)) == []


def test_looking_leaves_no_descriptor_behind(context: Context) -> None:
    shared_memory.capture(context)
    before = sorted(os.listdir("/proc/self/fd"))
    for _ in range(100):
        shared_memory.capture(context)
    assert sorted(os.listdir("/proc/self/fd")) == before


def test_a_whole_run_tells_it_once(
    pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch, keep: ExitStack
) -> None:
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")
    monkeypatch.setenv("PYTEST_ADDOPTS", "-p stateless -p xdist -n1")
    shop = WholeProject(pytester)
    shop.write(
        "test_shop.py",
        f"""
        from multiprocessing.shared_memory import SharedMemory
        LEFT = []
        def test_leaks(): LEFT.append(SharedMemory("{NAME}", create=True, size=16))
        def test_clean(): pass
        def test_removes():
            LEFT[0].close()
            LEFT.pop().unlink()
        """,
    )
    shop.run_apart(
        "--stateless",
        "--stateless-scope=application",
        "--stateless-allow=module-state:*",
        "--stateless-report=json:leaks.json",
    )
    (test,) = shop.report()["tests"]
    assert [(leak["rule"], leak["subject"]) for leak in test["leaks"]] == [
        ("shared-memory", f"memory /{NAME}")
    ]
