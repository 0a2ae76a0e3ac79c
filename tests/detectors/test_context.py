"""What detectors look through rests between windows and is let go of after the last."""

from __future__ import annotations

import gc
import types
import weakref
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from pytest_stateless.detectors import Context
from pytest_stateless.heap.scope import Scope
from pytest_stateless.heap.snapshot import Heap
from pytest_stateless.noted import Bind, Write
from pytest_stateless.paths import look
from pytest_stateless.recording import Recording
from pytest_stateless.source import Sources

REFERENCES = 1000
"""At least so many does the module below hold."""


class Thing:
    """What a module may hold."""


@dataclass
class Program:
    """One module, and how often its memory was discovered."""

    module: types.ModuleType = field(default_factory=lambda: types.ModuleType("shop"))
    discovered: int = 0

    def heap(self) -> Heap:
        self.discovered += 1
        return Heap({"shop": self.module}, Scope())


@pytest.fixture
def program() -> Program:
    program = Program()
    program.module.__dict__["numbers"] = [float(number) for number in range(REFERENCES)]
    return program


@pytest.fixture
def context(program: Program) -> Context:
    sources = Sources("/srv/shop")
    return Context(sources, Recording(sources), (), program.heap)


@pytest.fixture
def heap(context: Context) -> Heap:
    """The context's memory, discovered and looked at once."""
    heap = context.heap = context.make_heap()
    heap.look()
    return heap


def test_what_detectors_ask_together_is_asked_once_in_a_look(context: Context) -> None:
    answers = iter(range(9))

    def ask() -> int:
        return context.once("number", answers.__next__)

    assert (ask(), ask()) == (0, 1)
    context.begin_look()
    assert (ask(), ask()) == (2, 2)
    context.begin_look()  # what is left may have gone meanwhile
    assert (ask(), ask()) == (3, 3)
    context.end_look()
    assert (ask(), ask()) == (4, 5)


def note(recording: Recording) -> None:
    """As the audit hook does."""
    recording.writes.append(Write("open", "/srv/shop/a", "", None, None))
    recording.binds.append(Bind(1, "127.0.0.1", 80, None))


def replace(program: Program, number: int) -> None:
    """Put others in the place of so many numbers: equal ones that hold nothing, so that the references stay as many."""
    numbers = program.module.__dict__["numbers"]
    numbers[:number] = map(float, range(number))


@pytest.mark.parametrize("forget", [Context.rest, Context.let_go], ids=["rest", "let-go"])
def test_what_was_noted_is_forgotten(forget: types.FunctionType, context: Context, program: Program) -> None:
    note(context.recording)
    forget(context)
    assert (context.recording.writes, context.recording.binds) == ([], [])
    assert context.heap is None
    assert program.discovered == 0


@pytest.mark.parametrize(
    ("forget", "kept"), [(Context.rest, True), (Context.let_go, False)], ids=["rest", "let-go"]
)
def test_what_open_files_hold_is_known_for_a_row_of_tests(
    forget: types.FunctionType, kept: bool, context: Context, tmp_path: Path
) -> None:
    path = tmp_path / "a"
    path.write_text("tea")
    with path.open("r+") as file:
        state = look(str(path))
        assert state is not None
        state = state._replace(changed=0)
        known = context.held.now(str(path), state, file.fileno())
        forget(context)
        path.write_text("ham")
        assert (context.held.now(str(path), state, file.fileno()) == known) is kept


@pytest.mark.parametrize(
    ("watches", "alone", "said"),
    [
        pytest.param(None, True, ["*: directories are watched on Linux alone"], id="elsewhere"),
        pytest.param(SimpleNamespace(notices=["x"], names_nobody=False), False, ["x"], id="too-much"),
        pytest.param(SimpleNamespace(notices=[], names_nobody=True), True, [], id="nobody-is-named-alone"),
        pytest.param(
            SimpleNamespace(notices=[], names_nobody=True), False, ["*: * no fanotify *"], id="among-workers"
        ),
    ],
)
def test_why_less_is_seen_is_told(watches: Any, alone: bool, said: list[str], context: Context) -> None:
    context.watches, context.alone = watches, alone
    assert len(context.notices) == len(said)
    assert all(map(fnmatchcase, context.notices, said))


def test_a_memory_that_hardly_changed_is_kept(context: Context, heap: Heap) -> None:
    note(context.recording)
    context.rest()
    assert context.heap is heap
    assert context.recording.writes == []


@pytest.mark.parametrize(
    ("more", "kept"), [pytest.param(0, True, id="one-in-ten"), pytest.param(1, False, id="one-more")]
)
def test_a_memory_of_which_more_than_a_tenth_was_replaced_is_discovered_anew(
    more: int, kept: bool, context: Context, heap: Heap, program: Program
) -> None:
    replace(program, heap.references // 10 + more)
    heap.look()
    context.rest()
    assert (context.heap is heap) is kept


def test_what_is_replaced_little_by_little_adds_up(context: Context, heap: Heap, program: Program) -> None:
    kept = []
    for _ in range(11):
        replace(program, heap.references // 100)
        heap.look()
        context.rest()
        kept.append(context.heap is heap)
    assert kept == [True] * 10 + [False]


def test_a_scattered_memory_is_joined_and_still_shows_what_changes(
    context: Context, heap: Heap, program: Program
) -> None:
    kept: list[list[int]] = []
    program.module.__dict__["kept"] = kept
    before = heap.look()
    for _ in range(100):  # each look that finds a new container adds a chunk
        if heap.is_scattered:
            break
        kept.append([])
        before = heap.look()
    assert heap.churn <= heap.references // 10
    containers, references = heap.containers, heap.references
    context.rest()
    assert context.heap is heap
    assert len(heap.look()) < len(before)
    assert (heap.containers, heap.references) == (containers, references)
    joined = heap.look()
    assert all(one is other for one, other in zip(joined, heap.look(), strict=True))
    kept[0].append(1)
    assert any(one is not other for one, other in zip(joined, heap.look(), strict=True))


def test_a_memory_in_few_pieces_is_left_as_it_is(context: Context, heap: Heap) -> None:
    before = heap.look()
    context.rest()
    after = heap.look()
    assert all(one is other for one, other in zip(before, after, strict=True))


@pytest.mark.parametrize("keeps", [False, True], ids=["let-go", "rest"])
def test_nothing_of_the_program_is_held_after_the_last_window(
    keeps: bool, context: Context, program: Program
) -> None:
    thing = program.module.__dict__["thing"] = Thing()
    gone = weakref.ref(thing)
    del thing
    context.heap = context.make_heap()
    context.heap.look()
    if keeps:
        context.rest()
    else:
        context.let_go()
    del program.module.__dict__["thing"]
    gc.collect()
    assert (gone() is not None) is keeps
    assert (context.heap is not None) is keeps
