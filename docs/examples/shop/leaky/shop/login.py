"""Who is logged in: a token in the visitor's cookie, and its owner in memory."""

import secrets

from flask import abort, session
from werkzeug.security import check_password_hash

from shop.catalogue import CUSTOMERS

SESSIONS: dict[str, str] = {}


def start(name: str, password: str) -> bool:
    """Log the customer in if the password is right."""
    if name not in CUSTOMERS or not check_password_hash(CUSTOMERS[name], password):
        return False
    session["token"] = secrets.token_urlsafe()
    SESSIONS[session["token"]] = name
    return True


def end() -> None:
    SESSIONS.pop(session.pop("token", ""), None)


def current() -> str | None:
    return SESSIONS.get(session.get("token", ""))


def required() -> str:
    """The customer's name, or 401 where nobody is logged in."""
    return current() or abort(401)
