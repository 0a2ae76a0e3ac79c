"""What random generators and decimal arithmetic keep for the process."""

from __future__ import annotations

import contextvars
import gc
import sys
import threading
from collections.abc import Callable, Iterator
from typing import Any, Final

from pytest_stateless.heap.readers import Inside, reader_of
from pytest_stateless.heap.twister import was_drawn_from
from pytest_stateless.interpreter.item import UNKNOWN, WHOLE, Gated, Item, Numbers, Place, Reading, loaded

_get_ident: Final = threading.get_ident
_HOME: Final = threading.main_thread().ident

SEEDED: Final = ("random", "numpy.random")
"""The generators that test tools seed anew before each phase of a test."""


class _Inside:
    """Reads the state of an object, as the readers of the memory find it."""

    def __init__(self, find: Callable[[], Any]) -> None:
        self.find = find

    def __call__(self) -> Reading:
        """As ``Item.read``."""
        return self._reading(None) or {WHOLE: UNKNOWN}

    def again(self, before: Reading) -> Reading:
        """As ``Item.again``."""
        known = before.gate if type(before) is Gated else None
        found = self._reading(known)
        return {WHOLE: UNKNOWN} if found is None else before if found.gate is known else found

    def _reading(self, known: Inside | None) -> Gated | None:
        thing = self.find()
        reader = None if thing is None else reader_of(type(thing))
        found = None if reader is None else reader(thing, known)
        if found is None or found.state is None:
            return None
        return Gated({WHOLE: Numbers(found.state) if type(found.state) is tuple else found.state}, found)


def _generator() -> Any:
    return (loaded("random") or {}).get("_inst")


def _numpy_bits() -> Any:
    """The bit generator behind numpy's own functions."""
    state = (loaded("numpy.random.mtrand") or {}).get("_rand")
    held = [] if state is None else gc.get_referents(state)
    return next((one for one in held if reader_of(type(one)) is not None), None)


def _put_random(_: object, state: Any) -> None:
    found = _generator()
    if found is not None:
        (loaded("_random") or {})["Random"].setstate(found, state.held)


def _place_of_random(_: object) -> Iterator[Place]:
    yield _generator(), WHOLE


def _place_of_numpy(_: object) -> Iterator[Place]:
    yield _numpy_bits(), WHOLE


_DRAWN: Final = "numbers drawn from it"


def _tell(before: Any, after: Any) -> str:
    return _DRAWN if was_drawn_from(before.held, after.held) else "seeded anew"


def _decimals() -> Reading | None:
    """Precision, rounding and traps of this thread's arithmetic, without making a context that isn't there yet."""
    if "decimal" not in sys.modules or _get_ident() != _HOME:  # each thread has its own
        return None
    for variable in contextvars.copy_context():
        if variable.name == "decimal_context":
            found = _Inside(variable.get)()
            return found if type(found[WHOLE]) is str else {WHOLE: UNKNOWN}
    return _Inside(_template)()


def _template() -> Any:
    """What a context is made from when it is first asked for."""
    return (loaded("decimal") or {}).get("DefaultContext")


_ORDER: Final = "later requests draw other numbers than in a process that did not"

ITEMS: Final = (
    Item(
        "random",
        _Inside(_generator),
        _ORDER,
        "draw from a random.Random of your own",
        warns=_DRAWN.__eq__,
        tell=_tell,
        put=_put_random,
        places=_place_of_random,
    ),
    Item(
        "numpy.random",
        _Inside(_numpy_bits),
        _ORDER,
        "draw from numpy.random.default_rng()",
        warns=_DRAWN.__eq__,
        tell=_tell,
        places=_place_of_numpy,
    ),
    Item(
        "decimal.getcontext()",
        _decimals,
        "later requests reckon with another precision or rounding",
        "use decimal.localcontext() around it",
        show=lambda found: found.partition(", Emin")[0].removeprefix("Context("),
    ),
)
"""The lines of the table about numbers."""
