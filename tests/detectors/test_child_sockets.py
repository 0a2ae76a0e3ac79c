"""Sockets of child processes: the kernel's tables, and real children."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from pytest_stateless import proc
from pytest_stateless.detectors import Context, Detector, child_sockets, listening_socket, offspring
from pytest_stateless.detectors.child_sockets import internet_sockets, unix_sockets
from pytest_stateless.detectors.sockets import Socket
from pytest_stateless.leak import Leak, Owner

LeftBy = Callable[[Detector, Callable[[], object]], list[Leak]]

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="read from Linux's /proc")
little_endian = pytest.mark.skipif(sys.byteorder != "little", reason="addresses as such a machine shows them")

HEAD = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n"


def line(address: str, state: str, inode: int) -> str:
    return f"   0: {address} 00000000:0000 {state} 00000000:00000000 00:00000000 00000000  0  0 {inode} 1 0 100\n"


@little_endian
@pytest.mark.parametrize(
    ("kind", "text", "found"),
    [
        pytest.param("tcp", line("0100007F:1F90", "0A", 7), [("127.0.0.1", 8080)], id="listening"),
        pytest.param("tcp", line("00000000:1F90", "0A", 7), [("0.0.0.0", 8080)], id="everywhere"),
        pytest.param("tcp", line("0100007F:1F90", "01", 7), [], id="connected"),
        pytest.param("tcp", line("0100007F:1F90", "0A", 8), [], id="somebody-elses"),
        pytest.param(
            "tcp", line("00000000000000000000000001000000:1F90", "0A", 7), [("::1", 8080)], id="ipv6"
        ),
        pytest.param("udp", line("0100007F:1F90", "07", 7), [("127.0.0.1", 8080)], id="udp"),
        pytest.param("udp", line("0100007F:C350", "07", 7), [], id="udp-of-a-client"),
        pytest.param("tcp", "", [], id="no-table"),
    ],
)
def test_the_kernels_table_tells_who_waits(kind: str, text: str, found: list[tuple[str, int]]) -> None:
    told = list(internet_sockets(HEAD + text, kind, {7}))
    assert [(one.host, one.port) for one in told] == found
    assert all(one.kind == kind and one.inode == 7 for one in told)


@pytest.mark.parametrize(
    ("text", "found"),
    [
        pytest.param("0: 00000002 0 00010000 0001 01 7 /run/a b.sock", ["/run/a b.sock"], id="path"),
        pytest.param("0: 00000002 0 00010000 0001 01 7 @shop", ["@shop"], id="abstract"),
        pytest.param("0: 00000002 0 00000000 0001 03 7 /run/a.sock", [], id="connected"),
        pytest.param("0: 00000002 0 00010000 0001 01 8 /run/a.sock", [], id="somebody-elses"),
        pytest.param("0: 00000002 0 00010000 0001 01 7", [], id="no-name"),
    ],
)
def test_the_kernels_table_tells_of_unix_sockets(text: str, found: list[str]) -> None:
    assert [one.host for one in unix_sockets(f"Num RefCount Protocol\n{text}\n", {7})] == found


SERVER = """
import socket, sys, time
server = socket.socket(getattr(socket, sys.argv[1]))
server.bind(sys.argv[2] if sys.argv[1] == "AF_UNIX" else (sys.argv[2], 0))
server.listen()
print(flush=True)
time.sleep(60)
"""


@pytest.fixture
def keep() -> Iterator[ExitStack]:
    with ExitStack() as stack:
        yield stack


def start(keep: ExitStack, *arguments: str, **options: bool) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-c", SERVER, *arguments]
    child = keep.enter_context(subprocess.Popen(command, stdout=subprocess.PIPE))
    keep.callback(child.kill)
    assert child.stdout is not None
    child.stdout.readline()
    return child


@pytest.mark.parametrize(
    ("arguments", "subject", "exposure"),
    [
        pytest.param(("AF_INET", "127.0.0.1"), "127.0.0.1:0", "loopback only", id="loopback"),
        pytest.param(("AF_INET", "0.0.0.0"), "0.0.0.0:0", "exposed on all interfaces", id="everywhere"),
        pytest.param(("AF_UNIX", "a.sock"), "a.sock", "in a child", id="unix"),
        pytest.param(
            ("AF_UNIX", f"\\0stateless-{os.getpid()}"),
            f"@stateless-{os.getpid()}",
            "in a child",
            id="abstract",
        ),
    ],
)
def test_a_child_that_listens_is_told_with_who_started_it(
    arguments: tuple[str, str],
    subject: str,
    exposure: str,
    left_by: LeftBy,
    keep: ExitStack,
    project: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(project)
    monkeypatch.setitem(
        globals(), "SERVER", SERVER.replace("sys.argv[2] if", "sys.argv[2].replace('\\\\0', '\\0') if")
    )
    (leak,) = left_by(listening_socket, lambda: start(keep, *arguments))
    assert leak.subject == subject
    assert exposure in leak.message
    assert f"in a child: {os.path.basename(sys.executable)} -c" in leak.message
    assert leak.origin is not None
    assert (leak.origin.file, leak.origin.function) == (__file__, "start")
    assert leak.owner is Owner.APPLICATION


def test_the_child_of_a_child_is_found(left_by: LeftBy, keep: ExitStack) -> None:
    def act() -> None:
        script = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {SERVER!r}, 'AF_INET', '127.0.0.1'])"
        child = subprocess.Popen(
            [sys.executable, "-c", script], stdout=subprocess.PIPE, start_new_session=True
        )
        keep.enter_context(child)
        keep.callback(os.killpg, child.pid, signal.SIGKILL)
        assert child.stdout is not None
        child.stdout.readline()

    assert [leak.subject for leak in left_by(listening_socket, act)] == ["127.0.0.1:0"]


def test_a_forked_child_shares_what_listens_here(left_by: LeftBy, keep: ExitStack) -> None:
    server = keep.enter_context(socket.create_server(("127.0.0.1", 0)))

    def act() -> None:
        child = os.fork()
        if not child:
            time.sleep(60)
            os._exit(0)
        keep.callback(os.waitpid, child, 0)
        keep.callback(os.kill, child, signal.SIGKILL)

    assert server.fileno() >= 0
    assert left_by(listening_socket, act) == []


def test_what_a_child_that_was_there_before_opens_is_its_own(context: Context, keep: ExitStack) -> None:
    before = listening_socket.capture(context)
    child = start(keep, "AF_INET", "127.0.0.1")
    after = listening_socket.capture(context)
    assert len(list(listening_socket.compare(before, after))) == 1
    started = before._replace(children=before.children | {child.pid})
    assert list(listening_socket.compare(started, after)) == []
    absorbed = listening_socket.absorb(before, before, started)
    assert list(listening_socket.compare(absorbed, after)) == []


def test_a_child_that_ended_leaves_nothing(left_by: LeftBy) -> None:
    def act() -> None:
        with ExitStack() as keep:
            start(keep, "AF_INET", "127.0.0.1")

    assert left_by(listening_socket, act) == []


def test_without_children_nothing_is_read(context: Context, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise ChildProcessError

    monkeypatch.setattr(offspring._Real, "waitid", refuse)
    monkeypatch.setattr(proc._Real, "listdir", None)
    assert child_sockets.read(context) == ([], [])


def test_elsewhere_nothing_is_read(
    context: Context, monkeypatch: pytest.MonkeyPatch, keep: ExitStack
) -> None:
    start(keep, "AF_INET", "127.0.0.1")
    monkeypatch.setattr(sys, "platform", "darwin")
    assert child_sockets.read(context) == ([], [])


def test_looking_waits_for_no_child(context: Context) -> None:
    child = os.fork()
    if not child:
        os._exit(7)
    time.sleep(0.05)
    for _ in range(3):
        child_sockets.read(context)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 7


def test_a_process_that_is_gone_has_nothing() -> None:
    assert list(child_sockets._with_descendants(0)) == [0]
    assert list(child_sockets._reachable(0, ())) == []


def test_an_address_is_one_of_a_socket() -> None:
    (found,) = internet_sockets(HEAD + line("00000000:1F90", "0A", 7), "tcp", {7})
    assert found == Socket("tcp", 7, "0.0.0.0", 8080, listening=True)
