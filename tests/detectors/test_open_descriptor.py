"""Descriptors: what is said of hand-made values, and real files, pipes and sockets of every kind."""

from __future__ import annotations

import asyncio
import ctypes
import os
import select
import selectors
import socket
import stat
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from multiprocessing import heap
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from pytest_stateless.detectors import (
    Context,
    Detector,
    descriptors,
    open_descriptor,
    opened,
    owners,
    sockets,
)
from pytest_stateless.detectors.open_descriptor import Descriptors, absorb, compare
from pytest_stateless.detectors.opened import Opened, without_number
from pytest_stateless.detectors.sockets import Socket
from pytest_stateless.expected import is_expected
from pytest_stateless.leak import Leak, Origin, Owner
from pytest_stateless.source import Place, Sources
from tests.conftest import Project as WholeProject

LeftBy = Callable[[Detector, Callable[[], object]], list[Leak]]

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="descriptors are listed in /proc or /dev/fd")
on_linux = pytest.mark.skipif(sys.platform != "linux", reason="Linux's")

SOURCES = Sources("/srv/shop")
PLACE = Place("/srv/shop/orders.py", 9, "log", Owner.APPLICATION, False, False)


# ----------------------------------------------------------------------------------------- hand-made values


def at(*found: Opened, broken: dict[int, str] | None = None, failed: bool = False) -> Descriptors:
    return Descriptors({one.number: one for one in found}, broken or {}, SOURCES, failed)


CLIENT = "socket tcp client to port 80"
PIPE = Opened(5, 1, 77, "pipe")


def another(one: Opened, number: int, **fields: Any) -> Opened:
    return one._replace(number=number, inode=one.inode + number, **fields)


@pytest.mark.parametrize(
    ("before", "after", "told"),
    [
        pytest.param([], [], [], id="nothing"),
        pytest.param([PIPE], [PIPE], [], id="open-before"),
        pytest.param([PIPE], [], [], id="closed"),
        pytest.param([], [PIPE], [("pipe", "open, fd 5")], id="left"),
        pytest.param([], [PIPE, another(PIPE, 6)], [("pipe", "2 open, fd 5, 6")], id="two-alike"),
        pytest.param(
            [],
            [another(PIPE, number) for number in range(5, 13)],
            [("pipe", "8 open, fd 5, 6, 7, 8, 9, 3 more")],
            id="many-alike",
        ),
        pytest.param(
            [],
            [PIPE, another(PIPE, 6, subject="eventfd")],
            [("eventfd", "open, fd 6"), ("pipe", "open, fd 5")],
            id="two-kinds",
        ),
        pytest.param([PIPE], [another(PIPE, 6)], [], id="one-closed-and-one-like-it-opened"),
        pytest.param([PIPE], [another(PIPE, 6), another(PIPE, 7)], [("pipe", "open, fd 7")], id="one-more"),
        pytest.param(
            [PIPE],
            [PIPE._replace(inode=78, subject="eventfd")],
            [("eventfd", "open, fd 5")],
            id="another-at-the-number",
        ),
        pytest.param([], [PIPE._replace(told_elsewhere=True)], [], id="told-elsewhere"),
        pytest.param(
            [],
            [PIPE._replace(subject="temporary file (read)", path="/tmp/tmp77")],
            [("temporary file (read)", "open, fd 5, /tmp/tmp77")],
            id="temporary",
        ),
        pytest.param(
            [PIPE._replace(number=1)], [], [("standard output", "closed, fd 1")], id="standard-output-closed"
        ),
        pytest.param(
            [PIPE._replace(number=2)],
            [PIPE._replace(number=2, inode=78)],
            [("standard error", "another file now: pipe")],
            id="standard-error-replaced",
        ),
        pytest.param([], [PIPE._replace(number=0)], [], id="standard-input-opened"),
    ],
)
def test_what_is_open_and_was_not_is_told_by_its_kind(
    before: list[Opened], after: list[Opened], told: list[tuple[str, str]]
) -> None:
    assert [(leak.subject, leak.message) for leak in compare(at(*before), at(*after))] == told


@pytest.mark.parametrize(
    ("socket", "accepted", "subject"),
    [
        pytest.param(Socket("tcp", 7), False, "socket tcp", id="not-connected"),
        pytest.param(Socket("tcp", 7, port=40000, peer="::1", peer_port=80), False, CLIENT, id="client"),
        pytest.param(
            Socket("tcp", 7, port=40000, peer="::1", peer_port=50000),
            False,
            "socket tcp client to port 0",
            id="client-of-a-port-of-the-system's",
        ),
        pytest.param(
            Socket("tcp", 7, port=80, peer="::1", peer_port=50000),
            True,
            "socket tcp accepted at port 80",
            id="accepted",
        ),
        pytest.param(
            Socket("unix", 7, peer="/srv/shop/a.sock"),
            False,
            "socket unix client to a.sock",
            id="unix-client",
        ),
        pytest.param(
            Socket("unix", 7, host="/srv/shop/a.sock", peer=""),
            False,
            "socket unix accepted at a.sock",
            id="unix-accepted",
        ),
        pytest.param(Socket("unix", 7, peer=""), False, "socket unix pair", id="pair"),
    ],
)
def test_a_socket_is_told_by_what_it_is_connected_to(socket: Socket, accepted: bool, subject: str) -> None:
    assert opened._spell(socket, accepted, SOURCES) == subject


def test_a_socket_that_does_not_answer_and_one_that_was_accepted(
    context: Context, monkeypatch: pytest.MonkeyPatch
) -> None:
    listening = Socket("tcp", 7, "127.0.0.1", 80, listening=True)
    served = Socket("tcp", 8, "127.0.0.1", 80, "127.0.0.1", 50000)
    monkeypatch.setattr(sockets, "read", lambda _: {4: listening, 5: served})
    describer = opened.Describer(context)
    state: Any = SimpleNamespace(st_mode=stat.S_IFSOCK, st_dev=1, st_ino=8)
    found = describer.opened(5, state, None)
    assert (found.subject, found.traits) == (
        "socket tcp accepted at port 80",
        frozenset({"connection", "accepted"}),
    )
    assert describer.opened(6, state, None).subject == "socket"


@pytest.mark.parametrize(
    ("running", "traits"),
    [
        pytest.param(set(), {"native", "loop-in-C"}, id="ended"),
        pytest.param({threading.get_ident()}, {"native", "loop-in-C"}, id="here"),
        pytest.param({1}, {"native", "loop-in-C", "loop-elsewhere"}, id="elsewhere"),
    ],
)
def test_what_nobody_opened_beside_a_loop_in_c_is_the_loops(
    running: set[int], traits: set[str], context: Context
) -> None:
    assert open_descriptor._beside_loops_in_c(context) == (None, set())
    context.recording.loops.in_c.update(dict.fromkeys(running or {1}, PLACE))
    context.recording.loops.running_in_c.update(running)
    assert open_descriptor._beside_loops_in_c(context) == (PLACE, traits - {"native"})


def test_the_pipes_of_a_child_that_runs_are_its_own(keep: ExitStack) -> None:
    child = keep.enter_context(
        subprocess.Popen(["cat"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    )
    assert child.stdin is not None
    assert child.stdout is not None
    pipes = [child.stdin.fileno(), child.stdout.fileno()]
    assert list(owners._of_a_child(vars(child))) == pipes
    child.communicate()
    assert list(owners._of_a_child(vars(child))) == []


def test_standard_output_that_pytest_itself_replaced_is_fine() -> None:
    captured = PIPE._replace(number=1, inode=78, traits=frozenset({"by-tool"}))
    (leak,) = compare(at(PIPE._replace(number=1)), at(captured))
    assert is_expected(leak)


def test_a_librarys_first_file_is_fine_beside_those_that_capture_the_output() -> None:
    new, captured = by("dependency"), another(PIPE, 9)
    streams = frozenset({(captured.device, captured.inode)})
    (leak,) = compare(at(captured), at(captured, new)._replace(streams=streams))
    assert is_expected(leak)
    (leak,) = compare(at(captured), at(captured, new))
    assert not is_expected(leak)


def test_who_opened_it_is_to_blame() -> None:
    (leak,) = compare(at(), at(PIPE, another(PIPE, 6, place=PLACE)))
    assert (leak.origin, leak.owner) == (Origin("orders.py", 9, "log"), Owner.APPLICATION)


def test_what_was_closed_beneath_an_object_is_told_once() -> None:
    broken = at(broken={5: "pipe"})
    (leak,) = compare(at(PIPE), broken)
    assert (leak.subject, leak.message) == ("pipe", "closed beneath the object that has it, fd 5")
    assert list(compare(broken, broken)) == []


def test_absorbing_counts_what_others_opened_closed_and_broke() -> None:
    mine, theirs, gone = PIPE, another(PIPE, 6), another(PIPE, 7)
    found = absorb(at(gone), at(gone, mine), at(mine, theirs, broken={7: "pipe"}))
    assert found == at(theirs, broken={7: "pipe"})


def by(owner: str, *traits: str) -> Opened:
    return PIPE._replace(traits=frozenset({f"owner:{owner}", *traits}))


@pytest.mark.parametrize(
    ("before", "after", "failed", "expected"),
    [
        pytest.param([], by("application"), False, False, id="application"),
        pytest.param([], by("application", "by-tool"), False, True, id="tool"),
        pytest.param([], by("dependency"), False, True, id="first-of-a-library"),
        pytest.param([another(PIPE, 6)], by("dependency"), False, False, id="further-one-of-a-library"),
        pytest.param([another(PIPE, 6)], by("dependency", "connection"), False, True, id="pool-grows"),
        pytest.param([], PIPE._replace(traits=frozenset({"connection"})), False, True, id="libpq"),
        pytest.param([], by("application", "connection"), False, False, id="connection-of-the-application"),
        pytest.param([], by("application", "connection", "accepted"), False, True, id="other-end"),
        pytest.param([], by("application", "running-child"), False, True, id="child"),
        pytest.param([], by("application", "multiprocessing"), False, True, id="tracker"),
        pytest.param([], PIPE, False, False, id="nobody-knows"),
        pytest.param([], PIPE._replace(traits=frozenset({"native"})), False, False, id="native"),
        pytest.param(
            [], PIPE._replace(traits=frozenset({"native", "waits"})), False, True, id="first-poller-in-C"
        ),
        pytest.param(
            [another(PIPE, 6)],
            PIPE._replace(traits=frozenset({"native", "waits"})),
            False,
            False,
            id="further-poller-in-C",
        ),
        pytest.param([], by("application", "held"), True, True, id="held-by-a-traceback"),
        pytest.param([], by("application"), True, False, id="held-by-no-object-of-a-failed-test"),
        pytest.param([], by("application", "held"), False, False, id="held-and-passed"),
    ],
)
def test_what_is_fine_and_what_is_not(
    before: list[Opened], after: Opened, failed: bool, expected: bool
) -> None:
    (leak,) = compare(at(*before), at(*before, after, failed=failed))
    assert is_expected(leak) is expected


# ---------------------------------------------------------------------------------------- real descriptors


@pytest.fixture
def keep() -> Iterator[ExitStack]:
    """Closes what a test opened."""
    with ExitStack() as stack:
        yield stack


def raw(keep: ExitStack, descriptors: Any) -> None:
    for descriptor in descriptors if isinstance(descriptors, tuple) else (descriptors,):
        keep.callback(os.close, descriptor)


def connected(keep: ExitStack) -> None:
    server = keep.enter_context(socket.create_server(("127.0.0.1", 0)))
    keep.enter_context(socket.create_connection(server.getsockname()))


LEFT: dict[str, tuple[Callable[[ExitStack], object], str, bool]] = {
    "file": (lambda keep: keep.enter_context(open("a.txt")), "file a.txt (read)", True),
    "file-by-its-whole-path": (
        lambda keep: keep.enter_context(open(os.path.realpath("a.txt"), "r+b", buffering=0)),
        "file a.txt (read and write)",
        True,
    ),
    "file-through-a-link": (lambda keep: keep.enter_context(open("link.txt")), "file a.txt (read)", True),
    "raw-file": (lambda keep: raw(keep, os.open("a.txt", os.O_RDONLY)), "file a.txt (read)", True),
    "directory": (lambda keep: raw(keep, os.open("sub", os.O_RDONLY)), "directory sub (read)", True),
    "null": (lambda keep: keep.enter_context(open(os.devnull, "w")), "device /dev/null (write)", True),
    "pipe": (lambda keep: raw(keep, os.pipe()), "pipe", True),
    "duplicate": (lambda keep: raw(keep, os.dup(1)), "*", True),
    "pair": (
        lambda keep: [keep.enter_context(end) for end in socket.socketpair()],
        "socket unix pair",
        True,
    ),
    "fresh-socket": (lambda keep: keep.enter_context(socket.socket()), "socket tcp", True),
    "client": (connected, "socket tcp client to port 0", True),
    "temporary": (
        lambda keep: keep.enter_context(tempfile.NamedTemporaryFile()),
        "temporary file (read and write)",
        True,
    ),
    "temporary-without-a-name": (
        lambda keep: keep.enter_context(tempfile.TemporaryFile()),
        "temporary file (read and write)",
        True,
    ),
    "poller-of-a-selector": (lambda keep: keep.enter_context(selectors.DefaultSelector()), "epoll", False),
}
if sys.platform == "linux":
    LEFT |= {
        "poller": (lambda keep: keep.enter_context(select.epoll()), "epoll", False),
        "eventfd": (lambda keep: raw(keep, os.eventfd(0)), "eventfd", True),
        **(
            {"timerfd": (lambda keep: raw(keep, vars(os)["timerfd_create"](0)), "timerfd", True)}
            if hasattr(os, "timerfd_create")  # since 3.13
            else {}
        ),
        "memory": (lambda keep: raw(keep, os.memfd_create("orders")), "memfd orders", True),
        "child": (lambda keep: raw(keep, os.pidfd_open(os.getpid())), "pidfd", True),
        "watcher": (lambda keep: raw(keep, ctypes.CDLL(None).inotify_init()), "inotify", False),
    }


@pytest.fixture
def here(project: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(project)
    Path("a.txt").write_text("a")
    Path("link.txt").symlink_to("a.txt")
    Path("sub").mkdir()
    return project


@on_linux
@pytest.mark.parametrize(("act", "subject", "has_origin"), LEFT.values(), ids=LEFT)
def test_what_is_left_open_is_told(
    act: Callable[[ExitStack], object],
    subject: str,
    has_origin: bool,
    left_by: LeftBy,
    keep: ExitStack,
    here: Path,
    context: Context,
) -> None:
    context.temp = (*context.temp, os.path.realpath(tempfile.gettempdir()))
    leaks = [leak for leak in left_by(open_descriptor, lambda: act(keep)) if not is_expected(leak)]
    assert len(leaks) == 1
    assert subject in ("*", leaks[0].subject)
    assert (leaks[0].origin is not None) is has_origin
    if has_origin:
        assert leaks[0].origin is not None
        assert leaks[0].origin.file == __file__


@pytest.mark.parametrize(
    ("path", "spelled"),
    [
        pytest.param("#77 (deleted)", "#* (deleted)", id="in-the-root-directory"),
        pytest.param("var/#77 (deleted)", "var/#* (deleted)", id="elsewhere"),
        pytest.param("var/#77", "var/#77", id="a-name-like-it"),
        pytest.param("var/a#77 (deleted)", "var/a#77 (deleted)", id="a-name-that-ends-like-it"),
    ],
)
def test_a_file_that_never_had_a_name_is_spelled_without_its_number(path: str, spelled: str) -> None:
    assert without_number(path) == spelled


def closed_again(keep: ExitStack) -> None:
    for end in (*os.pipe(), os.dup(1), os.open("a.txt", os.O_RDONLY)):
        os.close(end)
    for made in (open("a.txt"), socket.socket(), *socket.socketpair()):
        made.close()


def pool_that_connects_anew(keep: ExitStack) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        for _ in range(3):
            socket.create_connection(server.getsockname()).close()


TWINS: dict[str, Callable[[ExitStack], object]] = {
    "nothing": lambda keep: None,
    "opened-and-closed": closed_again,
    "connected-and-closed": pool_that_connects_anew,
    "loop-that-ran": lambda keep: asyncio.run(asyncio.sleep(0)),
    "child-that-ended": lambda keep: subprocess.run(
        [sys.executable, "-c", ""], capture_output=True, check=True
    ),
    "server": lambda keep: keep.enter_context(socket.create_server(("127.0.0.1", 0))),
    "child-that-runs": lambda keep: keep.enter_context(Child()),
    "memory-that-multiprocessing-keeps-for-values": lambda keep: keep.callback(id, heap.Arena(4096)),
}


class Child:
    """A child that waits for a block's end."""

    def __enter__(self) -> None:
        command = [sys.executable, "-c", "input()"]
        self.child = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)

    def __exit__(self, *_: object) -> None:
        self.child.communicate(b"\n")


@pytest.mark.parametrize("act", TWINS.values(), ids=TWINS)
def test_nothing_is_said_of_what_is_fine(
    act: Callable[[ExitStack], object], left_by: LeftBy, keep: ExitStack, here: Path
) -> None:
    leaks = left_by(open_descriptor, lambda: act(keep))
    assert [leak.subject for leak in leaks if not is_expected(leak)] == []


@on_linux
def test_things_that_share_an_inode_are_told_apart(left_by: LeftBy, keep: ExitStack) -> None:
    first = os.eventfd(0)

    def act() -> None:
        os.close(first)
        assert keep.enter_context(select.epoll()).fileno() == first

    assert [leak.subject for leak in left_by(open_descriptor, act)] == ["epoll"]


@on_linux
def test_what_is_at_a_number_now_is_not_blamed_on_who_opened_what_was_there(
    recorded: Context, keep: ExitStack
) -> None:
    open_descriptor.capture(recorded)
    number = os.eventfd(0)
    before = open_descriptor.capture(recorded)
    assert before.open[number].place is not None
    os.close(number)
    assert keep.enter_context(select.epoll()).fileno() == number
    (leak,) = compare(before, open_descriptor.capture(recorded))
    assert (leak.subject, leak.origin) == ("epoll", None)


def test_that_sockets_are_asked_is_not_noted(recorded: Context, keep: ExitStack) -> None:
    made = keep.enter_context(socket.socket())
    noted = dict(recorded.recording.openings._sockets)
    assert id(made) in noted
    open_descriptor.capture(recorded)
    assert recorded.recording.openings._sockets == noted


@on_linux
def test_a_descriptor_closed_beneath_its_file_is_told(left_by: LeftBy, here: Path, keep: ExitStack) -> None:
    file = open("a.txt")
    (leak,) = left_by(open_descriptor, lambda: os.close(file.fileno()))
    assert (leak.subject, leak.message) == (
        "file a.txt (read)",
        f"closed beneath the object that has it, fd {file.fileno()}",
    )
    keep.callback(file.close)
    os.dup2(1, file.fileno())


@on_linux
def test_a_descriptor_given_to_another_beneath_its_socket_is_told(left_by: LeftBy, keep: ExitStack) -> None:
    first = keep.enter_context(socket.socket())

    def act() -> None:
        os.close(first.fileno())
        second = socket.socket()
        assert second.fileno() == first.fileno()
        keep.callback(second.detach)

    assert "closed beneath the object that has it" in str(
        [one.message for one in left_by(open_descriptor, act)]
    )


@on_linux
def test_a_number_that_an_earlier_file_lost_and_still_claims_is_its_new_owners(
    recorded: Context, here: Path, keep: ExitStack
) -> None:
    """An earlier test closed a descriptor beneath its file; the file of this one gets its number and is closed."""
    open_descriptor.capture(recorded)
    robbed = open("a.txt")
    number = robbed.fileno()
    os.close(number)
    keep.callback(robbed.detach)
    before = open_descriptor.capture(recorded)
    file = open("a.txt")
    assert file.fileno() == number
    opened = open_descriptor.capture(recorded)
    file.close()
    closed = open_descriptor.capture(recorded)
    assert list(compare(before, closed)) == []
    again = open("a.txt")
    assert again.fileno() == number
    keep.callback(again.detach)
    open_descriptor.capture(recorded)
    os.close(number)
    (leak,) = compare(opened, open_descriptor.capture(recorded))
    assert leak.message == f"closed beneath the object that has it, fd {number}"


def test_a_file_that_its_owner_closed_is_fine(left_by: LeftBy, here: Path) -> None:
    file = open("a.txt")
    assert left_by(open_descriptor, file.close) == []


def test_a_borrowed_descriptor_is_nobodys(left_by: LeftBy, here: Path) -> None:
    number = os.open("a.txt", os.O_RDONLY)
    borrowed = open(number, closefd=False)
    assert left_by(open_descriptor, lambda: os.close(number)) == []
    assert not borrowed.closed


def test_standard_output_that_is_another_file_is_told(left_by: LeftBy, keep: ExitStack) -> None:
    saved = os.dup(0)
    keep.callback(os.close, saved)
    keep.callback(os.dup2, saved, 0)
    reading, writing = os.pipe()
    raw(keep, (reading, writing))
    assert [leak.subject for leak in left_by(open_descriptor, lambda: os.dup2(reading, 0))] == [
        "standard input"
    ]


def test_the_memory_is_not_searched_for_standard_streams(
    left_by: LeftBy, keep: ExitStack, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Pytest may put others in their place in each phase of a test, and a search takes milliseconds."""
    saved = os.dup(0)
    keep.callback(os.close, saved)
    keep.callback(os.dup2, saved, 0)
    ends = os.pipe()
    raw(keep, ends)
    monkeypatch.setattr(owners, "find", lambda: pytest.fail("searched"))
    assert left_by(open_descriptor, lambda: os.dup2(ends[0], 0))


def test_code_of_the_program_is_not_run(left_by: LeftBy, keep: ExitStack) -> None:
    class Odd(socket.socket):
        def fileno(self) -> int:
            raise AssertionError("asked")

        __hash__ = __repr__ = fileno  # type: ignore[assignment]

        def __eq__(self, other: object) -> bool:
            raise AssertionError("compared")

    made: list[Odd] = []
    assert len(left_by(open_descriptor, lambda: made.append(Odd()))) == 1
    socket.socket.detach(made[0])


def test_where_no_descriptor_is_listed_nothing_is_said(
    left_by: LeftBy, keep: ExitStack, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(descriptors, "_FILES", ("/nowhere",))
    assert left_by(open_descriptor, lambda: raw(keep, os.pipe())) == []


def test_where_no_link_is_read_the_kind_is_told(
    left_by: LeftBy, keep: ExitStack, here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(_: str) -> str:
        raise OSError

    monkeypatch.setattr(descriptors._Real, "readlink", refuse)
    leaks = left_by(open_descriptor, lambda: keep.enter_context(open("a.txt")))
    assert [leak.subject for leak in leaks] == ["file (read)"]


def test_looking_leaves_no_descriptor_behind(recorded: Context) -> None:
    def number() -> int:
        return sum(1 for one in range(256) if _is_open(one))

    open_descriptor.capture(recorded)
    before = number()
    for _ in range(200):
        os.close(os.open(os.devnull, os.O_RDONLY))
        recorded.begin_look()
        end = open_descriptor.capture(recorded)
        recorded.end_look()
        open_descriptor.carry(end, recorded)
    assert number() == before
    assert len(recorded.last["open-descriptor"].open) <= before + 1


def _is_open(number: int) -> bool:
    try:
        return stat.S_IFMT(os.fstat(number).st_mode) >= 0
    except OSError:
        return False


# --------------------------------------------------------------------------------------------- whole runs


SHOP = """
    import os, socket, tempfile, pytest
    KEPT = []

    def keep(thing):
        KEPT.append(thing)

    @pytest.fixture(scope="session")
    def log():
        with open(__file__) as file:
            yield file

    @pytest.fixture
    def pipe():
        ends = os.pipe()
        yield ends
        for end in ends:
            os.close(end)

    def test_leaks():
        keep(open(__file__))

    def test_clean():
        with open(__file__) as file:
            file.read()

    def test_uses_the_session(log):
        log.read()

    def test_uses_the_session_again(log):
        log.seek(0)

    def test_uses_a_pipe(pipe):
        os.write(pipe[1], b"x")

    def test_drops_it():
        file = [open(__file__)]
        file.append(file)

    def test_leaks_again():
        keep(open(__file__))

    def test_closes_what_others_left():
        while KEPT:
            KEPT.pop().close()

    def test_fails():
        file = open(__file__)
        assert not file

    def test_after_the_failure():
        pass
"""


@pytest.fixture
def shop(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> WholeProject:
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")
    monkeypatch.setenv("PYTEST_ADDOPTS", "-p stateless -W ignore")
    made = WholeProject(pytester)
    made.write("test_shop.py", SHOP)
    return made


@on_linux
@pytest.mark.parametrize("workers", [(), ("-p", "xdist", "-n1")], ids=["here", "xdist"])
def test_each_test_is_blamed_for_its_own(shop: WholeProject, workers: tuple[str, ...]) -> None:
    arguments = (
        "--stateless",
        "--stateless-scope=application",
        "--stateless-allow=module-state:*",
        "--stateless-report=json:leaks.json",
    )
    shop.run_apart(*arguments, *workers)
    found = {
        test["nodeid"].partition("::")[2]: [(leak["rule"], leak["subject"]) for leak in test["leaks"]]
        for test in shop.report()["tests"]
    }
    assert found == {
        "test_leaks": [("open-descriptor", "file test_shop.py (read)")],
        "test_leaks_again": [("open-descriptor", "file test_shop.py (read)")],
    }


def test_a_loop_left_open_is_told_by_the_rule_of_tasks_alone(recorded: Context, keep: ExitStack) -> None:
    before = open_descriptor.capture(recorded)
    loop = asyncio.new_event_loop()
    keep.callback(loop.close)
    for _ in range(2):  # sockets are described anew at each look
        assert list(compare(before, open_descriptor.capture(recorded))) == []


def test_a_loop_that_was_closed_forgives_no_poller_that_stays_open() -> None:
    of_a_loop = another(PIPE, 6)._replace(traits=frozenset({"event-loop"}))
    assert len(list(compare(at(of_a_loop), at(PIPE)))) == 1
    assert list(compare(at(), at(of_a_loop))) == []


def test_the_table_is_kept_for_as_long_as_the_very_same_are_open(recorded: Context, keep: ExitStack) -> None:
    ends = os.pipe()
    raw(keep, ends)
    one, other = socket.socketpair()  # sockets are asked each time
    keep.callback(one.close)
    keep.callback(other.close)
    known = open_descriptor.capture(recorded)
    still = open_descriptor.capture(recorded)
    assert still.open is known.open
    assert list(compare(known, still)) == []
    os.dup2(ends[1], other.fileno())  # as many as before
    moved = open_descriptor.capture(recorded)
    assert moved.open[other.fileno()].subject == "pipe"
    assert [leak.subject for leak in compare(known, moved)] == ["pipe"]
