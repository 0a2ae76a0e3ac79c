"""Sockets: what is said of hand-made values, and real sockets of every kind."""

from __future__ import annotations

import asyncio
import errno
import os
import socket
import socketserver
import stat
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

import pytest

from pytest_stateless.detectors import Context, Detector, listening_socket, sockets
from pytest_stateless.detectors.listening_socket import Listener, Listeners, absorb, compare
from pytest_stateless.detectors.sockets import reach_of
from pytest_stateless.findings import Findings
from pytest_stateless.leak import Leak, Origin, Owner
from pytest_stateless.noted import Bind
from pytest_stateless.source import Place, Sources
from pytest_stateless.window import Windows

LeftBy = Callable[[Detector, Callable[[], object]], list[Leak]]

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="descriptors are listed in /proc or /dev/fd")

SOURCES = Sources("/srv/shop")
PLACE = Place("/srv/shop/metrics.py", 9, "start", Owner.APPLICATION, False, False)


# ----------------------------------------------------------------------------------------- hand-made values


def listeners(*found: Listener, binds: tuple[Bind, ...] = ()) -> Listeners:
    return Listeners(frozenset(found), binds, SOURCES)


TCP = Listener("tcp", "127.0.0.1", 9100, 77, 5)


@pytest.mark.parametrize(
    ("listener", "binds", "subject", "message"),
    [
        pytest.param(TCP, (), "127.0.0.1:9100", "tcp, fd 5, loopback only", id="loopback"),
        pytest.param(
            TCP._replace(host="0.0.0.0"),
            (),
            "0.0.0.0:9100",
            "tcp, fd 5, exposed on all interfaces",
            id="exposed",
        ),
        pytest.param(
            TCP._replace(host="::"),
            (),
            "[::]:9100",
            "tcp, fd 5, exposed on all interfaces",
            id="exposed-ipv6",
        ),
        pytest.param(
            TCP._replace(host="10.1.2.3"),
            (),
            "10.1.2.3:9100",
            "tcp, fd 5, exposed on one interface",
            id="one-interface",
        ),
        pytest.param(
            TCP._replace(listening=False),
            (Bind(77, "127.0.0.1", 9100, PLACE),),
            "127.0.0.1:9100",
            "tcp, bound but not listening, fd 5, loopback only",
            id="bound",
        ),
        pytest.param(
            TCP._replace(host="::1"), (), "[::1]:9100", "tcp, fd 5, loopback only", id="loopback-ipv6"
        ),
        pytest.param(
            TCP._replace(port=40001),
            (Bind(77, "127.0.0.1", 0, PLACE),),
            "127.0.0.1:0",
            "tcp, fd 5, port 40001, loopback only",
            id="port-the-system-chose",
        ),
        pytest.param(
            TCP._replace(port=40001),
            (),
            "127.0.0.1:0",
            "tcp, fd 5, port 40001, loopback only",
            id="port-that-looks-as-if-the-system-chose-it",
        ),
        pytest.param(
            TCP._replace(port=40001),
            (Bind(77, "127.0.0.1", 40001, PLACE),),
            "127.0.0.1:40001",
            "tcp, fd 5, loopback only",
            id="high-port-that-was-asked-for",
        ),
        pytest.param(
            TCP,
            (Bind(78, "127.0.0.1", 0, PLACE),),
            "127.0.0.1:9100",
            "tcp, fd 5, loopback only",
            id="bind-of-another-socket",
        ),
        pytest.param(TCP._replace(kind="udp"), (), "127.0.0.1:9100", "udp, fd 5, loopback only", id="udp"),
        pytest.param(
            Listener("unix", "/srv/shop/run/a.sock", 0, 77, 5), (), "run/a.sock", "unix, fd 5", id="unix"
        ),
        pytest.param(Listener("unix", "@shop", 0, 77, 5), (), "@shop", "unix, fd 5", id="abstract"),
    ],
)
def test_a_socket_is_told_by_its_address(
    listener: Listener, binds: tuple[Bind, ...], subject: str, message: str
) -> None:
    (leak,) = compare(listeners(), listeners(listener, binds=binds))
    assert (leak.subject, leak.message) == (subject, message)


@pytest.mark.parametrize(
    ("before", "after", "subjects"),
    [
        pytest.param([TCP], [TCP], [], id="open-before"),
        pytest.param([TCP], [], [], id="closed-since"),
        pytest.param([TCP], [TCP, TCP._replace(descriptor=9)], [], id="duplicated"),
        pytest.param([TCP], [TCP._replace(descriptor=9)], [], id="moved-to-another-descriptor"),
        pytest.param([], [TCP, TCP._replace(descriptor=9)], ["127.0.0.1:9100"], id="one-of-two-descriptors"),
        pytest.param([TCP], [TCP._replace(inode=78)], ["127.0.0.1:9100"], id="another-at-the-same-address"),
        pytest.param(
            [],
            [TCP, TCP._replace(inode=78, host="::1")],
            ["127.0.0.1:9100", "[::1]:9100"],
            id="two-in-order",
        ),
    ],
)
def test_a_socket_counts_once_however_many_descriptors_it_has(
    before: list[Listener], after: list[Listener], subjects: list[str]
) -> None:
    assert [leak.subject for leak in compare(listeners(*before), listeners(*after))] == subjects


@pytest.mark.parametrize(
    ("binds", "origin", "owner", "traits"),
    [
        pytest.param((), None, Owner.UNKNOWN, frozenset(), id="bound-before"),
        pytest.param((Bind(77, "", 0, None),), None, Owner.UNKNOWN, frozenset(), id="no-line-of-the-users"),
        pytest.param(
            (Bind(77, "", 0, PLACE),),
            Origin("metrics.py", 9, "start"),
            Owner.APPLICATION,
            frozenset(),
            id="application",
        ),
        pytest.param(
            (Bind(77, "", 0, PLACE._replace(owner=Owner.DEPENDENCY, by_tool=True)),),
            Origin("metrics.py", 9, "start"),
            Owner.DEPENDENCY,
            frozenset({"by-tool"}),
            id="tool",
        ),
        pytest.param(
            (Bind(77, "", 0, PLACE._replace(line=1)), Bind(77, "", 0, PLACE)),
            Origin("metrics.py", 9, "start"),
            Owner.APPLICATION,
            frozenset(),
            id="the-last-bind-of-an-inode-that-was-used-again",
        ),
    ],
)
def test_who_bound_it_is_to_blame(
    binds: tuple[Bind, ...], origin: Origin | None, owner: Owner, traits: frozenset[str]
) -> None:
    (leak,) = compare(listeners(), listeners(TCP, binds=binds))
    assert (leak.origin, leak.owner, leak.traits) == (origin, owner, traits)


@pytest.mark.parametrize(
    ("host", "who"),
    [
        pytest.param("127.0.0.1", "loopback", id="loopback"),
        pytest.param("127.8.0.9", "loopback", id="another-address-of-loopback"),
        pytest.param("::1", "loopback", id="ipv6-loopback"),
        pytest.param("::ffff:127.0.0.1", "loopback", id="ipv4-in-ipv6-loopback"),
        pytest.param("192.168.1.2", "interface", id="private"),
        pytest.param("fe80::1%eth0", "interface", id="link-local"),
        pytest.param("0.0.0.0", "all", id="all"),
        pytest.param("::", "all", id="ipv6-all"),
        pytest.param("::ffff:0.0.0.0", "all", id="ipv4-in-ipv6-all"),
        pytest.param("", "all", id="nothing-said"),
    ],
)
def test_an_address_says_who_can_reach_it(host: str, who: str) -> None:
    assert reach_of(host) == who


def test_absorbing_counts_what_others_opened_and_closed() -> None:
    mine, theirs, gone = TCP, TCP._replace(inode=78), TCP._replace(inode=79)
    before, start, end = listeners(gone), listeners(gone, mine), listeners(mine, theirs)
    assert absorb(before, start, end).open == {theirs}


# ----------------------------------------------------------------------------------------------- real sockets


@pytest.fixture
def keep() -> Iterator[ExitStack]:
    """Closes what a test opened."""
    with ExitStack() as stack:
        yield stack


def opened(
    keep: ExitStack, family: int, kind: int, address: Any = None, *, listen: bool = False, **options: int
) -> socket.socket:
    made = keep.enter_context(socket.socket(family, kind))
    for name, value in options.items():
        made.setsockopt(socket.SOL_SOCKET, getattr(socket, name), value)
    if address is not None:
        made.bind(address)
    if listen:
        made.listen()
    return made


def with_ipv6() -> bool:
    try:
        with socket.socket(socket.AF_INET6) as probe:
            probe.bind(("::1", 0))
    except OSError:
        return False
    return True


needs_ipv6 = pytest.mark.skipif(not with_ipv6(), reason="no IPv6 here")
INET, INET6, UNIX = socket.AF_INET, socket.AF_INET6, socket.AF_UNIX
STREAM, DATAGRAM = socket.SOCK_STREAM, socket.SOCK_DGRAM


def free_port(kind: int = STREAM) -> int:
    """A port that is free, below those that the system chooses from."""
    for port in range(20000 + os.getpid() % 1000, 32000):
        with socket.socket(INET, kind) as probe:
            try:
                probe.bind(("0.0.0.0", port))
            except OSError:
                continue
            return port
    raise AssertionError("no free port")


REACHABLE = [
    pytest.param(INET, STREAM, "127.0.0.1", "127.0.0.1:0", "tcp, fd *, port *", id="tcp"),
    pytest.param(INET, STREAM, "", "0.0.0.0:0", "tcp, fd *, exposed on all interfaces", id="tcp-everywhere"),
    pytest.param(INET, DATAGRAM, "127.0.0.1", "127.0.0.1:0", "udp, fd *, port *", id="udp"),
    pytest.param(INET, DATAGRAM, "", "0.0.0.0:0", "udp, *, exposed on all interfaces", id="udp-everywhere"),
    pytest.param(INET6, STREAM, "::1", "[::1]:0", "tcp, fd *, port *", id="tcp-ipv6", marks=needs_ipv6),
    pytest.param(
        INET6,
        STREAM,
        "::",
        "[::]:0",
        "tcp, *, exposed on all interfaces",
        id="tcp-ipv6-everywhere",
        marks=needs_ipv6,
    ),
    pytest.param(INET6, DATAGRAM, "::1", "[::1]:0", "udp, fd *, port *", id="udp-ipv6", marks=needs_ipv6),
]


@pytest.mark.parametrize(("family", "kind", "host", "subject", "message"), REACHABLE)
def test_a_socket_on_a_port_that_the_system_chose(
    family: int, kind: int, host: str, subject: str, message: str, left_by: LeftBy, keep: ExitStack
) -> None:
    def act() -> None:
        opened(keep, family, kind, (host, 0), listen=kind == STREAM)

    (leak,) = left_by(listening_socket, act)
    assert leak.subject == subject
    assert fnmatchcase(leak.message, message)
    assert leak.origin is not None
    assert (leak.origin.file, leak.origin.function) == (__file__, "opened")
    assert leak.owner is Owner.APPLICATION


@pytest.mark.parametrize("kind", [pytest.param(STREAM, id="tcp"), pytest.param(DATAGRAM, id="udp")])
def test_a_socket_on_a_port_that_was_asked_for(kind: int, left_by: LeftBy, keep: ExitStack) -> None:
    port = free_port(kind)
    (leak,) = left_by(
        listening_socket, lambda: opened(keep, INET, kind, ("127.0.0.1", port), listen=kind == STREAM)
    )
    assert leak.subject == f"127.0.0.1:{port}"
    assert "port" not in leak.message


@pytest.mark.parametrize(
    "kind",
    [
        pytest.param(STREAM, id="stream"),
        pytest.param(DATAGRAM, id="datagram"),
        pytest.param(socket.SOCK_SEQPACKET, id="sequenced-packets"),
    ],
)
def test_a_unix_socket_is_told_by_its_path(
    kind: int, left_by: LeftBy, keep: ExitStack, project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(project)
    (leak,) = left_by(listening_socket, lambda: opened(keep, UNIX, kind, "a.sock", listen=kind != DATAGRAM))
    assert (leak.subject, leak.message.partition(",")[0]) == ("a.sock", "unix")
    assert leak.origin is not None


@pytest.mark.skipif(sys.platform != "linux", reason="abstract names are Linux's")
@pytest.mark.parametrize("spell", [str, os.fsencode], ids=["text", "bytes"])
def test_an_abstract_unix_socket_is_told_by_its_name(
    spell: Callable[[str], Any], left_by: LeftBy, keep: ExitStack
) -> None:
    name = f"stateless-{os.getpid()}"
    (leak,) = left_by(listening_socket, lambda: opened(keep, UNIX, STREAM, spell(f"\0{name}"), listen=True))
    assert leak.subject == f"@{name}"


@pytest.mark.skipif(sys.platform != "linux", reason="abstract names are Linux's")
def test_a_name_that_the_system_chose_is_no_text_and_is_told_nevertheless(
    left_by: LeftBy, keep: ExitStack
) -> None:
    (leak,) = left_by(listening_socket, lambda: opened(keep, UNIX, STREAM, "", listen=True))
    assert leak.subject.startswith("@")


def test_two_workers_on_one_port_are_two_sockets(left_by: LeftBy, keep: ExitStack) -> None:
    port = free_port()

    def act() -> None:
        for _ in range(2):
            opened(keep, INET, STREAM, ("127.0.0.1", port), listen=True, SO_REUSEPORT=1)

    assert [leak.subject for leak in left_by(listening_socket, act)] == [f"127.0.0.1:{port}"] * 2


def test_a_socket_that_only_keeps_its_address_from_others(left_by: LeftBy, keep: ExitStack) -> None:
    (leak,) = left_by(listening_socket, lambda: opened(keep, INET, STREAM, ("127.0.0.1", 0)))
    assert leak.subject == "127.0.0.1:0"
    assert leak.message.startswith("tcp, bound but not listening, ")


def test_a_socket_bound_before_and_listening_within(left_by: LeftBy, keep: ExitStack) -> None:
    made = opened(keep, INET, STREAM, ("127.0.0.1", free_port()))
    (leak,) = left_by(listening_socket, made.listen)
    assert leak.subject == f"127.0.0.1:{made.getsockname()[1]}"


def test_a_duplicate_whose_original_was_closed_keeps_the_line(left_by: LeftBy, keep: ExitStack) -> None:
    def act() -> None:
        made = opened(keep, INET, STREAM, ("127.0.0.1", 0), listen=True)
        keep.callback(os.close, os.dup(made.fileno()))
        made.close()

    (leak,) = left_by(listening_socket, act)
    assert leak.subject == "127.0.0.1:0"
    assert leak.origin is not None
    assert leak.origin.function == "opened"


def send_first(keep: ExitStack) -> socket.socket:
    made = opened(keep, INET, DATAGRAM)
    made.sendto(b"x", ("127.0.0.1", 9))
    return made


def bind_close_and_send(keep: ExitStack) -> None:
    server = opened(keep, INET, DATAGRAM, ("127.0.0.1", 0))
    number = server.fileno()
    server.close()
    assert send_first(keep).fileno() == number


def connected_datagram(keep: ExitStack) -> None:
    opened(keep, INET, DATAGRAM, ("127.0.0.1", 0)).connect(("127.0.0.1", 9))


def pair(keep: ExitStack) -> None:
    for kind in (STREAM, DATAGRAM):
        for end in socket.socketpair(UNIX, kind):
            keep.enter_context(end)


def client_from(keep: ExitStack) -> None:
    server = opened(keep, INET, STREAM, ("127.0.0.1", 0), listen=True)
    opened(keep, INET, STREAM, ("127.0.0.1", 0)).connect(server.getsockname())
    server.close()


def connection(keep: ExitStack) -> None:
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        server.listen()
        keep.enter_context(socket.create_connection(server.getsockname()))
        keep.enter_context(server.accept()[0])


def netlink(keep: ExitStack) -> None:
    made = keep.enter_context(socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, socket.NETLINK_ROUTE))
    made.bind((0, 1))
    other = keep.enter_context(socket.socket(socket.AF_NETLINK, DATAGRAM, socket.NETLINK_ROUTE))
    other.bind((0, 1))


UNREACHABLE = {
    "nothing": lambda keep: None,
    "closed-again": lambda keep: opened(keep, INET, STREAM, ("127.0.0.1", 0), listen=True).close(),
    "client-from-an-address-that-was-asked-for": client_from,
    "neither-bound-nor-listening": lambda keep: opened(keep, INET, STREAM),
    "udp-not-bound": lambda keep: opened(keep, INET, DATAGRAM),
    "udp-client": send_first,
    "udp-client-on-the-descriptor-of-a-closed-server": bind_close_and_send,
    "connected-udp": connected_datagram,
    "socket-pair": pair,
    "unix-not-bound": lambda keep: opened(keep, UNIX, DATAGRAM),
    "connection": connection,
    "duplicate": lambda keep: opened(keep, INET, STREAM).dup().close(),
}


@pytest.mark.parametrize("act", UNREACHABLE.values(), ids=UNREACHABLE)
def test_nothing_is_said_of_a_socket_that_nobody_can_reach(
    act: Callable[[ExitStack], object], left_by: LeftBy, keep: ExitStack
) -> None:
    assert left_by(listening_socket, lambda: act(keep)) == []


@pytest.mark.skipif(not hasattr(socket, "AF_NETLINK"), reason="Linux's")
def test_nothing_is_said_of_sockets_that_lead_to_the_kernel(left_by: LeftBy, keep: ExitStack) -> None:
    assert left_by(listening_socket, lambda: netlink(keep)) == []


def test_nothing_is_said_of_a_socket_between_a_virtual_machine_and_its_host(
    left_by: LeftBy, keep: ExitStack
) -> None:
    try:
        made = opened(keep, socket.AF_VSOCK, STREAM, (socket.VMADDR_CID_ANY, socket.VMADDR_PORT_ANY))
    except (AttributeError, OSError) as error:
        pytest.skip(f"no such sockets here: {error}")
    assert left_by(listening_socket, made.listen) == []


def test_a_duplicate_of_what_listened_before_is_nothing_new(left_by: LeftBy, keep: ExitStack) -> None:
    made = opened(keep, INET, STREAM, ("127.0.0.1", 0), listen=True)
    assert left_by(listening_socket, lambda: keep.enter_context(made.dup())) == []


@pytest.mark.parametrize("timeout", [None, 5.0], ids=["no-default-timeout", "default-timeout"])
def test_the_sockets_are_left_as_they_are(timeout: float | None, context: Context, keep: ExitStack) -> None:
    made = opened(keep, INET, STREAM, ("127.0.0.1", 0), listen=True)
    socket.setdefaulttimeout(timeout)
    try:
        found = listening_socket.capture(context).open
        assert socket.getdefaulttimeout() == timeout
    finally:
        socket.setdefaulttimeout(None)
    assert made.getsockname()[1] in {listener.port for listener in found}
    assert made.getblocking()
    assert os.get_blocking(made.fileno())


def test_a_socket_closed_between_two_looks_is_passed_over() -> None:
    made = socket.socket()
    number = made.fileno()
    made.close()
    assert sockets.ask(number, 77) is None


def test_a_socket_that_does_not_answer_is_passed_over(
    context: Context, keep: ExitStack, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = opened(keep, INET, STREAM, ("127.0.0.1", 0), listen=True)

    def refuse(*_: object) -> None:
        raise OSError("Operation not supported")

    monkeypatch.setattr(sockets, "_answer", refuse)
    found = {listener.inode for listener in listening_socket.capture(context).open}  # also of children
    assert os.fstat(made.fileno()).st_ino not in found
    assert stat.S_ISSOCK(os.fstat(made.fileno()).st_mode)  # detached, not closed


def test_a_mocked_socket_class_changes_nothing(
    left_by: LeftBy, keep: ExitStack, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = socket.socket

    class Guarded(real):  # type: ignore[misc,valid-type]
        """As pytest-socket's: no socket may be made."""

        def __new__(cls, *_: object, **__: object) -> Any:
            raise RuntimeError("a test may use no sockets")

    def act() -> None:
        opened(keep, INET, STREAM, ("127.0.0.1", 0), listen=True)
        monkeypatch.setattr(socket, "socket", Guarded)
        monkeypatch.setattr(socket, "getdefaulttimeout", None)

    assert [leak.subject for leak in left_by(listening_socket, act)] == ["127.0.0.1:0"]


def test_an_asyncio_server_is_told_with_the_users_line(left_by: LeftBy, keep: ExitStack) -> None:
    loop = asyncio.new_event_loop()
    keep.callback(loop.close)

    async def serve() -> asyncio.AbstractServer:
        return await asyncio.start_server(lambda reader, writer: None, "127.0.0.1", 0)

    def act() -> None:
        server = loop.run_until_complete(serve())
        keep.callback(loop.run_until_complete, server.wait_closed())
        keep.callback(server.close)

    (leak,) = left_by(listening_socket, act)
    assert leak.subject == "127.0.0.1:0"
    assert leak.origin is not None
    assert (leak.origin.file, leak.origin.function) == (__file__, "serve")


def test_a_server_of_native_code_is_told(left_by: LeftBy, keep: ExitStack) -> None:
    uvloop = pytest.importorskip("uvloop")
    loop = uvloop.new_event_loop()
    keep.callback(loop.close)

    def act() -> None:
        server = loop.run_until_complete(loop.create_server(asyncio.Protocol, "127.0.0.1", 0))
        keep.callback(loop.run_until_complete, server.wait_closed())
        keep.callback(server.close)

    assert [leak.subject for leak in left_by(listening_socket, act)] == ["127.0.0.1:0"]


def test_a_socketserver_is_told_with_the_users_line(left_by: LeftBy, keep: ExitStack) -> None:
    def start() -> None:
        keep.enter_context(socketserver.TCPServer(("127.0.0.1", 0), socketserver.BaseRequestHandler))

    (leak,) = left_by(listening_socket, start)
    assert leak.subject == "127.0.0.1:0"
    assert leak.origin is not None
    assert (leak.origin.file, leak.origin.function) == (__file__, "start")


# ---------------------------------------------------------------------------------------- with patience


def in_a_window(context: Context, act: Callable[[], object]) -> Findings:
    windows = Windows(context, [listening_socket])
    window = windows.open()
    act()
    return windows.close(window)


def test_a_server_that_a_thread_closes_a_little_later_is_no_leak(context: Context, keep: ExitStack) -> None:
    def act() -> None:
        made = opened(keep, INET, STREAM, ("127.0.0.1", 0), listen=True)
        timer = threading.Timer(0.05, made.close)
        keep.callback(timer.join)
        timer.start()

    assert in_a_window(context, act).leaks == []


@pytest.mark.filterwarnings("ignore:unclosed:ResourceWarning")
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_a_server_that_only_a_garbage_cycle_holds_is_no_leak(context: Context) -> None:
    def act() -> None:
        made = socket.socket()
        made.bind(("127.0.0.1", 0))
        made.listen()
        cycle: list[Any] = [made]
        cycle.append(cycle)

    assert in_a_window(context, act).leaks == []


def test_a_server_that_stays_is_a_leak_after_all_looks(context: Context, keep: ExitStack) -> None:
    found = in_a_window(context, lambda: opened(keep, INET, STREAM, ("127.0.0.1", 0), listen=True))
    assert [leak.subject for leak in found.leaks] == ["127.0.0.1:0"]


def test_a_system_that_tells_nothing_of_a_connection_has_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(socket, "TCP_INFO", raising=False)
    assert not sockets._was_connected(None)


def test_an_error_that_says_nothing_of_a_peer_is_one() -> None:
    class Broken:
        def getpeername(self) -> None:
            raise OSError(errno.EBADF, "closed meanwhile")

    with pytest.raises(OSError, match="closed meanwhile"):
        sockets._peer(Broken())


@pytest.mark.parametrize(("family", "name"), [(socket.AF_UNIX, "unix"), (9999, "of family 9999")])
def test_a_family_is_told_by_its_name_or_number(family: int, name: str) -> None:
    assert sockets._family(family) == name
