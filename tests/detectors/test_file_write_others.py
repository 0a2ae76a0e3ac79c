"""Writes that no event of Python's tells of, on a real disk: by native code, by child processes; and their twins."""

from __future__ import annotations

import ctypes
import gc
import multiprocessing
import os
import shutil
import signal
import sqlite3
import subprocess
import sys
import threading
import time
import tracemalloc
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from fnmatch import fnmatchcase
from multiprocessing.shared_memory import SharedMemory
from pathlib import Path
from typing import Any

import pytest

from pytest_stateless import watches
from pytest_stateless.detectors import Context, Detector, file_write
from pytest_stateless.leak import Leak
from pytest_stateless.window import Windows

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="inotify is Linux's")

LeftBy = Callable[[Detector, Callable[[], object]], list[Leak]]
Act = Callable[[Path], object]

LIBC = ctypes.CDLL(None) if sys.platform == "linux" else None


@dataclass(frozen=True)
class Row:
    """One way to write past Python's events: what is there before, what is done, what is told."""

    do: Act
    told: dict[str, str]
    prepare: Act = lambda root: None


def sh(command: str) -> Act:
    return lambda root: subprocess.run(["sh", "-c", command], cwd=root, check=True)


def call(name: str, *arguments: object) -> None:
    found = [os.fsencode(one) if isinstance(one, str | Path) else one for one in arguments]
    assert getattr(LIBC, name)(*found) >= 0


def fopen(root: Path, name: str = "a") -> None:
    assert LIBC is not None
    LIBC.fopen.restype = ctypes.c_void_p
    LIBC.fclose.argtypes = (ctypes.c_void_p,)
    LIBC.fclose(LIBC.fopen(os.fsencode(root / name), b"w"))


def remove(name: str) -> Act:
    return lambda root: (root / name).unlink()


def raw_open(root: Path) -> None:
    assert LIBC is not None
    os.close(LIBC.open(os.fsencode(root / "a"), os.O_WRONLY | os.O_CREAT, 0o644))


def native_write(root: Path) -> None:
    assert LIBC is not None
    descriptor = LIBC.open(os.fsencode(root / "a"), os.O_WRONLY)
    os.write(descriptor, b"AFTER!")
    os.close(descriptor)


def native_pwrite(descriptor: int, piece: bytes) -> None:
    assert LIBC is not None
    LIBC.pwrite(descriptor, piece, len(piece), ctypes.c_long(0))


def link_anonymous(root: Path) -> None:
    assert LIBC is not None
    descriptor = LIBC.open(os.fsencode(root), os.O_TMPFILE | os.O_WRONLY, 0o644)
    call("linkat", -100, f"/proc/self/fd/{descriptor}", -100, root / "a", 0x400)
    os.close(descriptor)


def native_thread(root: Path) -> None:
    thread = threading.Thread(target=fopen, args=(root,))
    thread.start()
    thread.join()


def fork_and_write(root: Path, write: Act = lambda root: (root / "a").write_text("x")) -> None:
    child = os.fork()
    if not child:
        write(root)
        os._exit(0)
    os.waitpid(child, 0)


def fork_and_die(root: Path) -> None:
    def write_and_die(root: Path) -> None:
        (root / "a").write_text("x")
        os.kill(os.getpid(), signal.SIGKILL)

    fork_and_write(root, write_and_die)


def daemon(root: Path) -> None:
    """A grandchild that nobody waits for."""

    def leave(root: Path) -> None:
        if not os.fork():
            time.sleep(0.05)
            (root / "a").write_text("x")
            os._exit(0)

    fork_and_write(root, leave)
    end = time.monotonic() + 10
    while not (root / "a").exists() and time.monotonic() < end:
        time.sleep(0.01)


def python(code: str, *flags: str) -> Act:
    return lambda root: subprocess.run([sys.executable, *flags, "-c", code], cwd=root, check=True)


def process(method: str) -> Act:
    def run(root: Path) -> None:
        context: Any = multiprocessing.get_context(method)
        child = context.Process(target=Path.touch, args=(root / "a",))
        child.start()
        child.join()
        assert child.exitcode == 0

    return run


def posix_spawn(root: Path) -> None:
    child = os.posix_spawn("/bin/sh", ["sh", "-c", f"echo x > {root}/a"], {})
    os.waitpid(child, 0)


def statements(*script: str) -> Act:
    def run(root: Path) -> None:
        with closing(sqlite3.connect(":memory:", isolation_level=None)) as connection:
            for one in script:
                connection.execute(one.format(root=root))

    return run


def text(name: str, content: str = "before") -> Act:
    return lambda root: (root / name).write_text(content)


def both(*steps: Act) -> Act:
    return lambda root: [step(root) for step in steps]


CHILD = "created by a child process (*)"
NATIVE = "created by native code during this test"
NATIVELY = "by native code during this test"

CHILDREN: dict[str, Row] = {
    "shell": Row(sh("echo x > a"), {"a": "created by a child process (sh -c echo x > a)"}),
    "shell-append": Row(
        sh("echo x >> a"), {"a": "modified by a child process (sh -c echo x >> a)"}, text("a")
    ),
    "same-size": Row(sh("echo AFTER > a"), {"a": "modified by a child process (*)"}, text("a", "before")),
    "truncation": Row(sh(": > a"), {"a": "truncated by a child process (*)"}, text("a")),
    "copy": Row(sh("cp a b"), {"b": CHILD}, text("a")),
    "remove": Row(sh("rm a"), {"a": "deleted by a child process (*)"}, text("a")),
    "rename": Row(sh("mv a b"), {"a": "renamed to b *", "b": "renamed from a *"}, text("a")),
    "rename-over": Row(
        sh("mv a b"), {"a": "renamed to b *", "b": "replaced by a *"}, both(text("a"), text("b", "other"))
    ),
    "rename-away": Row(sh("mkdir tmp; mv a tmp"), {"a": "deleted *"}, text("a")),
    "hard-link": Row(sh("ln a b"), {"b": CHILD}, text("a")),
    "symbolic-link": Row(sh("ln -s a b"), {"b": "created (symbolic link) *"}),
    "mode": Row(sh("chmod 600 a"), {"a": "mode changed to 0600, was 0644 *"}, text("a")),
    "time": Row(sh("touch a"), {"a": "time of modification changed *"}, text("a")),
    "fifo": Row(sh("mkfifo a"), {"a": "created (fifo) *"}),
    "directory": Row(sh("mkdir -p d/e/f"), {"d/e/f": "created (directory) *"}),
    "directories-and-file": Row(sh("mkdir -p d/e; echo x > d/e/a"), {"d/e/a": CHILD}),
    "directory-removed": Row(
        sh("rm -r d"), {"d/a": "deleted *"}, both(lambda root: (root / "d").mkdir(), text("d/a"))
    ),
    "directory-renamed": Row(
        sh("mv d e; echo x > e/new"),
        {"d": "renamed to e *", "e": "renamed from d *", "e/new": CHILD},
        both(lambda root: (root / "d").mkdir(), text("d/a")),
    ),
    "directory-made-anew": Row(
        sh("rm -r d; mkdir d; echo AFTER > d/a"),
        {"d/a": "*ed by a child process (*)"},  # the system may give it the same number
        both(lambda root: (root / "d").mkdir(), text("d/a")),
    ),
    "newline-in-a-name": Row(sh("echo x > 'a\nb'"), {"a\nb": CHILD}),
    "os-system": Row(
        lambda root: os.system(f"echo x > {root}/a"), {"a": "created by a child process (echo x > *a)"}
    ),
    "os-popen": Row(lambda root: os.popen(f"echo x > {root}/a").close(), {"a": CHILD}),
    "os-posix-spawn": Row(posix_spawn, {"a": CHILD}),
    "os-spawnv": Row(
        lambda root: os.spawnv(os.P_WAIT, "/bin/sh", ["sh", "-c", f"echo x > {root}/a"]), {"a": CHILD}
    ),
    "unannounced": Row(
        lambda root: call("system", f"echo x > {root}/a"), {"a": "created by a child process"}
    ),
    "python": Row(python("open('a', 'w').write('x')"), {"a": CHILD}),
    "python-isolated": Row(python("open('a', 'w').write('x')", "-I", "-S", "-E"), {"a": CHILD}),
    "python-that-exits-at-once": Row(python("import os; open('a', 'w').close(); os._exit(0)"), {"a": CHILD}),
    "fork": Row(fork_and_write, {"a": "created by a child process (fork)"}),
    "fork-that-dies": Row(fork_and_die, {"a": "created by a child process (fork)"}),
    "daemon": Row(daemon, {"a": "created by a child process (fork)"}),
    "multiprocessing-fork": Row(process("fork"), {"a": "created by a child process*"}),
    "multiprocessing-spawn": Row(process("spawn"), {"a": "created by a child process*"}),
}

NATIVE_CODE: dict[str, Row] = {
    "fopen": Row(fopen, {"a": NATIVE}),
    "open": Row(raw_open, {"a": NATIVE}),
    "write-same-size": Row(native_write, {"a": f"modified {NATIVELY}"}, text("a", "before")),
    "unlink": Row(lambda root: call("unlink", root / "a"), {"a": f"deleted {NATIVELY}"}, text("a")),
    "rename": Row(
        lambda root: call("rename", root / "a", root / "b"),
        {"a": f"renamed to b {NATIVELY}", "b": f"renamed from a {NATIVELY}"},
        text("a"),
    ),
    "mkdir": Row(lambda root: call("mkdir", root / "a", 0o755), {"a": f"created (directory) {NATIVELY}"}),
    "chmod": Row(
        lambda root: call("chmod", root / "a", 0o600),
        {"a": f"mode changed to 0600, was 0644 {NATIVELY}"},
        text("a"),
    ),
    "truncate": Row(lambda root: call("truncate", root / "a", 0), {"a": f"truncated {NATIVELY}"}, text("a")),
    "extended-attributes": Row(
        lambda root: call("setxattr", root / "a", "user.x", b"1", 1, 0),
        {"a": f"extended attributes changed {NATIVELY}"},
        text("a"),
    ),
    "link-of-an-unnamed-file": Row(link_anonymous, {"a": NATIVE}),
    "thread": Row(native_thread, {"a": NATIVE}),
    "sqlite-attach": Row(statements("attach '{root}/a' as other", "create table other.t (x)"), {"a": NATIVE}),
    "sqlite-vacuum-into": Row(statements("create table t (x)", "vacuum into '{root}/a'"), {"a": NATIVE}),
}


@pytest.fixture(params=[True, False], ids=["who-is-told", "who-is-not-told"])
def context(context: Context, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Context:
    """With fanotify, which tells this process from others, and without."""
    if not request.param:
        monkeypatch.setattr(watches, "Fanotify", refuse)
    return context


def refuse() -> None:
    raise PermissionError("no fanotify")


@pytest.fixture(autouse=True)
def _in_the_project(project: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.chdir(project)
    before = os.umask(0o022)
    yield
    os.umask(before)


def check(leaks: list[Leak], told: dict[str, str]) -> None:
    assert {leak.subject for leak in leaks} == set(told), leaks
    for leak in leaks:
        assert fnmatchcase(leak.message, told[leak.subject]), leak


@pytest.mark.parametrize(
    ("last", "told"),
    [
        pytest.param(b"before", {}, id="put-back"),
        pytest.param(b"AFTER!", {"a": "modified through *"}, id="not"),
    ],
)
def test_what_is_in_a_file_that_is_open_decides_whoever_writes(
    last: bytes, told: dict[str, str], project: Path, left_by: LeftBy
) -> None:
    text("a", "before")(project)
    os.utime("a", ns=(0, 10**18))
    with open("a", "r+b", buffering=0) as file:

        def act() -> None:
            for piece in (b"MEANWH", last):
                native_pwrite(file.fileno(), piece)

        check(left_by(file_write, act), told)


@pytest.mark.parametrize("row", CHILDREN.values(), ids=CHILDREN)
def test_a_child_is_seen(row: Row, project: Path, left_by: LeftBy) -> None:
    row.prepare(project)
    check(left_by(file_write, lambda: row.do(project)), row.told)


@pytest.mark.parametrize("row", NATIVE_CODE.values(), ids=NATIVE_CODE)
def test_native_code_is_seen(row: Row, project: Path, left_by: LeftBy) -> None:
    row.prepare(project)
    check(left_by(file_write, lambda: row.do(project)), row.told)


# ------------------------------------------------------------------------------------ well-behaved twins


def sqlite_read(root: Path) -> None:
    with closing(sqlite3.connect(":memory:", isolation_level=None)) as connection:
        connection.execute(f"attach '{root}/db' as other")
        connection.execute("select * from other.sqlite_master").fetchall()


def shared_memory(root: Path) -> None:
    block = SharedMemory(create=True, size=16)
    block.close()
    block.unlink()


TWINS: dict[str, Act] = {
    "nothing": lambda root: None,
    "a-child-that-reads": sh("cat a > /dev/null; ls > /dev/null"),
    "a-child-that-opens-and-closes": sh(": >> a"),
    "created-and-deleted": sh("echo x > b; rm b"),
    "a-directory-created-and-deleted": sh("mkdir -p x/y; echo x > x/y/z; rm -r x"),
    "renamed-and-back": sh("mv a b; mv b a"),
    "a-directory-renamed-and-back": sh("mv d e; mv e d"),
    "mode-and-back": sh("chmod 600 a; chmod 644 a"),
    "linked-and-unlinked": sh("ln a b; rm b"),
    "created-by-a-child-and-deleted-by-python": both(sh("echo x > b"), remove("b")),
    "created-by-native-code-and-deleted-by-python": both(lambda root: fopen(root, "b"), remove("b")),
    "created-by-a-child-and-renamed-and-deleted-by-python": both(
        sh("echo x > b"), lambda root: os.rename(root / "b", root / "c"), remove("c")
    ),
    "a-child's-directory-deleted-by-python": both(
        sh("mkdir -p x/y; echo x > x/y/z"), lambda root: shutil.rmtree(root / "x")
    ),
    "what-a-child-put-into-python's-directory-deleted-by-python": both(
        lambda root: (root / "x").mkdir(), sh("echo x > x/y"), lambda root: shutil.rmtree(root / "x")
    ),
    "created-by-python-and-deleted-by-a-child": both(text("b"), sh("rm b")),
    "written-to-a-temporary-directory": sh("echo x > tmp/b"),
    "written-beside-the-project": sh("echo x > ../b"),
    "compiled": sh("mkdir d/__pycache__; echo x > d/__pycache__/a.pyc; rm -r d/__pycache__"),
    "native-read": lambda root: call("access", root / "a", 0),
    "native-created-and-deleted": both(
        lambda root: call("mkdir", root / "b", 0o755), lambda root: call("rmdir", root / "b")
    ),
    "unnamed": lambda root: os.close(os.open(root, os.O_TMPFILE | os.O_WRONLY)),
    "sqlite-attach-for-reading": sqlite_read,
    "shared-memory": shared_memory,
    "semaphore": lambda root: multiprocessing.get_context("fork").Semaphore(),
}


@pytest.mark.parametrize("act", TWINS.values(), ids=TWINS)
def test_nothing_is_said_of_what_leaves_nothing(act: Act, project: Path, left_by: LeftBy) -> None:
    for name in ("d", "tmp"):
        (project / name).mkdir()
    both(text("a"), text("d/a"))(project)
    sqlite3.connect(project / "db").close()
    assert left_by(file_write, lambda: act(project)) == []


def test_another_workers_child_is_not_needed_to_know_that_nothing_is_left(
    project: Path, context: Context, left_by: LeftBy
) -> None:
    context.alone = False  # then nobody can tell whose the file was
    assert left_by(file_write, lambda: both(sh("echo x > $(echo b)"), remove("b"))(project)) == []


def test_what_was_there_before_and_was_deleted_is_told(project: Path, left_by: LeftBy) -> None:
    text("a")(project)
    acts = both(sh("echo x > a"), remove("a"))
    check(left_by(file_write, lambda: acts(project)), {"a": "deleted"})


def test_many_windows_leave_nothing_of_their_own(project: Path, context: Context) -> None:
    windows = Windows(context, [file_write], sleep=lambda _: None)

    def run(number: int) -> None:
        for _ in range(number):
            window = windows.open()
            call("mkdir", project / "d", 0o755)
            (project / "d" / "a").touch()
            assert len(windows.close(window).leaks) == 1
            shutil.rmtree(project / "d")

    run(10)
    before = len(os.listdir("/proc/self/fd")), threading.active_count()
    tracemalloc.start()
    try:
        run(10)
        gc.collect()
        allocated = tracemalloc.get_traced_memory()[0]
        run(100)
        gc.collect()
        grown = tracemalloc.get_traced_memory()[0] - allocated
    finally:
        tracemalloc.stop()
    assert grown < 100 * 200  # one change that is kept takes 500 bytes
    assert (len(os.listdir("/proc/self/fd")), threading.active_count()) == before
