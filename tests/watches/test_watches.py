"""What is seen in watched directories, on a real disk, and what becomes of it when the mechanism is disturbed."""

from __future__ import annotations

import errno
import multiprocessing
import os
import shutil
import sys
from collections.abc import Callable, Iterator
from fnmatch import fnmatchcase
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from pytest_stateless import watches as module
from pytest_stateless.watches import Watches, kernel, own_descriptors, tree
from pytest_stateless.watches.kernel import Fanotify, Inotify
from pytest_stateless.watches.roots import Root
from pytest_stateless.zones import Zones

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="inotify is Linux's")

Seen = list[tuple[str, str]]


class Watched:
    """A directory with a few things in it, and what is seen there."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.watches = Watches([Root(str(root), True)], Zones(str(root), (str(root / "tmp"),)))

    def see(self) -> Seen:
        """Operation and path of what changed since the last look."""
        return sorted((one.operation, self._name(one.path)) for one in self.watches.look())

    def seen_of(self, act: Callable[[Path], object]) -> Seen:
        """What is seen of a function."""
        self.see()
        act(self.root)
        return self.see()

    def _name(self, path: str) -> str:
        return os.path.relpath(path, self.root)


@pytest.fixture
def watched(tmp_path: Path) -> Iterator[Watched]:
    root = Path(os.path.realpath(tmp_path)) / "root"
    for name in ("d/e", "tmp", ".git/refs", "venv/lib", "cache/x"):
        (root / name).mkdir(parents=True)
    for name in ("a", "d/a", "d/e/a", "venv/pyvenv.cfg", "cache/CACHEDIR.TAG"):
        (root / name).write_text("before")
    made = Watched(root)
    yield made
    made.watches.close()


def write(name: str) -> Callable[[Path], object]:
    return lambda root: (root / name).write_text("longer than before")


def make(name: str) -> Callable[[Path], object]:
    return lambda root: os.makedirs(root / name)


def steps(*acts: Callable[[Path], object]) -> Callable[[Path], object]:
    return lambda root: [act(root) for act in acts]


def replace_directory(root: Path) -> None:
    shutil.rmtree(root / "d")
    (root / "d").mkdir()
    write("d/a")(root)


def move_and_write(root: Path) -> None:
    os.rename(root / "d", root / "f")
    write("f/e/a")(root)


def write_and_move(root: Path) -> None:
    write("d/e/a")(root)
    os.rename(root / "d", root / "f")


def make_and_move(root: Path) -> None:
    os.makedirs(root / "new" / "er")
    os.rename(root / "new", root / "f")
    write("f/er/a")(root)


def move_away_and_write(root: Path) -> None:
    os.rename(root / "d", root.parent / "d")
    write("../d/a")(root)
    (root.parent / "d" / "new").mkdir()


def move_in(root: Path) -> None:
    (root.parent / "outside" / "deep").mkdir(parents=True)
    write("../outside/deep/a")(root)
    os.rename(root.parent / "outside", root / "in")


SEEN: dict[str, tuple[Callable[[Path], object], Seen]] = {
    "nothing": (lambda root: None, []),
    "read": (lambda root: (root / "a").read_text(), []),
    "write": (write("a"), [("modify", "a")]),
    "write-deep": (write("d/e/a"), [("modify", "d/e/a")]),
    "create": (write("d/new"), [("create", "d/new")]),
    "delete": (lambda root: (root / "a").unlink(), [("remove", "a")]),
    "created-and-deleted": (steps(write("b"), lambda root: (root / "b").unlink()), [("remove", "b")]),
    "mode": (lambda root: (root / "a").chmod(0o600), [("utime", "a")]),
    "mode-of-a-directory": (lambda root: (root / "d").chmod(0o700), [("chmod", "d")]),
    "time-of-a-directory": (lambda root: os.utime(root / "d", (1, 1)), []),
    "rename": (
        lambda root: os.rename(root / "a", root / "b"),
        [("rename-from", "a"), ("rename-to", "b")],
    ),
    "rename-to-elsewhere": (lambda root: os.rename(root / "a", root / "tmp" / "a"), [("remove", "a")]),
    "new-directories": (
        steps(make("x/y"), write("x/y/z")),
        [("create", "x"), ("create", "x/y"), ("create", "x/y/z")],
    ),
    "directory-made-anew": (replace_directory, [("create", "d/a"), ("remove", "d/e"), ("remove", "d/e/a")]),
    "directory-moved": (
        move_and_write,
        [("modify", "f/e/a"), ("rename-from", "d"), ("rename-to", "f")],
    ),
    "directory-moved-after-a-write": (
        write_and_move,
        [("modify", "f/e/a"), ("rename-from", "d"), ("rename-to", "f")],
    ),
    "new-directory-moved": (
        make_and_move,
        [("create", "f/er"), ("create", "f/er/a"), ("rename-from", "new"), ("rename-to", "f")],
    ),
    "directory-moved-away": (move_away_and_write, [("remove", "d")]),
    "directory-moved-in": (move_in, [("create", "in")]),
    "temporary": (write("tmp/a"), []),
    "version-control": (write(".git/refs/a"), []),
    "virtual-environment": (write("venv/lib/a"), []),
    "cache": (write("cache/x/a"), []),
    "compiled": (
        steps(make("__pycache__"), write("__pycache__/a")),
        [("create", "__pycache__")],
    ),
}


@pytest.mark.parametrize(("act", "seen"), SEEN.values(), ids=SEEN)
def test_what_changed_is_seen(act: Callable[[Path], object], seen: Seen, watched: Watched) -> None:
    found = watched.seen_of(act)
    # The system may give a file made anew the number of the one before.
    assert [path for _, path in found] == [path for _, path in seen]
    if act is not replace_directory:
        assert found == seen
    assert watched.see() == []


@pytest.mark.parametrize("act", [move_and_write, move_in, replace_directory, make_and_move])
def test_what_moved_or_came_is_watched_from_then_on(act: Callable[[Path], object], watched: Watched) -> None:
    watched.seen_of(act)
    for name in ("d/a", "f/e/a", "in/deep/a", "f/er/a"):
        if (watched.root / name).exists():
            with open(watched.root / name, "a") as file:
                file.write("more")
            assert watched.see() == [("modify", name)]


def test_a_directory_that_moved_away_is_watched_no_more(watched: Watched) -> None:
    watched.seen_of(move_away_and_write)
    write("../d/e/a")(watched.root)
    assert watched.see() == []


def test_what_happened_before_the_first_look_is_not_told(watched: Watched) -> None:
    write("a")(watched.root)
    assert watched.see() == []


def test_a_root_is_watched_whatever_is_in_it(watched: Watched) -> None:
    (watched.root / "pyvenv.cfg").touch()
    assert watched.seen_of(write("a")) == [("modify", "a")]


def test_a_shallow_root_is_watched_at_its_top(watched: Watched) -> None:
    watched.watches.close()
    watched.watches = Watches([Root(str(watched.root), False)], Zones(str(watched.root), ()))
    assert watched.seen_of(steps(write("a"), write("d/a"))) == [("modify", "a")]


def test_whose_it_is_is_told_where_the_system_knows(watched: Watched) -> None:
    watched.see()
    os.system(f"echo x > {watched.root}/theirs")
    write("ours")(watched.root)
    found = {os.path.basename(one.path): one.own for one in watched.watches.look()}
    if watched.watches._fanotify is None:
        assert found == {"ours": None, "theirs": None}
    else:
        assert found == {"ours": True, "theirs": False}


def test_a_new_directory_brings_what_is_in_it_under_its_author(watched: Watched) -> None:
    watched.see()
    os.system(f"mkdir {watched.root}/theirs; echo x > {watched.root}/theirs/a")
    (watched.root / "ours").mkdir()
    write("ours/b")(watched.root)
    found = {os.path.basename(one.path): one.own for one in watched.watches.look()}
    assert found["a"] == found["theirs"]
    assert found["b"] == found["ours"]


# ----------------------------------------------------------------------------------------- disturbed


def refuse(number: int) -> Callable[..., Any]:
    def refusing(*_: object, **__: object) -> Any:
        raise OSError(number, os.strerror(number))

    return refusing


def test_without_fanotify_nobody_is_known(watched: Watched, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "Fanotify", refuse(errno.EPERM))
    watched.see()
    write("a")(watched.root)
    assert watched.watches.names_nobody
    assert [one.own for one in watched.watches.look()] == [None]
    assert watched.watches.notices == []


def test_a_file_system_without_marks_is_as_one_without_fanotify(
    watched: Watched, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Fanotify, "add", refuse(errno.EOPNOTSUPP))
    watched.see()
    write("a")(watched.root)
    assert [one.own for one in watched.watches.look()] == [None]


@pytest.mark.parametrize(
    ("breaking", "reason"),
    [
        pytest.param(
            lambda patch: patch.setattr(module, "Inotify", refuse(errno.EMFILE)),
            "the system gives no inotify: Too many open files",
            id="no-instance",
        ),
        pytest.param(
            lambda patch: patch.setattr(Inotify, "add", refuse(errno.ENOSPC)),
            "the system has no more watches to give (No space left on device); raise fs.inotify.*",
            id="no-watch",
        ),
        pytest.param(
            lambda patch: patch.setattr(tree, "DIRECTORIES", 2),
            "there are more than 2 directories to watch; leave out with --stateless-temp *",
            id="directories",
        ),
        pytest.param(
            lambda patch: patch.setattr(tree, "SECONDS", -1.0),
            "listing * takes more than -1 seconds; leave out *",
            id="seconds",
        ),
        pytest.param(
            lambda patch: patch.setattr(tree, "ENTRIES", 3),
            "there are more than 3 files to watch; leave out *",
            id="files",
        ),
    ],
)
def test_less_is_seen_where_there_is_too_much(
    breaking: Callable[[pytest.MonkeyPatch], None],
    reason: str,
    watched: Watched,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    before = own_descriptors()
    breaking(monkeypatch)
    assert watched.seen_of(write("a")) == []
    (notice,) = watched.watches.notices
    assert fnmatchcase(notice, f"files written by native code and child processes aren't seen: {reason}")
    assert own_descriptors() == before


@pytest.mark.parametrize("was_there", [False, True], ids=["the-first", "another"])
def test_a_set_up_that_fails_is_made_anew(
    was_there: bool, watched: Watched, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = own_descriptors()
    if was_there:
        watched.see()
        assert watched.watches._inotify is not None
        os.close(watched.watches._inotify.number)
    with monkeypatch.context() as patch:
        patch.setattr(tree.Tree, "add", refuse(errno.EIO))
        for _ in range(2):
            with pytest.raises(OSError, match="error"):
                watched.see()
    assert watched.seen_of(write("a")) == [("modify", "a")]
    watched.watches.close()
    assert own_descriptors() == before


def test_a_directory_that_may_not_be_read_is_left_out(
    watched: Watched, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = Inotify.add

    def add(self: Inotify, directory: str) -> int:
        if directory.endswith("/d"):
            raise PermissionError(errno.EACCES, "no")
        return real(self, directory)

    monkeypatch.setattr(Inotify, "add", add)
    assert watched.seen_of(steps(write("a"), write("d/a"))) == [("modify", "a")]


def test_what_the_queue_lost_is_found_by_a_scan(watched: Watched) -> None:
    limit = int(Path("/proc/sys/fs/inotify/max_queued_events").read_text())
    if limit > 20_000:
        pytest.skip(f"the queue holds {limit} events")
    watched.see()
    (watched.root / "d" / "a").unlink()
    for _ in range(limit // 2 + 10):  # two at a time, which aren't merged
        os.chmod(watched.root / "a", 0o600)
        os.chmod(watched.root / "d/e/a", 0o644)
    write("last")(watched.root)
    assert watched.see() == [("scan", "a"), ("scan", "d/a"), ("scan", "d/e/a"), ("scan", "last")]
    assert watched.seen_of(write("a")) == [("modify", "a")]


def test_a_queue_that_the_program_closed_is_made_anew(watched: Watched) -> None:
    watched.see()
    inotify = watched.watches._inotify
    assert inotify is not None
    write("a")(watched.root)
    os.close(inotify.number)
    write("d/new")(watched.root)
    assert watched.see() == [("scan", "a"), ("scan", "d/new")]
    assert watched.seen_of(write("a")) == [("modify", "a")]


@pytest.mark.parametrize("asked_at_once", [True, False])
def test_queues_are_read_only_where_there_is_something_in_them(
    asked_at_once: bool, watched: Watched, monkeypatch: pytest.MonkeyPatch
) -> None:
    if not asked_at_once:
        monkeypatch.setattr(kernel._Real, "poll", None)
    watched.see()
    watched.see()  # that directories aren't watched after all is an event too
    reads: list[int] = []
    real = kernel._Real.read

    def read(number: int, size: int) -> bytes:
        reads.append(number)
        return real(number, size)

    monkeypatch.setattr(kernel._Real, "read", read)
    assert watched.see() == []
    assert bool(reads) is not asked_at_once
    write("a")(watched.root)
    assert watched.see() == [("modify", "a")]


def test_a_forked_child_leaves_the_queue_to_its_parent(watched: Watched) -> None:
    watched.see()
    write("a")(watched.root)

    def child() -> None:
        assert watched.see() == []
        write("d/a")(watched.root)
        assert watched.see() == [("modify", "d/a")]
        watched.watches.close()

    forked: Any = multiprocessing.get_context("fork").Process(target=child)
    forked.start()
    forked.join()
    assert forked.exitcode == 0
    assert watched.see() == [("modify", "a"), ("modify", "d/a")]


def test_nothing_is_seen_after_the_end(watched: Watched) -> None:
    before = own_descriptors()
    watched.see()
    assert own_descriptors() > before
    watched.watches.close()
    assert own_descriptors() == before
    write("a")(watched.root)
    assert watched.see() == []


def test_looking_leaves_nothing_itself(watched: Watched) -> None:
    watched.see()
    before = len(os.listdir("/proc/self/fd"))
    for number in range(300):
        path = watched.root / "d" / str(number % 3)
        path.mkdir()
        path.joinpath("a").write_text("x")
        watched.see()
        shutil.rmtree(path)
        watched.see()
    assert len(os.listdir("/proc/self/fd")) == before
    found = watched.watches._tree
    assert found is not None
    assert len(found._watch) == len(found._path) == len(found._inside)
    assert found._entries == sum(map(len, found._inside.values()))


# --------------------------------------------------------- what goes away while it is looked at, or is missing


def test_a_file_that_comes_from_where_nothing_is_watched_is_new(watched: Watched) -> None:
    (watched.root.parent / "outside").write_text("x")
    assert watched.seen_of(lambda root: os.rename(root.parent / "outside", root / "in")) == [("create", "in")]


def test_a_directory_is_watched_once(watched: Watched) -> None:
    watched.see()
    found = watched.watches._tree
    assert found is not None
    before = dict(found._path)
    assert found.add(Root(str(watched.root / "d"), True)) == []
    assert found._path == before


@pytest.mark.parametrize(
    ("number", "tells"),
    [
        pytest.param(errno.ENOENT, True, id="gone-meanwhile"),
        pytest.param(errno.ENOTDIR, True, id="another-thing-meanwhile"),
        pytest.param(errno.ENOSPC, False, id="no-marks-left"),
    ],
)
def test_who_did_it_is_told_until_a_directory_cannot_be_marked(
    number: int, tells: bool, watched: Watched, monkeypatch: pytest.MonkeyPatch
) -> None:
    watched.see()
    found = watched.watches._tree
    assert found is not None
    if not found.tells_own:
        pytest.skip("the system gives no fanotify")
    monkeypatch.setattr(Fanotify, "add", refuse(number))
    assert watched.seen_of(make("d/new")) == [("create", "d/new")]
    assert found.tells_own is tells


def test_a_directory_that_cannot_be_listed_any_more_holds_nothing(
    watched: Watched, monkeypatch: pytest.MonkeyPatch
) -> None:
    watched.see()
    found = watched.watches._tree
    assert found is not None
    monkeypatch.setattr(tree._Real, "scandir", refuse(errno.ENOENT))
    (watched.root / "new").mkdir()
    (watched.root / "new/a").write_text("x")
    watched.see()
    assert found.state(str(watched.root / "new/a")) is None


def test_a_file_that_is_gone_before_it_is_asked_is_not_known() -> None:
    gone: Any = SimpleNamespace(stat=refuse(errno.ENOENT))
    assert tree._known(gone) is None


def test_what_has_no_attributes_is_told_by_what_else_was_done(
    watched: Watched, monkeypatch: pytest.MonkeyPatch
) -> None:
    def act(root: Path) -> None:
        os.chmod(root / "a", 0o600)
        os.chmod(root / "a", 0o644)

    os.chmod(watched.root / "a", 0o644)
    for listxattr, operation in (
        (lambda *_, **__: ["user.shop"], "setxattr"),
        (lambda *_, **__: ["security.selinux"], "utime"),
        (refuse(errno.ENOTSUP), "utime"),
        (None, "utime"),
    ):
        monkeypatch.setattr(module._Real, "listxattr", listxattr)
        assert watched.seen_of(act) == [(operation, "a")]


def test_names_of_changes_that_got_lost_are_not_known(monkeypatch: pytest.MonkeyPatch) -> None:
    pieces = iter([b"a", b"b", b"c"])
    queue: Any = SimpleNamespace(read=lambda: pieces, _process=1)
    monkeypatch.setattr(kernel, "parse_names", lambda piece, _: LOST[piece])
    assert Fanotify.own_names(queue) is None
    assert list(pieces) == []  # what was in the queue with them is of no use
    pieces = iter([b"a", b"c"])
    assert Fanotify.own_names(queue) == frozenset({"a", "c"})


LOST: dict[bytes, set[str] | None] = {b"a": {"a"}, b"b": None, b"c": {"c"}}


def test_before_the_first_look_nothing_is_compared(watched: Watched, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module._Real, "clock_gettime", None)
    assert watched.watches._start_anew() == []
    assert watched.watches.began == 0.0
