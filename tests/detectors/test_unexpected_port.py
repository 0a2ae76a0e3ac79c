"""Ports: what is said of hand-made values, real servers, and the table of a whole run."""

from __future__ import annotations

import asyncio
import socket
import socketserver
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

import pytest

from pytest_stateless import doors
from pytest_stateless.detectors import Context, Detector, unexpected_port
from pytest_stateless.detectors.unexpected_port import Port, Ports, absorb, compare
from pytest_stateless.expected import is_expected
from pytest_stateless.leak import Leak, Origin, Owner
from pytest_stateless.source import Place, Sources
from tests.conftest import Project as WholeProject

LeftBy = Callable[[Detector, Callable[[], object]], list[Leak]]

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="descriptors are listed in /proc or /dev/fd")

PLACE = Place("/srv/shop/metrics.py", 9, "start", Owner.APPLICATION, False, False)
PORT = Port("tcp", "0.0.0.0", 9100, 77, False, PLACE)


# ----------------------------------------------------------------------------------------- hand-made values


def ports(
    *opened: Port, now: tuple[Port, ...] = (), declared: tuple[range, ...] = (range(8000, 8001),)
) -> Ports:
    return Ports(opened, now, declared, Sources("/srv/shop"))


def told(before: Ports, after: Ports) -> list[str]:
    return [leak.subject for leak in compare(before, after) if not is_expected(leak)]


@pytest.mark.parametrize(
    ("port", "subjects"),
    [
        pytest.param(PORT, ["0.0.0.0:9100"], id="undeclared"),
        pytest.param(PORT._replace(port=8000), [], id="declared"),
        pytest.param(PORT._replace(host="127.0.0.1"), ["127.0.0.1:9100"], id="undeclared-on-loopback"),
        pytest.param(PORT._replace(port=41000, chosen=True), ["0.0.0.0:0"], id="chosen-by-the-system"),
        pytest.param(PORT._replace(port=8000, chosen=True), ["0.0.0.0:0"], id="declared-by-chance"),
        pytest.param(PORT._replace(host="::1", port=41000, chosen=True), [], id="chosen-on-loopback"),
        pytest.param(PORT._replace(host="::", port=9100), ["[::]:9100"], id="ipv6"),
        pytest.param(PORT._replace(kind="udp"), ["0.0.0.0:9100"], id="udp"),
        pytest.param(PORT._replace(place=PLACE._replace(by_tool=True)), [], id="tool"),
    ],
)
def test_any_other_port_than_the_declared_ones_is_told(port: Port, subjects: list[str]) -> None:
    assert told(ports(), ports(port)) == subjects
    assert told(ports(), ports(now=(port,))) == subjects


@pytest.mark.parametrize(
    ("declared", "subjects"),
    [
        pytest.param((range(9000, 9200),), [], id="range"),
        pytest.param((range(8000, 8001), range(9100, 9101)), [], id="one-of-several"),
        pytest.param((range(9101, 9102),), ["0.0.0.0:9100"], id="beside-it"),
        pytest.param((), [], id="nothing-declared"),
    ],
)
def test_ranges_are_declared(declared: tuple[range, ...], subjects: list[str]) -> None:
    assert told(ports(declared=declared), ports(PORT, declared=declared)) == subjects


@pytest.mark.parametrize(
    ("before", "after", "count"),
    [
        pytest.param(ports(), ports(PORT, now=(PORT,)), 1, id="noted-and-open"),
        pytest.param(ports(PORT), ports(PORT), 0, id="opened-before"),
        pytest.param(ports(now=(PORT,)), ports(now=(PORT,)), 0, id="open-before"),
        pytest.param(ports(now=(PORT,)), ports(PORT, now=(PORT,)), 0, id="listens-again"),
        pytest.param(ports(), ports(PORT, PORT._replace(inode=78)), 1, id="opened-twice"),
        pytest.param(ports(), ports(PORT, PORT._replace(kind="udp")), 2, id="two-protocols"),
        pytest.param(
            ports()._replace(children=frozenset({7})),
            ports(now=(PORT._replace(child=7),)),
            0,
            id="child-of-before",
        ),
        pytest.param(ports(), ports(now=(PORT._replace(child=7),)), 1, id="child"),
    ],
)
def test_a_port_is_told_once(before: Ports, after: Ports, count: int) -> None:
    assert len(list(compare(before, after))) == count


def test_it_is_said_who_opened_it_and_whether_it_was_closed() -> None:
    (closed,) = compare(ports(), ports(PORT))
    (left,) = compare(ports(), ports(PORT, now=(PORT,)))
    assert closed.message == "tcp, exposed on all interfaces, closed since"
    assert left.message == "tcp, exposed on all interfaces"
    assert (left.origin, left.owner) == (Origin("metrics.py", 9, "start"), Owner.APPLICATION)


def test_absorbing_keeps_what_others_opened_apart() -> None:
    theirs = PORT._replace(inode=78, host="10.0.0.1")
    absorbed = absorb(ports(), ports(), ports(theirs, now=(theirs,)))
    assert told(absorbed, ports(theirs, PORT, now=(theirs,))) == ["0.0.0.0:9100"]


# ---------------------------------------------------------------------------------------------- real servers


@pytest.fixture
def keep() -> Iterator[ExitStack]:
    with ExitStack() as stack:
        yield stack


def served(keep: ExitStack) -> None:
    keep.enter_context(socketserver.TCPServer(("", 0), socketserver.BaseRequestHandler))


def served_by_asyncio(keep: ExitStack) -> None:
    async def serve() -> None:
        async with await asyncio.start_server(lambda reader, writer: None, "0.0.0.0", 0):
            pass

    asyncio.run(serve())


def bound_udp(keep: ExitStack) -> None:
    made = keep.enter_context(socket.socket(type=socket.SOCK_DGRAM))
    made.bind(("", 0))


def bound(keep: ExitStack) -> None:
    with socket.socket() as made:
        made.bind(("", 0))


@pytest.mark.parametrize(
    ("act", "messages"),
    [
        pytest.param(served, ["tcp, exposed on all interfaces"], id="server"),
        pytest.param(
            lambda keep: socket.create_server(("", 0)).close(),
            ["tcp, exposed on all interfaces, closed since"],
            id="closed-again",
        ),
        pytest.param(
            served_by_asyncio, ["tcp, exposed on all interfaces, closed since"], id="closed-again-by-asyncio"
        ),
        pytest.param(bound_udp, ["udp, exposed on all interfaces"], id="udp"),
        pytest.param(lambda keep: socket.create_server(("127.0.0.1", 0)).close(), [], id="loopback"),
        pytest.param(bound, [], id="a-look-for-a-free-port"),
        pytest.param(lambda keep: None, [], id="nothing"),
    ],
)
def test_a_port_is_noticed(
    act: Callable[[ExitStack], object], messages: list[str], left_by: LeftBy, keep: ExitStack
) -> None:
    leaks = [leak for leak in left_by(unexpected_port, lambda: act(keep)) if not is_expected(leak)]
    assert [leak.message for leak in leaks] == messages
    assert all(leak.subject == "0.0.0.0:0" for leak in leaks)
    assert all(leak.origin is not None and leak.origin.file == __file__ for leak in leaks)


SERVER = "import socket, time; s = socket.create_server(('', 0)); print(flush=True); time.sleep(60)"


@pytest.mark.skipif(sys.platform != "linux", reason="read from Linux's /proc")
def test_the_port_of_a_child_is_noticed(left_by: LeftBy, keep: ExitStack) -> None:
    def act() -> None:
        child = keep.enter_context(subprocess.Popen([sys.executable, "-c", SERVER], stdout=subprocess.PIPE))
        keep.callback(child.kill)
        assert child.stdout is not None
        child.stdout.readline()

    (leak,) = left_by(unexpected_port, act)
    assert (leak.subject, leak.message) == ("0.0.0.0:0", "tcp, exposed on all interfaces")
    assert leak.origin is not None
    assert leak.origin.function == "act"


def test_the_stand_in_for_listen_is_put_in_and_taken_out_again() -> None:
    real = socket.SocketType.listen
    assert socket.socket.listen is real
    doors.install()
    try:
        assert socket.socket.listen is not real
        doors.install()
        with socket.create_server(("127.0.0.1", 0), backlog=3) as server:
            assert server.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN)
        with socket.socket() as made, pytest.raises(TypeError):
            made.listen("many")  # type: ignore[arg-type]
    finally:
        doors.remove()
    assert socket.socket.listen is real


def test_somebody_elses_stand_in_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    def theirs(self: socket.socket, *backlog: int) -> None: ...

    monkeypatch.setattr(socket.socket, "listen", theirs)
    doors.install()
    doors.remove()
    assert socket.socket.listen is theirs


def test_looking_again_and_again_keeps_nothing(recorded: Context) -> None:
    for _ in range(100):
        socket.create_server(("127.0.0.1", 0)).close()
        end = unexpected_port.capture(recorded)
        recorded.rest()
        assert unexpected_port.carry(end, recorded).opened == ()
    assert recorded.recording.listens == []


# ----------------------------------------------------------------------------------------------- whole runs

SHOP = """
    import socket, pytest

    KEPT = []

    @pytest.fixture(scope="session")
    def server():
        with socket.create_server(("127.0.0.1", 0)) as made:
            yield made

    @pytest.mark.stateless
    def test_server(server):
        pass

    @pytest.mark.stateless
    def test_server_again(server):
        pass

    @pytest.mark.stateless
    def test_metrics(stateless):
        with stateless.request("GET /"):
            socket.create_server(("", 0)).close()

    def test_unmarked():
        socket.create_server(("", 0)).close()
"""


@pytest.fixture
def shop(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> WholeProject:
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")
    monkeypatch.setenv("PYTEST_ADDOPTS", "-p stateless")
    monkeypatch.setenv("COLUMNS", "160")
    made = WholeProject(pytester)
    made.write("test_shop.py", SHOP)
    return made


def told_ports(shop: WholeProject) -> list[tuple[Any, ...]]:
    return [
        (port["address"], port["reach"], port["by"], port["origin"]["function"], port["closed"])
        for port in shop.report()["ports"]
    ]


TABLE = [
    ("0.0.0.0:0", "all", "test_shop.py::test_metrics", "test_metrics", True),
    ("127.0.0.1:0", "loopback", "server (session fixture)", "server", False),
]


@pytest.mark.parametrize("workers", [(), ("-p", "xdist", "-n2")], ids=["here", "xdist"])
def test_the_run_tells_every_port_and_who_opened_it(shop: WholeProject, workers: tuple[str, ...]) -> None:
    result = shop.run_apart("-v", "--stateless-report=json:leaks.json", *workers)
    assert result.ret == 0
    result.stdout.fnmatch_lines(
        [
            "2 ports opened",
            "  tcp 0.0.0.0:0    all interfaces  by test_shop.py::test_metrics, at test_shop.py:* closed again",
            "  tcp 127.0.0.1:0  loopback only   by server (session fixture), at test_shop.py:8 in server",
            "3 checked",
        ]
    )
    assert told_ports(shop) == TABLE


def test_the_table_is_for_those_who_ask(shop: WholeProject) -> None:
    shop.run_apart("--stateless-report=json:leaks.json").stdout.no_fnmatch_line("* ports opened")
    assert told_ports(shop) == TABLE


def test_where_ports_are_declared_any_other_fails_its_test(shop: WholeProject) -> None:
    shop.write("pytest.ini", "[pytest]\nstateless_ports = 8000\n")
    result = shop.run_apart("--stateless-report=json:leaks.json")
    result.assert_outcomes(passed=3, failed=1)
    (test,) = shop.report()["tests"]
    (leak,) = test["leaks"]
    assert (leak["rule"], leak["subject"], leak["request"]) == (
        "unexpected-port",
        "0.0.0.0:0",
        "GET / (1st request)",
    )
