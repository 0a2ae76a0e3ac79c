"""Receipts as files next to the program."""

from collections.abc import Mapping
from datetime import datetime, timezone
from pathlib import Path

from flask import render_template

from shop import metrics
from shop.catalogue import PRODUCTS

RECEIPTS = Path(__file__).parents[1] / "var" / "receipts"


def save(customer: str, contents: Mapping[str, int]) -> str:
    """Write the receipt of a new order and return the order's number."""
    RECEIPTS.mkdir(parents=True, exist_ok=True)
    order = str(len(list(RECEIPTS.iterdir())) + 1)
    lines = [(product, quantity, PRODUCTS[product]) for product, quantity in contents.items()]
    date = datetime.now(timezone.utc).date()
    receipt = render_template("receipt.txt", order=order, customer=customer, date=date, lines=lines)
    (RECEIPTS / f"{order}.txt").write_text(receipt, encoding="utf-8")
    metrics.count_order(sum(quantity * cents for _, quantity, cents in lines))
    return order


def read(order: str, customer: str) -> str | None:
    """The receipt of the order, if there is one and it is this customer's."""
    path = RECEIPTS / f"{order}.txt"
    if not order.isdecimal() or not path.exists():
        return None
    receipt = path.read_text(encoding="utf-8")
    return receipt if receipt.startswith(f"Receipt {order} for {customer},") else None
