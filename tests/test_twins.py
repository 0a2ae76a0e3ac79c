"""Which leaks of the memory and of the interpreter's table are one: of hand-made evidence, and in real runs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from pytest_stateless.heap.diff import ABSENT as GONE
from pytest_stateless.heap.diff import WHOLE as ALL
from pytest_stateless.heap.diff import Entry
from pytest_stateless.heap.graph import Kind
from pytest_stateless.heap.watch import Evidence
from pytest_stateless.interpreter.difference import Difference
from pytest_stateless.interpreter.evidence import ItemEvidence
from pytest_stateless.interpreter.item import ABSENT, WHOLE, Item
from pytest_stateless.leak import Leak
from pytest_stateless.twins import without_twins

if TYPE_CHECKING:
    from tests.conftest import CountedProject, Project

HERE: dict[Any, Any] = {}
THERE: dict[Any, Any] = {}


def of_the_memory(container: Any, *labels: object) -> Leak:
    found = tuple(Entry(label, GONE, 1) for label in labels)
    return Leak("module-state", "memory", "", evidence=Evidence(Kind.DICT, container, found, False))


def of_the_table(*places: tuple[object, object]) -> Leak:
    item = Item("table", dict, "", "", places=lambda _: iter(places))
    return Leak(
        "interpreter-state",
        "table",
        "",
        evidence=ItemEvidence(item, (Difference(WHOLE, ABSENT, 1),), frozenset()),
    )


@pytest.mark.parametrize(
    ("leaks", "left"),
    [
        pytest.param([of_the_memory(HERE, "a")], ["memory"], id="memory-alone"),
        pytest.param([of_the_table((HERE, "a"))], ["table"], id="table-alone"),
        pytest.param([of_the_memory(HERE, "a"), of_the_table((HERE, "a"))], ["table"], id="same-place"),
        pytest.param([of_the_table((HERE, "a")), of_the_memory(HERE, "a")], ["table"], id="table-first"),
        pytest.param(
            [of_the_memory(HERE, "b"), of_the_table((HERE, "a"))], ["memory", "table"], id="another-label"
        ),
        pytest.param(
            [of_the_memory(THERE, "a"), of_the_table((HERE, "a"))], ["memory", "table"], id="equal-container"
        ),
        pytest.param(
            [of_the_memory(HERE, ALL), of_the_table((HERE, WHOLE))], ["table"], id="whole-container"
        ),
        pytest.param(
            [of_the_memory(HERE, "a", "b"), of_the_table((HERE, "a"), (HERE, "b"))],
            ["table"],
            id="all-of-a-sum",
        ),
        pytest.param(
            [of_the_memory(HERE, "a", "b"), of_the_table((HERE, "a"))],
            ["memory", "table"],
            id="part-of-a-sum",
        ),
        pytest.param(
            [of_the_memory(HERE, "a"), of_the_memory(THERE, "b"), of_the_table((HERE, "a"), (THERE, "b"))],
            ["table"],
            id="two-places-of-one",
        ),
        pytest.param(
            [Leak("file-write", "a", ""), of_the_table((HERE, "a"))], ["a", "table"], id="without-evidence"
        ),
    ],
)
def test_what_the_table_tells_is_not_told_by_its_place(leaks: list[Leak], left: list[str]) -> None:
    assert [leak.subject for leak in without_twins(leaks)] == left


LEAVING = [
    pytest.param("os.environ['DEBUG'] = '1'", "os.environ['DEBUG']", id="variable"),
    pytest.param("os.umask(0o007)", "umask", id="umask"),
    pytest.param("os.chdir('/')", "working directory", id="directory"),
    pytest.param("signal.signal(signal.SIGUSR1, signal.SIG_IGN)", "signal.SIGUSR1", id="signal"),
    pytest.param("sys.path.append('/x')", "sys.path", id="list"),
    pytest.param("logging.root.setLevel(10)", "logging.root.level", id="logger"),
    pytest.param("logging.root.addHandler(logging.Handler())", "logging.root.handlers", id="handler"),
    pytest.param("sys.excepthook = print", "sys.excepthook", id="hook"),
    pytest.param("random.seed(7)", "random", id="seed"),
    pytest.param("socket.setdefaulttimeout(7)", "socket.setdefaulttimeout()", id="default"),
    pytest.param("os.environ.update({f'X{n}': '' for n in range(9)})", "os.environ", id="many"),
]


@pytest.mark.parametrize("scope", ["all", "application"])
@pytest.mark.parametrize(("leave", "subject"), LEAVING)
def test_a_line_is_blamed_for_the_one_leak(
    counted: CountedProject, leave: str, subject: str, scope: str
) -> None:
    counted.write_test(
        f"""
        import logging, os, random, signal, socket, sys
        def leave():
            {leave}
        def test_a():
            count()
            leave()
        """
    )
    counted.check_apart(f"--stateless-scope={scope}")
    (test,) = counted.report()["tests"]
    (leak,) = test["leaks"]
    assert leak["rule"] == "interpreter-state"
    assert leak["subject"] == subject
    assert leak["origin"]["function"] == "leave"
    assert counted.runs > 1


def test_an_allowance_of_the_table_lets_nothing_through_by_the_memory(project: Project) -> None:
    project.write("test_a.py", "import os\ndef test_a(): os.environ['DEBUG'] = '1'\n")
    allow = "--stateless-allow=interpreter-state:os.environ['DEBUG']"
    project.run_apart("--stateless", allow).assert_outcomes(passed=1)


def registered_with_a_class(*labels: str) -> Leak:
    found = tuple(Entry(label, GONE, 1) for label in labels)
    return Leak("module-state", "class", "", evidence=Evidence(Kind.HELD, object, found, True))


def registrations(count: int) -> Leak:
    item = Item("abc registrations", dict, "", "")
    found = (Difference(WHOLE, 7, 7 + count),)
    return Leak("interpreter-state", item.name, "", evidence=ItemEvidence(item, found, frozenset()))


@pytest.mark.parametrize(
    ("leaks", "left"),
    [
        pytest.param([registrations(1)], ["abc registrations"], id="nobody-knows-with-which"),
        pytest.param([registered_with_a_class("_abc_registry"), registrations(1)], ["class"], id="one"),
        pytest.param(
            [registered_with_a_class("_abc_registry"), registrations(2)],
            ["class", "abc registrations"],
            id="another-with-a-librarys-class",
        ),
        pytest.param(
            [registered_with_a_class("_abc_registry", "_abc_registry"), registrations(2)],
            ["class"],
            id="two-with-one-class",
        ),
        pytest.param(
            [registrations(2), *[registered_with_a_class("_abc_registry")] * 2],
            ["class", "class"],
            id="with-two-classes",
        ),
        pytest.param(
            [registered_with_a_class("__bases__"), registrations(1)],
            ["class", "abc registrations"],
            id="another-part-of-a-class",
        ),
    ],
)
def test_a_registration_is_told_with_the_class(leaks: list[Leak], left: list[str]) -> None:
    assert [leak.subject for leak in without_twins(leaks)] == left


def test_shared_memory_is_no_file_besides() -> None:
    leaks = [
        Leak("file-write", "/dev/shm/orders", "created by native code during this test"),
        Leak("file-write", "/dev/shm/sem.lock", "created by a child process"),
        Leak("file-write", "/dev/shm/other", "created by native code during this test"),
        Leak("shared-memory", "memory /orders", "created, in /dev/shm"),
        Leak("shared-memory", "semaphore /lock", "created, in /dev/shm"),
    ]
    assert without_twins(leaks) == leaks[2:]
