"""Orders in the database; a receipt is rendered when somebody asks for it."""

from collections.abc import Mapping
from datetime import datetime, timezone
from uuid import uuid4

from flask import render_template

from shop import database
from shop.catalogue import PRODUCTS


def save(customer: str, contents: Mapping[str, int]) -> str:
    """Store a new order and return its number."""
    order = uuid4().hex
    date = datetime.now(timezone.utc).date().isoformat()
    with database.transaction() as execute:
        execute("INSERT INTO orders (number, customer, date) VALUES (?, ?, ?)", order, customer, date)
        for product, quantity in contents.items():
            execute("INSERT INTO lines VALUES (?, ?, ?, ?)", order, product, quantity, PRODUCTS[product])
    return order


def read(order: str, customer: str) -> str | None:
    """The receipt of the order, if there is one and it is this customer's."""
    with database.transaction() as execute:
        query = "SELECT date FROM orders WHERE number = ? AND customer = ?"
        found = execute(query, order, customer).fetchone()
        lines = execute("SELECT product, quantity, cents FROM lines WHERE number = ?", order).fetchall()
    if found is None:
        return None
    return render_template("receipt.txt", order=order, customer=customer, date=found[0], lines=lines)
