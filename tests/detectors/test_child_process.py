"""Children: what is said of hand-made values, and real children of every kind."""

from __future__ import annotations

import ctypes
import multiprocessing
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from functools import partial
from typing import Any

import psutil
import pytest

from pytest_stateless import proc
from pytest_stateless.commands import Command, command_of
from pytest_stateless.detectors import Context, Detector, child_process, kernel, offspring
from pytest_stateless.detectors.child_process import Children, absorb, compare
from pytest_stateless.detectors.offspring import Child
from pytest_stateless.expected import is_expected
from pytest_stateless.findings import Findings
from pytest_stateless.leak import Leak, Origin, Owner
from pytest_stateless.noted import Spawn
from pytest_stateless.source import Place, Sources
from pytest_stateless.window import Windows

LeftBy = Callable[[Detector, Callable[[], object]], list[Leak]]

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="children are told by /proc")

SOURCES = Sources("/srv/shop")
PLACE = Place("/srv/shop/jobs.py", 9, "start", Owner.APPLICATION, False, False)
OTHER = PLACE._replace(line=20)


# ----------------------------------------------------------------------------------------- hand-made values


def children(*found: Child, spawns: tuple[Spawn, ...] = (), at: float = 0) -> Children:
    return Children(found, spawns, SOURCES, at)


def said(line: str) -> Command:
    return command_of(line.split(" "))


SLEEP = Child(7, 100, said("/bin/sleep 60"), "alive")
SPAWNED = Spawn(said("/bin/sleep 60"), PLACE)
FORKED = SLEEP._replace(command=said("pytest"), forked=True)


@pytest.mark.parametrize(
    ("before", "after", "subjects"),
    [
        pytest.param([], [SLEEP], ["sleep *"], id="new"),
        pytest.param([SLEEP], [SLEEP], [], id="there-before"),
        pytest.param([SLEEP], [SLEEP._replace(state="zombie", command=said("sleep"))], [], id="ended-since"),
        pytest.param([SLEEP], [], [], id="gone"),
        pytest.param([SLEEP], [SLEEP._replace(started=200)], ["sleep *"], id="another-of-the-same-number"),
        pytest.param([], [SLEEP, SLEEP._replace(pid=8)], ["sleep *"], id="two-of-a-kind"),
        pytest.param([], [SLEEP._replace(command=said("/usr/bin/node a.js"))], ["node a.js"], id="program"),
        pytest.param(
            [], [SLEEP._replace(command=said("cat /tmp/pytest-of-bob/pytest-3/x"))], ["cat <tmp>/x"], id="tmp"
        ),
        pytest.param([], [SLEEP._replace(command=said("cat --token a1"))], ["cat --token ***"], id="secret"),
        pytest.param([], [SLEEP._replace(name="shop.work")], ["shop.work"], id="multiprocessing"),
        pytest.param([], [FORKED], ["fork"], id="fork"),
        pytest.param(
            [],
            [SLEEP, SLEEP._replace(pid=8, command=said("sleep"), state="zombie")],
            ["sleep", "sleep *"],
            id="states",
        ),
    ],
)
def test_a_child_is_told_by_its_command(before: list[Child], after: list[Child], subjects: list[str]) -> None:
    assert [leak.subject for leak in compare(children(*before), children(*after))] == subjects


def test_the_length_of_numbers_makes_no_difference() -> None:
    short, long = (SLEEP._replace(command=said("cat" + f" {pid}" * 20 + " a.txt")) for pid in (7, 1234567))
    assert {leak.subject for leak in compare(children(), children(short, long))} == {
        "cat" + " *" * 20 + " a.txt"
    }


def test_a_child_that_begins_right_now_is_the_last_that_was_asked_for() -> None:
    child = SLEEP._replace(command=said(""))
    (leak,) = compare(children(), children(child, spawns=(Spawn(said("/bin/true"), OTHER), SPAWNED)))
    assert (leak.subject, leak.origin and leak.origin.line) == ("sleep *", 9)


def test_a_child_that_began_before_the_window_is_nothing_new() -> None:
    assert list(compare(children(at=101), children(SLEEP))) == []
    assert len(list(compare(children(at=100), children(SLEEP)))) == 1


@pytest.mark.parametrize(
    ("child", "message"),
    [
        pytest.param(SLEEP, "still runs, pid 7: sleep 60", id="alive"),
        pytest.param(
            SLEEP._replace(state="zombie", command=said("sleep")),
            "has ended, and nobody waited for it, pid 7: sleep",
            id="zombie",
        ),
        pytest.param(
            SLEEP._replace(state="orphan"),
            "still runs, and left for another parent, pid 7: sleep 60",
            id="orphan",
        ),
    ],
)
def test_what_is_said_of_a_child(child: Child, message: str) -> None:
    (leak,) = compare(children(), children(child))
    assert leak.message == message


@pytest.mark.parametrize(
    ("child", "spawns", "line"),
    [
        pytest.param(SLEEP, (SPAWNED,), 9, id="same-command"),
        pytest.param(SLEEP, (SPAWNED, Spawn(said("/bin/true"), OTHER)), 9, id="among-others"),
        pytest.param(SLEEP, (Spawn(said("/bin/sleep 60"), OTHER), SPAWNED), 9, id="the-last"),
        pytest.param(SLEEP, (Spawn(said("sh -c sleep"), PLACE),), 9, id="the-only-one"),
        pytest.param(SLEEP, (Spawn(said("sh a"), PLACE), Spawn(said("sh b"), OTHER)), None, id="one-of-two"),
        pytest.param(SLEEP, (), None, id="unknown"),
        pytest.param(FORKED, (SPAWNED, Spawn(said("fork"), OTHER)), 20, id="fork"),
        pytest.param(
            SLEEP._replace(command=said("sleep"), state="zombie"),
            (SPAWNED, Spawn(said("a"), OTHER)),
            9,
            id="zombie",
        ),
    ],
)
def test_who_started_it_is_to_blame(child: Child, spawns: tuple[Spawn, ...], line: int | None) -> None:
    (leak,) = compare(children(), children(child, spawns=spawns))
    assert leak.origin == (None if line is None else Origin("jobs.py", line, "start"))
    assert leak.owner is (Owner.UNKNOWN if line is None else Owner.APPLICATION)


@pytest.mark.parametrize(
    ("command", "place", "expected"),
    [
        pytest.param("sleep 60", PLACE, False, id="of-the-application"),
        pytest.param("sleep 60", PLACE._replace(by_tool=True), True, id="of-a-tool"),
        pytest.param(
            "python -c from multiprocessing.resource_tracker import main;main(5)", PLACE, True, id="tracker"
        ),
        pytest.param(
            "python -c from multiprocessing.forkserver import main; ", PLACE, True, id="fork-server"
        ),
        pytest.param("python -c from multiprocessing.spawn import spawn_main", PLACE, False, id="spawned"),
    ],
)
def test_which_children_are_expected(command: str, place: Place, expected: bool) -> None:
    child = SLEEP._replace(command=said(command))
    (leak,) = compare(children(), children(child, spawns=(Spawn(said(command), place),)))
    assert is_expected(leak) is expected


def test_a_child_of_a_fork_server_is_no_servant() -> None:
    child = SLEEP._replace(
        command=said("python -c from multiprocessing.forkserver import main"), name="Process-*"
    )
    (leak,) = compare(children(), children(child))
    assert not is_expected(leak)


def test_absorbing_counts_what_others_started_and_ended() -> None:
    theirs, gone = SLEEP._replace(pid=8), SLEEP._replace(pid=9)
    before, start, end = children(gone), children(gone, SLEEP), children(SLEEP, theirs)
    assert absorb(before, start, end).found == (theirs,)


# --------------------------------------------------------------------------------------------- real children


@pytest.fixture
def keep() -> Iterator[ExitStack]:
    """Ends what a test started."""
    with ExitStack() as stack:
        yield stack


def sleeping(keep: ExitStack) -> subprocess.Popen[bytes]:
    made = keep.enter_context(subprocess.Popen(["sleep", "3600"]))
    keep.callback(made.kill)
    return made


def ended(keep: ExitStack) -> None:
    made = keep.enter_context(subprocess.Popen(["true"]))
    os.waitid(os.P_PID, made.pid, os.WEXITED | os.WNOWAIT)


def end(pid: int) -> None:
    os.kill(pid, signal.SIGKILL)
    os.waitpid(pid, 0)


def forked(keep: ExitStack) -> None:
    pid = os.fork()
    if pid == 0:
        time.sleep(3600)
        os._exit(0)
    keep.callback(end, pid)


def by_multiprocessing(method: str) -> Callable[[ExitStack], None]:
    def act(keep: ExitStack) -> None:
        context: Any = multiprocessing.get_context(method)
        made = context.Process(target=time.sleep, args=(3600,))
        made.start()
        keep.callback(made.join)
        keep.callback(made.kill)

    return act


def pool(keep: ExitStack) -> None:
    made = multiprocessing.get_context("fork").Pool(2)
    keep.callback(made.join)
    keep.callback(made.terminate)


def number_from(pipe: int) -> int:
    with os.fdopen(pipe) as reading:
        return int(reading.readline())


def kill_orphan(pid: int) -> None:
    os.kill(pid, signal.SIGKILL)


def daemon(keep: ExitStack) -> None:
    reading, writing = os.pipe()
    pid = os.fork()
    if pid == 0:
        os.setsid()
        orphan = os.fork()
        if orphan == 0:
            os.close(writing)
            time.sleep(3600)
            os._exit(0)
        os.write(writing, b"%d\n" % orphan)
        os._exit(0)
    os.close(writing)
    os.waitpid(pid, 0)
    keep.callback(kill_orphan, number_from(reading))


def shell_daemon(keep: ExitStack) -> None:
    found = subprocess.run(
        ["sh", "-c", "sleep 3600 >/dev/null 2>&1 & echo $!"], capture_output=True, check=True
    )
    keep.callback(kill_orphan, int(found.stdout))


KINDS = {
    "running": (sleeping, "sleep *", "still runs"),
    "zombie": (ended, "true", "has ended"),
    "fork": (forked, "fork in forked", "still runs"),
    "multiprocessing-fork": (by_multiprocessing("fork"), "ForkProcess-*", "still runs"),
    "multiprocessing-spawn": (by_multiprocessing("spawn"), "SpawnProcess-*", "still runs"),
    "multiprocessing-forkserver": (by_multiprocessing("forkserver"), "ForkServerProcess-*", "still runs"),
    "pool": (pool, "ForkPoolWorker-*", "still runs, 2 of them"),
    "daemon": (daemon, "fork in daemon", "still runs, and left"),
    "daemon-of-a-shell": (shell_daemon, "sleep *", "still runs, and left"),
}
every_kind = pytest.mark.parametrize(("act", "subject", "message"), KINDS.values(), ids=KINDS)
Act = Callable[[ExitStack], object]


def in_a_window(context: Context, act: Callable[[], object]) -> Findings:
    windows = Windows(context, [child_process])
    window = windows.open()
    act()
    findings = windows.close(window)
    assert findings.errors == []
    return findings


@every_kind
def test_a_child_that_is_left_is_told(
    act: Act, subject: str, message: str, context: Context, keep: ExitStack
) -> None:
    (found,) = in_a_window(context, lambda: act(keep)).leaks
    assert found.subject == subject
    assert found.message.startswith(message)
    assert found.origin is None or found.origin.file == __file__
    assert (found.origin is None) is (
        act in (KINDS["multiprocessing-spawn"][0], KINDS["multiprocessing-forkserver"][0])
    )


@every_kind
def test_a_child_that_was_ended_is_not(act: Act, subject: str, message: str, context: Context) -> None:
    def act_and_end() -> None:
        with ExitStack() as keep:
            act(keep)

    assert in_a_window(context, act_and_end).leaks == []


@every_kind
def test_a_child_of_before_is_nothing_new(
    act: Act, subject: str, message: str, context: Context, keep: ExitStack
) -> None:
    act(keep)
    assert in_a_window(context, lambda: None).leaks == []
    time.sleep(0.02)  # a tick, as exact as the kernel tells a beginning
    assert in_a_window(context, lambda: subprocess.run(["true"], check=True)).leaks == []


def test_an_orphan_of_a_child_that_nobody_announced_is_told(context: Context, keep: ExitStack) -> None:
    context.test = os.environ["PYTEST_CURRENT_TEST"].rpartition(" (")[0]
    file = os.path.join(context.sources.root, "pid")

    def act() -> None:
        ctypes.CDLL(None).system(f"sleep 3600 & echo $! >{file}".encode())
        with open(file) as number:
            keep.callback(kill_orphan, int(number.read()))

    (found,) = in_a_window(context, act).leaks
    assert (found.subject, found.origin) == ("sleep *", None)
    assert in_a_window(context, lambda: ctypes.CDLL(None).system(b"true")).leaks == []


def test_looking_leaves_the_end_of_a_child_to_the_program(context: Context, keep: ExitStack) -> None:
    made = keep.enter_context(subprocess.Popen(["false"]))
    os.waitid(os.P_PID, made.pid, os.WEXITED | os.WNOWAIT)
    child_process.capture(context)
    assert os.waitpid(made.pid, 0)[1] == 256
    made.returncode = 1


def test_nothing_is_read_where_there_is_no_child(context: Context, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(offspring, "has_children", lambda: False)
    monkeypatch.setattr(proc, "text", None)
    assert child_process.capture(context).found == ()


def test_a_mock_of_the_system_changes_nothing(
    left_by: LeftBy, keep: ExitStack, monkeypatch: pytest.MonkeyPatch
) -> None:
    def act() -> None:
        sleeping(keep)
        for name in ("waitid", "getpid", "listdir"):
            monkeypatch.setattr(os, name, None)

    leaks = left_by(child_process, act)
    monkeypatch.undo()
    assert [found.subject for found in leaks] == ["sleep *"]


def test_elsewhere_than_on_linux_psutil_is_asked_about_what_was_started(
    left_by: LeftBy, keep: ExitStack, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(kernel, "task_count", lambda: 0)
    monkeypatch.setattr(offspring, "_CLOCK", None)
    earlier = psutil.Process(
        sleeping(keep).pid
    ).create_time()  # not by the clock, which may have been set since
    monkeypatch.setattr(offspring._Real, "wall", lambda: earlier + 0.03)
    time.sleep(0.05)

    def act() -> None:
        sleeping(keep)
        ended(keep)

    assert [found.subject for found in left_by(child_process, act)] == ["sleep *", "true"]
    assert left_by(child_process, lambda: None) == []


def test_a_child_of_a_child_that_is_still_there_is_not_told_beside_it(
    left_by: LeftBy, keep: ExitStack
) -> None:
    def act() -> None:
        shell = keep.enter_context(
            subprocess.Popen(["sh", "-c", "sleep 3600 & echo $!; wait"], stdout=subprocess.PIPE)
        )
        assert shell.stdout is not None
        keep.callback(shell.kill)
        keep.callback(kill_orphan, int(shell.stdout.readline()))

    assert [found.subject.partition(" ")[0] for found in left_by(child_process, act)] == ["sh"]


def test_parents_that_lead_nowhere_are_not_ours(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(offspring, "stat_of", lambda pid: proc.Stat("a", "S", pid, 0, ()))
    assert offspring._left(77)
    assert not offspring._left(os.getpid())


def test_where_children_cannot_be_asked_for_there_may_be_some(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(error: type[OSError], *_: object) -> None:
        raise error

    monkeypatch.setattr(offspring._Real, "waitid", partial(refuse, ChildProcessError))
    assert not offspring.has_children()
    monkeypatch.setattr(offspring._Real, "waitid", partial(refuse, OSError))
    assert offspring.has_children()
    monkeypatch.delattr(os, "WNOWAIT")
    monkeypatch.setattr(offspring._Real, "waitid", None)
    assert offspring.has_children()


def test_a_child_that_ends_while_it_is_looked_at_is_passed_over(
    context: Context, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(offspring, "has_children", lambda: True)
    monkeypatch.setattr(proc, "children_of", lambda _: [1 << 30])
    monkeypatch.setattr(offspring, "_met", {})
    assert list(offspring.children(context)) == []


def test_elsewhere_than_on_linux_nobody_is_asked_where_nothing_was_started(
    context: Context, keep: ExitStack, monkeypatch: pytest.MonkeyPatch
) -> None:
    sleeping(keep)
    monkeypatch.setattr(kernel, "task_count", lambda: 0)
    monkeypatch.setattr(psutil, "Process", None)
    assert list(offspring.children(context)) == []


def test_a_child_that_psutil_may_not_ask_is_passed_over(
    context: Context, keep: ExitStack, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(_: object) -> str:
        raise psutil.AccessDenied

    made = sleeping(keep)
    monkeypatch.setattr(kernel, "task_count", lambda: 0)
    context.recording.spawns.append(SPAWNED)
    assert made.pid in [child.pid for child in offspring.children(context)]
    monkeypatch.setattr(psutil.Process, "status", refuse)
    assert list(offspring.children(context)) == []


def test_a_process_of_multiprocessing_that_has_not_started_has_no_number(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(multiprocessing.process, "_children", {multiprocessing.Process()})
    assert list(offspring._of_multiprocessing()) == []


def commands(monkeypatch: pytest.MonkeyPatch, *told: str) -> None:
    """What the kernel tells of any child, look by look; the last again and again."""
    looks = iter(told)
    monkeypatch.setattr(proc, "command_of", lambda *_: said(next(looks, told[-1])))


def test_a_child_that_begins_a_program_keeps_what_it_is_called(
    context: Context, keep: ExitStack, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = sleeping(keep)
    commands(monkeypatch, "sleep 1", "")
    found = [
        child.command.line for _ in range(9) for child in offspring.children(context) if child.pid == made.pid
    ]
    assert found == ["sleep 1"] * 9


def test_a_child_without_a_name_is_looked_at_until_it_has_one(
    context: Context, keep: ExitStack, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = sleeping(keep)
    commands(monkeypatch, *[""] * 12, "sleep 1", "sleep 2")
    found = [
        child.command.line
        for _ in range(15)
        for child in offspring.children(context)
        if child.pid == made.pid
    ]
    assert found == [*[""] * 12, *["sleep 1"] * 3]


def test_looking_leaves_nothing(context: Context, keep: ExitStack) -> None:
    sleeping(keep)

    def look() -> int:
        for _ in range(300):
            child_process.carry(child_process.capture(context), context)
        return len(os.listdir("/proc/self/fd"))

    assert look() == look()
    assert len(offspring._met) == len(list(offspring.children(context)))


def test_a_child_of_another_worker_is_not_ours(
    left_by: LeftBy, keep: ExitStack, monkeypatch: pytest.MonkeyPatch
) -> None:
    def act() -> None:
        monkeypatch.setenv("PYTEST_XDIST_WORKER", "gw77")
        shell_daemon(keep)
        monkeypatch.undo()

    assert left_by(child_process, act) == []
