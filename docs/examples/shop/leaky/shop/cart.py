"""The carts of all customers, in memory."""

from collections import Counter
from collections.abc import Mapping

from shop import login

CARTS: dict[str, Counter[str]] = {}


def add(product: str) -> None:
    CARTS.setdefault(login.required(), Counter())[product] += 1


def contents() -> Mapping[str, int]:
    """How many of each product the customer wants."""
    return CARTS.get(login.required(), {})


def clear() -> None:
    CARTS.pop(login.required(), None)
