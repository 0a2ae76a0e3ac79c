"""The tests of both versions. Nothing in them knows where the shop keeps its state."""

import re

import pytest
from flask import Flask
from flask.testing import FlaskClient
from werkzeug.test import Client

from pytest_stateless import Stateless

pytestmark = pytest.mark.stateless


def log_in(client: Client, name: str) -> None:
    assert client.post("/login", data={"name": name, "password": name}).status_code == 303


def buy(client: Client, product: str) -> str:
    """Buy one and return the address of the receipt."""
    client.post("/cart", data={"product": product})
    return client.post("/checkout").location


def test_everybody_may_look_around(client: FlaskClient) -> None:
    page = client.get("/").text
    assert "Green tea" in page
    assert "3.50" in page


def test_wrong_password_is_refused(client: FlaskClient) -> None:
    assert client.post("/login", data={"name": "bob", "password": "guess"}).status_code == 401
    assert client.get("/cart").status_code == 401


def test_cart_counts_what_goes_in(client: FlaskClient) -> None:
    log_in(client, "alice")
    client.post("/cart", data={"product": "Green tea"})
    client.post("/cart", data={"product": "Green tea"})
    assert "2 x Green tea" in client.get("/cart").text


def test_checkout_gives_a_receipt(client: FlaskClient) -> None:
    log_in(client, "bob")
    receipt = client.get(buy(client, "Tea pot")).text
    assert "for bob" in receipt
    assert re.search(r"1 x Tea pot +24\.00", receipt)
    assert "Tea pot" not in client.get("/cart").text.partition("Your cart")[2]


def test_receipt_is_for_its_customer_only(app: Flask) -> None:
    bob, carol = app.test_client(), app.test_client()
    log_in(bob, "bob")
    log_in(carol, "carol")
    assert carol.get(buy(bob, "Black tea")).status_code == 404


def test_metrics_count_orders(client: FlaskClient) -> None:
    def orders() -> int:
        return int(client.get("/metrics").text.split()[1])

    before = orders()
    log_in(client, "carol")
    buy(client, "Black tea")
    assert orders() == before + 1


def test_logout_forgets_the_customer(app: Flask, stateless: Stateless) -> None:
    """Every request is checked on its own: a login that lives in memory until the logout is found too."""
    browser = Client(stateless.wrap(app))
    log_in(browser, "bob")
    assert "Welcome, bob" in browser.get("/").text
    browser.post("/logout")
    assert "Welcome" not in browser.get("/").text
