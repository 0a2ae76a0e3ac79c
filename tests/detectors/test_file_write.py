"""What is said of hand-made values: attempts, states before and after, descriptors held open."""

from __future__ import annotations

import stat

import pytest

from pytest_stateless.commands import command_of
from pytest_stateless.detectors import Context
from pytest_stateless.detectors.authors import Family
from pytest_stateless.detectors.file_write import absorb, carry, compare, transient
from pytest_stateless.detectors.happened import Held, Writes
from pytest_stateless.detectors.states import describe, undone
from pytest_stateless.leak import Origin, Owner
from pytest_stateless.noted import FAKED, Change, Spawn, State, Write
from pytest_stateless.source import Place, Sources
from pytest_stateless.zones import Zones, within

SOURCES = Sources("/srv/shop")
FILE = State(1, 10, stat.S_IFREG | 0o644, 1000, 1000, 5, 100, 100)
DIRECTORY = FILE._replace(mode=stat.S_IFDIR | 0o755)


# ----------------------------------------------------------------------------------------- hand-made values


@pytest.mark.parametrize(
    ("path", "counts"),
    [
        pytest.param("/srv/shop", True, id="root-itself"),
        pytest.param("/srv/shop/var/a", True, id="below-the-root"),
        pytest.param("/srv/shop/cache", False, id="declared-directory-itself"),
        pytest.param("/srv/shop/cache/a", False, id="below-a-declared-directory"),
        pytest.param("/srv/shop/cache2", True, id="same-beginning-is-not-below"),
        pytest.param("/srv/shopping/a", True, id="same-beginning-as-the-root"),
        pytest.param("/home/bob/.config", True, id="elsewhere"),
        pytest.param("/tmp", False, id="temporary-directory-itself"),
        pytest.param("/tmp/a/b", False, id="below-the-temporary-directory"),
        pytest.param("/dev/null", False, id="device"),
        pytest.param("/proc/self/comm", False, id="proc"),
        pytest.param("/sys/kernel/x", False, id="sys"),
        pytest.param("/dev/shm/psm_1", True, id="shared-memory"),
        pytest.param("/device", True, id="same-beginning-as-dev"),
        pytest.param("/", True, id="top"),
    ],
)
def test_zones_tell_which_paths_count(path: str, counts: bool) -> None:
    assert Zones("/srv/shop", ("/tmp", "/srv/shop/cache")).count(path) is counts


@pytest.mark.parametrize(
    ("root", "temp", "path", "counts"),
    [
        pytest.param("/tmp/shop", ("/tmp",), "/tmp/shop/a", True, id="project-in-the-temporary-directory"),
        pytest.param("/tmp/shop", ("/tmp",), "/tmp/other", False, id="beside-such-a-project"),
        pytest.param(
            "/tmp/shop", ("/tmp", "/tmp/shop/base"), "/tmp/shop/base/a", False, id="basetemp-inside"
        ),
        pytest.param("/tmp", ("/tmp",), "/tmp/a", False, id="root-is-the-temporary-directory"),
        pytest.param("/", ("/tmp",), "/etc/a", True, id="root-is-the-top"),
        pytest.param("/", ("/tmp",), "/tmp/a", False, id="temporary-below-the-top"),
        pytest.param("/srv/", ("/tmp/",), "/tmp/a", False, id="trailing-slash"),
    ],
)
def test_the_longest_zone_rules(root: str, temp: tuple[str, ...], path: str, counts: bool) -> None:
    assert Zones(root, temp).count(path) is counts


def test_a_directory_is_within_itself_and_the_top_holds_everything() -> None:
    assert within("/a", "/a")
    assert within("/a/b", "/")
    assert not within("/ab", "/a")


def write(operation: str, before: State | None, path: str = "/srv/shop/a", other: str = "") -> Write:
    return Write(operation, path, other, before, None)


@pytest.mark.parametrize(
    ("writes", "now", "told"),
    [
        pytest.param([write("open", None)], FILE, "created", id="created"),
        pytest.param([write("mkdir", None)], DIRECTORY, "created (directory)", id="directory"),
        pytest.param(
            [write("symlink", None)],
            FILE._replace(mode=stat.S_IFLNK | 0o777),
            "created (symbolic link)",
            id="symbolic-link",
        ),
        pytest.param(
            [write("bind", None)], FILE._replace(mode=stat.S_IFSOCK), "created (socket)", id="socket"
        ),
        pytest.param([write("mknod", None)], FILE._replace(mode=stat.S_IFIFO), "created (fifo)", id="fifo"),
        pytest.param(
            [write("mknod", None)], FILE._replace(mode=stat.S_IFCHR), "created (device)", id="device"
        ),
        pytest.param(
            [write("mknod", None)], FILE._replace(mode=stat.S_IFBLK), "created (device)", id="block-device"
        ),
        pytest.param(
            [write("link", None, other="/srv/shop/b")], FILE, "created (hard link to b)", id="hard-link"
        ),
        pytest.param(
            [write("rename-to", None, other="/srv/shop/b")], FILE, "renamed from b", id="renamed-from"
        ),
        pytest.param([write("open", None)], None, "", id="never-came-to-be"),
        pytest.param([write("open", None), write("remove", FILE)], None, "", id="created-and-deleted"),
        pytest.param([write("remove", FILE)], None, "deleted", id="deleted"),
        pytest.param(
            [write("rename-from", FILE, other="/srv/shop/b")], None, "renamed to b", id="renamed-to"
        ),
        pytest.param(
            [write("rename-from", FILE, other="/mnt/b")], None, "renamed to /mnt/b", id="renamed-elsewhere"
        ),
        pytest.param(
            [write("rename-to", FILE, other="/srv/shop/b")],
            FILE._replace(inode=11),
            "replaced by b",
            id="replaced-by-a-rename",
        ),
        pytest.param(
            [write("remove", FILE), write("open", None)], FILE._replace(inode=11), "replaced", id="made-anew"
        ),
        pytest.param(
            [write("remove", FILE), write("mkdir", None)], DIRECTORY, "replaced", id="became-a-directory"
        ),
        pytest.param([write("open", FILE)], FILE, "", id="nothing-came-of-it"),
        pytest.param([write("open", FILE)], FILE._replace(size=0, modified=101), "truncated", id="truncated"),
        pytest.param([write("open", FILE)], FILE._replace(size=9, modified=101), "modified", id="grown"),
        pytest.param([write("open", FILE)], FILE._replace(modified=101), "modified", id="same-size"),
        pytest.param(
            [write("open", FILE._replace(size=0))],
            FILE._replace(size=0, modified=101),
            "modified",
            id="was-empty-before-and-is",
        ),
        pytest.param(
            [write("utime", FILE)], FILE._replace(modified=101), "time of modification changed", id="touched"
        ),
        pytest.param(
            [write("utime", FILE), write("open", FILE)],
            FILE._replace(modified=101),
            "modified",
            id="touched-and-written",
        ),
        pytest.param(
            [write("chmod", FILE)],
            FILE._replace(mode=stat.S_IFREG | 0o4600, changed=101),
            "mode changed to 4600, was 0644",
            id="chmod",
        ),
        pytest.param(
            [write("chown", FILE)],
            FILE._replace(user=0, group=5),
            "owner changed to 0:5, was 1000:1000",
            id="chown",
        ),
        pytest.param(
            [write("setxattr", FILE)],
            FILE._replace(changed=101),
            "extended attributes changed",
            id="extended-attributes",
        ),
        pytest.param([write("setxattr", FILE)], FILE, "", id="extended-attributes-refused"),
        pytest.param([write("chmod", FILE)], FILE._replace(changed=101), "", id="chmod-and-back"),
        pytest.param(
            [write("chmod", FILE), write("open", FILE)],
            FILE._replace(mode=stat.S_IFREG | 0o600, size=7),
            "modified, mode changed to 0600, was 0644",
            id="two-differences",
        ),
        pytest.param(
            [write("rename-from", DIRECTORY), write("mkdir", None)],
            DIRECTORY._replace(inode=12, modified=300),
            "",
            id="a-directory-like-the-one-before",
        ),
        pytest.param(
            [write("utime", DIRECTORY)],
            DIRECTORY._replace(modified=300),
            "time of modification changed",
            id="directory-touched",
        ),
        pytest.param(
            [write("chmod", DIRECTORY)],
            DIRECTORY._replace(mode=stat.S_IFDIR | 0o700, modified=300),
            "mode changed to 0700, was 0755",
            id="directory-chmod",
        ),
    ],
)
def test_what_happened_at_a_path_is_told_from_its_first_state_to_now(
    writes: list[Write], now: State | None, told: str
) -> None:
    assert describe(writes, now, SOURCES) == told


LIKE_BEFORE = pytest.mark.parametrize(
    ("writes", "noted"),
    [
        pytest.param([write("open", None)], "", id="never-came-to-be"),
        pytest.param([write("open", None), write("open", None)], "", id="never-came-to-be-twice"),
        pytest.param(
            [write("open", None), write("remove", FILE)],
            "created and deleted again",
            id="created-and-deleted",
        ),
        pytest.param(
            [write("open", None), write("chmod", FILE), write("remove", FILE), write("open", None)],
            "created and deleted again",
            id="created-and-deleted-and-refused",
        ),
        pytest.param(
            [write("mkdir", None), write("rmdir", DIRECTORY)],
            "created (directory) and deleted again",
            id="directory",
        ),
        pytest.param(
            [write("link", None, other="/srv/shop/b"), write("remove", FILE)],
            "created (hard link to b) and deleted again",
            id="hard-link",
        ),
        pytest.param(
            [write("rename-to", None, other="/srv/shop/b"), write("remove", FILE)],
            "renamed from b and deleted again",
            id="renamed-and-deleted",
        ),
        pytest.param(
            [write("open", None), write("rename-from", FILE, other="/srv/shop/b")],
            "created and moved away",
            id="moved-away",
        ),
        pytest.param([write("open", FILE)], "", id="opened"),
        pytest.param([write("chmod", FILE), write("open", FILE)], "", id="the-same-all-the-time"),
        pytest.param(
            [write("chmod", FILE), write("chmod", FILE._replace(mode=stat.S_IFREG | 0o600, changed=101))],
            "mode changed to 0600, was 0644, and put back",
            id="mode-and-back",
        ),
        pytest.param(
            [write("open", FILE), write("utime", FILE._replace(size=9, modified=101))],
            "modified, and put back",
            id="content-and-time-and-back",
        ),
        pytest.param(
            [
                write("rename-from", FILE, other="/srv/shop/b"),
                write("open", None),
                write("remove", FILE._replace(inode=11)),
                write("rename-to", None, other="/srv/shop/b"),
            ],
            "renamed to b and back",
            id="renamed-and-back",
        ),
        pytest.param(
            [write("rmdir", DIRECTORY), write("mkdir", None)], "deleted, and put back", id="directory-anew"
        ),
        pytest.param(
            [
                write("chmod", FILE),
                write("chown", FILE._replace(mode=stat.S_IFREG | 0o600)),
                write("chown", FILE._replace(mode=stat.S_IFREG | 0o600, user=0)),
                write("chmod", FILE._replace(mode=stat.S_IFREG | 0o600)),
            ],
            "mode changed to 0600, was 0644, owner changed to 0:1000, was 1000:1000, and put back",
            id="two-differences-each-once",
        ),
    ],
)


@LIKE_BEFORE
def test_what_was_done_and_put_back_is_told_from_the_states_on_the_way(
    writes: list[Write], noted: str
) -> None:
    assert undone(writes, SOURCES) == noted


@LIKE_BEFORE
def test_what_was_put_back_is_no_leak(writes: list[Write], noted: str) -> None:
    assert describe(writes, writes[0].before, SOURCES) == ""


def seen(
    attempts: list[Write],
    now: dict[str, State | None] | None = None,
    held: dict[Held, tuple[int, int]] | None = None,
) -> Writes:
    return Writes(
        tuple(attempts),
        {path: (path, state) for path, state in (now or {}).items()},
        held or {},
        Zones("/srv/shop", ("/tmp",)),
        SOURCES,
    )


NOTHING = seen([])


def told(before: Writes, after: Writes) -> list[tuple[str, str]]:
    return [(leak.subject, leak.message) for leak in compare(before, after)]


def test_attempts_from_before_the_window_do_not_count() -> None:
    attempts = [write("open", None, "/srv/shop/a"), write("open", None, "/srv/shop/b")]
    after = seen(attempts, {"/srv/shop/a": FILE, "/srv/shop/b": FILE})
    assert told(seen(attempts[:1]), after) == [("b", "created")]


def test_an_attempt_at_a_path_that_does_not_count_is_passed_over() -> None:
    assert told(NOTHING, seen([write("open", None, "/tmp/a")])) == []


def test_two_spellings_of_a_path_are_one() -> None:
    attempts = [write("open", None, "/srv/shop/now/a"), write("remove", FILE, "/srv/shop/releases/1/a")]
    real = "/srv/shop/releases/1/a"
    after = seen(attempts)._replace(now={attempts[0].path: (real, None), attempts[1].path: (real, None)})
    assert told(NOTHING, after) == []


@pytest.mark.parametrize(
    ("states", "attempts", "told_of"),
    [
        pytest.param(
            {"/srv/shop/d": DIRECTORY, "/srv/shop/d/a": FILE},
            [write("mkdir", None, "/srv/shop/d"), write("open", None, "/srv/shop/d/a")],
            [("d/a", "created")],
            id="made-for-a-file",
        ),
        pytest.param(
            {"/srv/shop/d": None, "/srv/shop/d/a": None},
            [write("remove", FILE, "/srv/shop/d/a"), write("rmdir", DIRECTORY, "/srv/shop/d")],
            [("d/a", "deleted")],
            id="gone-with-its-file",
        ),
        pytest.param(
            {"/srv/shop/d": DIRECTORY._replace(mode=stat.S_IFDIR | 0o700), "/srv/shop/d/a": FILE},
            [write("chmod", DIRECTORY, "/srv/shop/d"), write("open", None, "/srv/shop/d/a")],
            [("d", "mode changed to 0700, was 0755"), ("d/a", "created")],
            id="changed-itself",
        ),
        pytest.param(
            {"/srv/shop/d": None, "/srv/shop/d/a": None},
            [write("mkdir", None, "/srv/shop/d"), write("remove", FILE, "/srv/shop/d/a")],
            [],
            id="what-a-child-put-into-a-new-one",
        ),
        pytest.param(
            {"/srv/shop/d": DIRECTORY, "/srv/shop/d2": FILE},
            [write("mkdir", None, "/srv/shop/d"), write("open", None, "/srv/shop/d2")],
            [("d", "created (directory)"), ("d2", "created")],
            id="same-beginning-is-not-below",
        ),
    ],
)
def test_a_directory_is_left_out_where_what_lies_in_it_tells_it(
    states: dict[str, State | None], attempts: list[Write], told_of: list[tuple[str, str]]
) -> None:
    assert told(NOTHING, seen(attempts, states)) == told_of


HELD = Held("/srv/shop/log", 1, 10)


@pytest.mark.parametrize(
    ("before", "after", "expected"),
    [
        pytest.param({HELD: (5, 100)}, {HELD: (5, 100)}, [], id="untouched"),
        pytest.param(
            {HELD: (5, 100)},
            {HELD: (8, 101)},
            [("log", "modified through a descriptor opened before, +3 bytes")],
            id="grown",
        ),
        pytest.param(
            {HELD: (5, 100)},
            {HELD: (1, 101)},
            [("log", "modified through a descriptor opened before, -4 bytes")],
            id="shrunk",
        ),
        pytest.param(
            {HELD: (5, 100)},
            {HELD: (5, 101)},
            [("log", "modified through a descriptor opened before")],
            id="rewritten",
        ),
        pytest.param({}, {HELD: (5, 100)}, [], id="opened-within"),
        pytest.param({HELD: (5, 100)}, {}, [], id="closed-within"),
        pytest.param(
            {HELD: (5, 100)}, {HELD._replace(inode=11): (8, 101)}, [], id="another-file-of-the-same-name"
        ),
        pytest.param(
            {HELD._replace(path="/tmp/log"): (5, 100)},
            {HELD._replace(path="/tmp/log"): (8, 101)},
            [],
            id="temporary",
        ),
    ],
)
def test_files_opened_before_are_compared_by_size_and_time(
    before: dict[Held, tuple[int, int]],
    after: dict[Held, tuple[int, int]],
    expected: list[tuple[str, str]],
) -> None:
    assert told(seen([], held=before), seen([], held=after)) == expected


def open_all_the_time(content: int, *attempts: Write, held: tuple[int, int] = (5, 100)) -> Writes:
    """A file that can be read where it is open."""
    now: dict[str, State | None] = {"/srv/shop/log": FILE._replace(modified=held[1])}
    return seen(list(attempts), now if attempts else {}, {HELD: held})._replace(held_contents={HELD: content})


TOUCHED = write("open", FILE, "/srv/shop/log")


@pytest.mark.parametrize(
    ("after", "expected"),
    [
        pytest.param(open_all_the_time(1, held=(5, 101)), [], id="put-back"),
        pytest.param(open_all_the_time(1, TOUCHED, held=(5, 101)), [], id="announced-and-put-back"),
        pytest.param(
            open_all_the_time(1, TOUCHED._replace(fate=FAKED), held=(5, 101)),
            [("log", "modified (in memory only)")],
            id="the-fake-is-another",
        ),
        pytest.param(open_all_the_time(2, TOUCHED), [("log", "modified")], id="the-time-put-back"),
        pytest.param(
            open_all_the_time(2, held=(5, 101)),
            [("log", "modified through a descriptor opened before")],
            id="rewritten",
        ),
        pytest.param(
            seen([], held={HELD: (5, 101)}),
            [("log", "modified through a descriptor opened before")],
            id="not-known-any-more",
        ),
    ],
)
def test_what_is_in_a_file_that_was_open_all_the_time_decides(
    after: Writes, expected: list[tuple[str, str]]
) -> None:
    assert told(open_all_the_time(1), after) == expected


def test_what_others_put_into_an_open_file_is_taken_into_the_baseline() -> None:
    before, theirs = open_all_the_time(1), open_all_the_time(2, held=(5, 101))
    since = absorb(before, before, theirs)
    assert since.held_contents == {HELD: 2}
    assert told(since, open_all_the_time(2, held=(5, 102))) == []
    assert absorb(before, before, seen([], held={HELD: (999999, 101)})).held_contents == {}
    assert absorb(before, before, before).held_contents == {HELD: 1}


def test_what_an_open_file_holds_is_carried(recorded: Context) -> None:
    assert carry(open_all_the_time(1), recorded).held_contents == {HELD: 1}


def test_an_attempt_at_a_file_opened_before_is_told_once() -> None:
    attempts = [write("truncate", FILE, "/srv/shop/log")]
    after = seen(attempts, {"/srv/shop/log": FILE._replace(size=0)}, {HELD: (0, 101)})
    assert told(seen([], held={HELD: (5, 100)}), after) == [("log", "truncated")]


def test_absorbed_attempts_and_descriptors_belong_to_others() -> None:
    mine, theirs = write("open", None, "/srv/shop/a"), write("open", None, "/srv/shop/b")
    before = seen([], held={HELD: (5, 100)})
    start = seen([mine], {"/srv/shop/a": FILE}, {HELD: (5, 100)})
    end = seen([mine, theirs], {"/srv/shop/a": FILE, "/srv/shop/b": FILE}, {HELD: (8, 101)})
    assert told(absorb(before, start, end), end) == [("a", "created")]
    grown = end._replace(held={HELD: (9, 102)})
    assert told(absorb(before, start, end), grown) == [
        ("a", "created"),
        ("log", "modified through a descriptor opened before, +1 bytes"),
    ]


@pytest.mark.parametrize(
    ("place", "origin", "owner", "traits"),
    [
        pytest.param(None, None, Owner.UNKNOWN, frozenset(), id="nobody"),
        pytest.param(
            Place("/srv/shop/a.py", 3, "save", Owner.APPLICATION, False, False),
            Origin("a.py", 3, "save"),
            Owner.APPLICATION,
            frozenset(),
            id="application",
        ),
        pytest.param(
            Place("/srv/shop/a.py", 3, "save", Owner.DEPENDENCY, True, False),
            Origin("a.py", 3, "save"),
            Owner.DEPENDENCY,
            frozenset({"by-tool"}),
            id="tool",
        ),
        pytest.param(
            Place("/srv/shop/a.py", 3, "save", Owner.APPLICATION, False, True),
            Origin("a.py", 3, "save"),
            Owner.APPLICATION,
            frozenset({"by-import"}),
            id="import-system",
        ),
    ],
)
def test_the_first_attempt_with_a_place_is_to_blame(
    place: Place | None, origin: Origin | None, owner: Owner, traits: frozenset[str]
) -> None:
    later = Place("/srv/shop/b.py", 9, "more", Owner.APPLICATION, False, False)
    attempts = [write("open", None), write("open", None)._replace(place=place)]
    attempts += [write("open", None)._replace(place=later)] * (place is not None)
    (leak,) = compare(NOTHING, seen(attempts, {"/srv/shop/a": FILE}))
    assert (leak.origin, leak.owner, leak.traits) == (origin, owner, traits)


# ------------------------------------------------------------------------- what is seen whoever does it

PLACE = Place("/srv/shop/a.py", 3, "save", Owner.APPLICATION, False, False)
CHILD = Family((Spawn(command_of("make"), PLACE),), ours=("/srv/shop",))
STRANGERS = Family(ours=("/srv/shop",), alone=False)


def change(
    path: str, before: State | None, own: bool | None = True, operation: str = "modify", other: str = ""
) -> Change:
    return Change(operation, path, other, before, own)


def noticed(
    changes: list[Change],
    now: dict[str, State | None],
    attempts: list[Write] | None = None,
    known: Family = STRANGERS,
    held: dict[Held, tuple[int, int]] | None = None,
) -> Writes:
    return seen(attempts or [], now, held)._replace(changes=tuple(changes), family=known)


A, B = "/srv/shop/a", "/srv/shop/b"


@pytest.mark.parametrize(
    ("after", "told_of"),
    [
        pytest.param(
            noticed([change(A, None)], {A: FILE}),
            [("a", "created by native code during this test", None)],
            id="native-code",
        ),
        pytest.param(
            noticed([change(A, FILE, None, "scan")], {A: None}, known=CHILD),
            [("a", "deleted by a child process (make); events were lost, and all files compared", 3)],
            id="found-by-a-scan",
        ),
        pytest.param(
            noticed([change(A, FILE, False)], {A: None}, known=CHILD),
            [("a", "deleted by a child process (make)", 3)],
            id="a-child-with-the-line-that-started-it",
        ),
        pytest.param(noticed([change(A, None, False)], {A: FILE}), [], id="a-stranger"),
        pytest.param(noticed([change(A, None, None)], {A: FILE}), [], id="nobody-knows-among-workers"),
        pytest.param(
            noticed([change(A, None, False), change(A, FILE, True)], {A: FILE._replace(size=9)}),
            [("a", "created by native code during this test", None)],
            id="ours-and-a-stranger's",
        ),
        pytest.param(
            noticed([change(A, None)], {A: FILE}, [write("open", None, A)._replace(place=PLACE)]),
            [("a", "created", 3)],
            id="announced-is-told-once-with-its-line",
        ),
        pytest.param(
            noticed([change(A, None)], {A: FILE}, [write("open", FILE, A)._replace(place=PLACE)]),
            [("a", "created", 3)],
            id="made-before-the-first-attempt",
        ),
        pytest.param(
            noticed([change(A, None, False)], {A: FILE}, [write("mkdir", FILE, A)]),
            [],
            id="an-attempt-at-what-a-stranger-had-made",
        ),
        pytest.param(noticed([change(A, None)], {A: None}), [], id="created-and-deleted"),
        pytest.param(
            noticed([change(A, None, False)], {A: None}, [write("remove", FILE, A)]),
            [],
            id="an-attempt-deletes-what-somebody-had-made-meanwhile",
        ),
        pytest.param(
            noticed([change(A, FILE, False)], {A: None}, [write("remove", FILE, A)]),
            [("a", "deleted", None)],
            id="an-attempt-deletes-what-somebody-had-changed-meanwhile",
        ),
        pytest.param(
            noticed([change(A, None, False)], {A: None, f"{A}/b": None}, [write("remove", FILE, f"{A}/b")]),
            [],
            id="an-attempt-deletes-what-is-below-a-new-directory",
        ),
        pytest.param(
            noticed([change(A, None, False)], {A: None, f"{A}2": None}, [write("remove", FILE, f"{A}2")]),
            [("a2", "deleted", None)],
            id="the-same-beginning-is-not-below",
        ),
        pytest.param(
            noticed([change(A, FILE, operation="utime")], {A: FILE._replace(changed=101)}), [], id="and-back"
        ),
        pytest.param(
            noticed([change(A, FILE, operation="setxattr")], {A: FILE._replace(changed=101)}),
            [("a", "extended attributes changed by native code during this test", None)],
            id="extended-attributes",
        ),
        pytest.param(
            noticed(
                [
                    change(A, FILE, operation="rename-from", other=B),
                    change(B, None, operation="rename-to", other=A),
                ],
                {A: None, B: FILE},
            ),
            [
                ("a", "renamed to b by native code during this test", None),
                ("b", "renamed from a by native code during this test", None),
            ],
            id="rename",
        ),
        pytest.param(
            noticed(
                [change(f"{A}-wal", None)],
                {A: FILE, f"{A}-wal": FILE},
                [write("open", FILE, A)._replace(place=PLACE)],
            ),
            [("a-wal", "created", 3)],
            id="what-sqlite-writes-beside-a-database-is-of-who-opened-it",
        ),
        pytest.param(
            noticed(
                [change("/srv/shop/d", None), change("/srv/shop/d/a", None)],
                {"/srv/shop/d": DIRECTORY, "/srv/shop/d/a": FILE},
            ),
            [("d/a", "created by native code during this test", None)],
            id="a-directory-made-for-a-file",
        ),
        pytest.param(noticed([change("/tmp/a", None)], {}), [], id="temporary"),
    ],
)
def test_what_is_seen_and_what_is_announced_come_together(
    after: Writes, told_of: list[tuple[str, str, int | None]]
) -> None:
    leaks = list(compare(seen([]), after))
    assert [(leak.subject, leak.message, leak.origin and leak.origin.line) for leak in leaks] == told_of


def test_changes_from_before_the_window_and_absorbed_ones_do_not_count() -> None:
    changes = [change("/srv/shop/a", None), change("/srv/shop/b", None), change("/srv/shop/c", None)]
    now: dict[str, State | None] = {one.path: FILE for one in changes}
    before, start = noticed(changes[:1], now), noticed(changes[:2], now)
    end = noticed(changes, now)
    assert [leak.subject for leak in compare(absorb(before, start, end), end)] == ["b"]


@pytest.mark.parametrize(
    ("own", "known", "messages"),
    [
        pytest.param(True, STRANGERS, ["modified through a descriptor opened before, +3 bytes"], id="own"),
        pytest.param(False, STRANGERS, [], id="a-stranger"),
        pytest.param(False, CHILD, ["modified through a descriptor opened before, +3 bytes"], id="a-child"),
    ],
)
def test_a_file_opened_before_is_told_once_if_it_was_ours(
    own: bool, known: Family, messages: list[str]
) -> None:
    path = HELD.path
    after = noticed([change(path, FILE, own)], {path: FILE._replace(size=8)}, [], known, {HELD: (8, 101)})
    assert [leak.message for leak in compare(seen([], held={HELD: (5, 100)}), after)] == messages


# --------------------------------------------------------------------------------------- what was put back

CAME_AND_WENT = [write("open", None, A)._replace(place=PLACE), write("remove", FILE, A)]
LATER = Place("/srv/shop/b.py", 9, "more", Owner.APPLICATION, False, False)


@pytest.mark.parametrize(
    ("after", "noted"),
    [
        pytest.param(seen([]), [], id="nothing"),
        pytest.param(seen(CAME_AND_WENT, {A: None}), [("a", "created and deleted again", 3)], id="announced"),
        pytest.param(seen(CAME_AND_WENT, {A: FILE}), [], id="a-leak"),
        pytest.param(seen(CAME_AND_WENT), [], id="temporary"),
        pytest.param(
            seen([one._replace(fate="denied") for one in CAME_AND_WENT], {A: None}), [], id="denied-is-a-leak"
        ),
        pytest.param(
            seen([one._replace(fate="faked") for one in CAME_AND_WENT], {A: None}),
            [("a", "created and deleted again (in memory only)", 3)],
            id="faked",
        ),
        pytest.param(
            seen([one._replace(child="python a.py") for one in CAME_AND_WENT], {A: None}),
            [("a", "created and deleted again by a child process (python a.py)", 3)],
            id="a-child-that-tells",
        ),
        pytest.param(
            seen(
                [
                    write("mkdir", None, A)._replace(place=LATER),
                    *(one._replace(path=f"{A}/{name}") for name in "xy" for one in CAME_AND_WENT),
                    write("rmdir", DIRECTORY, A),
                    *(one._replace(path=f"{A}-b") for one in CAME_AND_WENT),
                ],
                {A: None, f"{A}/x": None, f"{A}/y": None, f"{A}-b": None},
            ),
            [("a", "created (directory) and deleted again", 9), ("a-b", "created and deleted again", 3)],
            id="what-lay-in-a-directory-goes-with-it",
        ),
        pytest.param(
            seen(
                [
                    write("chmod", DIRECTORY, A),
                    write("chmod", DIRECTORY._replace(mode=stat.S_IFDIR), A),
                    *(one._replace(path=f"{A}/b") for one in CAME_AND_WENT),
                ],
                {A: DIRECTORY, f"{A}/b": None},
            ),
            [
                ("a", "mode changed to 0000, was 0755, and put back", None),
                ("a/b", "created and deleted again", 3),
            ],
            id="what-lay-in-a-directory-that-stayed-is-noted-too",
        ),
        pytest.param(
            seen([CAME_AND_WENT[0], write("rename-from", FILE, A, "/tmp/b")], {A: None}),
            [("a", "created and moved away", 3)],
            id="moved-to-a-temporary-directory",
        ),
        pytest.param(
            seen(
                [
                    CAME_AND_WENT[0],
                    write("rename-from", FILE, A, B),
                    write("rename-to", None, B, A)._replace(place=PLACE),
                    write("remove", FILE, B),
                ],
                {A: None, B: None},
            ),
            [("b", "renamed from a and deleted again", 3)],
            id="goes-on-elsewhere",
        ),
        pytest.param(
            seen([one._replace(path="/dev/shm/psm_1") for one in CAME_AND_WENT], {"/dev/shm/psm_1": None}),
            [],
            id="shared-memory",
        ),
        pytest.param(
            noticed([change(A, None, True, "remove")], {A: None}),
            [("a", "created and deleted again by native code during this test", None)],
            id="native-code",
        ),
        pytest.param(
            noticed([change(A, None, False, "remove")], {A: None}, known=CHILD), [], id="maybe-a-stranger"
        ),
        pytest.param(noticed([change(A, None, None, "remove")], {A: None}), [], id="nobody-knows"),
        pytest.param(
            noticed(
                [change(A, None, False, "remove")],
                {A: None},
                known=CHILD._replace(spawns=(Spawn(command_of("make a"), PLACE),)),
            ),
            [("a", "created and deleted again by a child process (make a)", 3)],
            id="a-child-that-names-it",
        ),
        pytest.param(
            noticed(
                [change(A, None, True, "remove")], {A: None}, [write("open", None, A)._replace(place=PLACE)]
            ),
            [("a", "created and deleted again", 3)],
            id="made-by-python-and-deleted-past-it",
        ),
        pytest.param(
            noticed([change(A, None, True, "rename-from", B)], {A: None}), [], id="native-goes-on-elsewhere"
        ),
        pytest.param(noticed([change(A, FILE, True)], {A: FILE}), [], id="native-touch"),
        pytest.param(
            noticed([change(A, None, False)], {A: None}, [write("remove", FILE, A)._replace(place=PLACE)]),
            [("a", "created and deleted again", 3)],
            id="made-by-nobody-knows-whom-and-deleted",
        ),
        pytest.param(
            noticed(
                [change(f"{A}-journal", None, True, "remove")],
                {A: FILE, f"{A}-journal": None},
                [write("open", FILE, A)._replace(place=PLACE)],
            ),
            [],
            id="what-sqlite-needs-beside-a-database",
        ),
    ],
)
def test_what_was_done_and_put_back_is_noted(after: Writes, noted: list[tuple[str, str, int | None]]) -> None:
    notes = list(transient(seen([]), after))
    assert [(note.subject, note.message, note.origin and note.origin.line) for note in notes] == noted


def test_what_others_put_back_is_not_noted() -> None:
    end = seen([*CAME_AND_WENT, *(one._replace(path=B) for one in CAME_AND_WENT)], {A: None, B: None})
    before = seen(CAME_AND_WENT)
    assert [note.subject for note in transient(before, end)] == ["b"]
    assert list(transient(absorb(before, before, end), end)) == []
