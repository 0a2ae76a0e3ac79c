"""What the markers of a test say: whether it is checked, and what is allowed."""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from typing import Final, NamedTuple

import pytest
from _pytest.nodes import Node

from pytest_stateless.allowance import Allowance, AllowanceError, parse_allowance, suggestion
from pytest_stateless.settings import Settings, disk_of, rule_ids

NAME: Final = "stateless"
DESCRIPTION: Final = (
    "stateless(check=True, *, allow=(), reason='', disk='real'): fail the test if it leaves process-local state behind "
    "(pytest-stateless); False opts out of --stateless or of a marked class or module"
)


class Marked(NamedTuple):
    """What the markers of one test come to."""

    check: bool
    allowances: tuple[Allowance, ...]
    disk: str


class Mentions:
    """Tells whether a test says anything of the plugin; most say nothing, and are not read further."""

    def __init__(self) -> None:
        self._known: dict[Node, bool] = {}

    def of(self, item: pytest.Item) -> bool:
        """Whether a marker of the test or of what it lies in, or a fixture that it asks for, is the plugin's."""
        return NAME in getattr(item, "fixturenames", ()) or _has_marker(item) or self._of_parent(item.parent)

    def _of_parent(self, node: Node | None) -> bool:
        if node is None:
            return False
        if node not in self._known:
            self._known[node] = _has_marker(node) or self._of_parent(node.parent)
        return self._known[node]


def _has_marker(node: Node) -> bool:
    return any(mark.name == NAME for mark in node.own_markers)


def _signature(
    check: bool = True, *, allow: object = (), reason: str = "", disk: object = None
) -> tuple[bool, object, object]:
    """The marker's arguments."""
    return check, allow, disk


def read_markers(item: pytest.Item, settings: Settings) -> Marked:
    """Whether ``item`` is checked: as its nearest marker says, else if it asks for the fixture, else as the run.

    Raises pytest.UsageError naming the test and the mend.
    """
    check: bool | None = None
    disk: str | None = None
    allowances: list[Allowance] = []
    for node, mark in item.iter_markers_with_node(NAME):
        where = _place(node, mark)
        marked, allow, written = _arguments(mark, where)
        check = marked if check is None else check
        if written is not None:
            found = disk_of(written, f"{where}: disk= of the stateless marker")
            disk = found if disk is None else disk
        allowances += _allowances(allow, where)
    if check is None:
        check = settings.check_all or NAME in getattr(item, "fixturenames", ())
    return Marked(check, tuple(allowances), disk or settings.disk)


def _place(node: Node, mark: pytest.Mark) -> str:
    """What the marker was put on: the same place for all tests that share it."""
    callspec = getattr(node, "callspec", None)
    if callspec is None or any(mark is one for one in callspec.marks):
        return node.nodeid
    return node.nodeid.removesuffix(f"[{callspec.id}]")


def _arguments(mark: pytest.Mark, where: str) -> tuple[bool, object, object]:
    names = tuple(inspect.signature(_signature).parameters)
    for name in mark.kwargs:
        if name not in names:
            known = suggestion(name, names) or f"; it takes {', '.join(names)}"
            raise pytest.UsageError(f"{where}: the stateless marker has no argument {name!r}{known}")
    try:
        check, allow, disk = _signature(*mark.args, **mark.kwargs)
    except TypeError:
        raise pytest.UsageError(
            f"{where}: the stateless marker takes one positional argument, False to opt out; "
            f"allowances go into allow=[...], not {mark.args!r}"
        ) from None
    if not isinstance(check, bool):
        raise pytest.UsageError(
            f"{where}: the stateless marker takes True or False, not {check!r}; allowances go into allow=[...]"
        )
    return check, allow, disk


def _allowances(allow: object, where: str) -> Iterator[Allowance]:
    texts = [allow] if isinstance(allow, str) else allow
    if not isinstance(texts, (list, tuple, set, frozenset)):
        raise pytest.UsageError(
            f"{where}: allow= of the stateless marker takes a list of texts, not {allow!r}"
        )
    for text in texts:
        try:
            yield parse_allowance(text, where, rule_ids())
        except AllowanceError as error:
            raise pytest.UsageError(str(error)) from None
