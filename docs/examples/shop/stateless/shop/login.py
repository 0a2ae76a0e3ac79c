"""Who is logged in: the name, in the visitor's signed cookie."""

from flask import abort, session
from werkzeug.security import check_password_hash

from shop.catalogue import CUSTOMERS


def start(name: str, password: str) -> bool:
    """Log the customer in if the password is right."""
    if name not in CUSTOMERS or not check_password_hash(CUSTOMERS[name], password):
        return False
    session["customer"] = name
    return True


def end() -> None:
    session.pop("customer", None)


def current() -> str | None:
    return session.get("customer")


def required() -> str:
    """The customer's name, or 401 where nobody is logged in."""
    return current() or abort(401)
