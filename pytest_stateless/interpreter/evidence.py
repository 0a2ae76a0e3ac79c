"""How to find out who changed an item: it is looked at again and again while the test runs once more."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Final

from pytest_stateless.heap.graph import Kind, plan_of
from pytest_stateless.heap.traits import is_of_a_tool
from pytest_stateless.interpreter import kernel
from pytest_stateless.interpreter.difference import Difference
from pytest_stateless.interpreter.item import UNKNOWN, Item, Items, Place, same


@dataclass(frozen=True, eq=False)
class ItemEvidence:
    """What of an item differed. It holds live objects, so it goes no further than the checks."""

    item: Item
    found: tuple[Difference, ...]
    tools: frozenset[str]
    """Top-level packages of the test tools, whose own things come and go around each test."""

    def places(self) -> Iterator[Place]:
        """Where the memory holds what differed."""
        for difference in self.found if self.item.places is not None else ():
            for container, label in self.item.places(difference.label):  # type: ignore[misc]
                yield container, label
                plan = plan_of(type(container))
                if (
                    plan.kind is Kind.OBJECT and plan.namespace is not None
                ):  # its attributes may be held there
                    yield plan.namespace(container), label

    def looks(self) -> tuple[ItemLook, ...]:
        """How to look at it."""
        return (ItemLook(self),)

    def undo(self) -> Callable[[], None] | None:
        """Put back what was there. Returns what takes that back; None where nothing could be put back."""
        before, after = (Items(values) for values in zip(*(one[1:] for one in self.found), strict=True))
        if self.item.put is None or not same(self.now(), after) or not self._put(before):
            return None

        def redo() -> None:
            if same(self.now(), before):
                self._put(after)

        return redo

    def now(self) -> Items:
        """What there is now under each of the labels."""
        kernel.forget()
        reading = self.item.read()
        if reading is None:
            return Items(UNKNOWN for _ in self.found)
        labels = [one.label for one in self.found]
        values = (
            reading[label] if label in reading else self.item.otherwise(label, reading) for label in labels
        )
        return Items(map(self._without_tools, values))

    def _without_tools(self, value: Any) -> Any:
        if type(value) is not Items:
            return value
        return Items(thing for thing in value if not is_of_a_tool(thing, self.tools))

    def _put(self, values: Items) -> bool:
        """Whether the values could be put under the labels; what comes to a list comes again, and is seen."""
        if any(type(value) is Items for value in values):
            return False
        try:
            for one, value in zip(self.found, values, strict=True):
                self.item.put(one.label, value)  # type: ignore[misc]
        except _REFUSALS:
            return False
        return True


_REFUSALS: Final = (OSError, ValueError, TypeError, RuntimeError, LookupError, OverflowError)


class ItemLook:
    """Looks at what differed, and remembers what was there."""

    def __init__(self, evidence: ItemEvidence) -> None:
        self._evidence = evidence
        self.rebase()

    def rebase(self) -> None:
        """From now on, what is there now is what was there before."""
        self.before = self._evidence.now()

    def moved(self) -> bool:
        """Whether something else is there than before."""
        return not same(self._evidence.now(), self.before)
