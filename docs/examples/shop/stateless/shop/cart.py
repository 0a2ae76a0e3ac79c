"""The customer's cart, in the visitor's signed cookie."""

from collections.abc import Mapping

from flask import session


def add(product: str) -> None:
    session["cart"] = {**contents(), product: contents().get(product, 0) + 1}


def contents() -> Mapping[str, int]:
    """How many of each product the customer wants."""
    cart: Mapping[str, int] = session.get("cart", {})
    return cart


def clear() -> None:
    session.pop("cart", None)
