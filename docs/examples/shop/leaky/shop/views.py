"""What the shop answers. Where it keeps things is up to the modules it asks."""

from flask import Blueprint, abort, redirect, render_template, request
from werkzeug import Response

from shop import cart, login, metrics, receipts
from shop.catalogue import PRODUCTS

blueprint = Blueprint("shop", __name__)
TEXT = {"Content-Type": "text/plain; charset=utf-8"}


@blueprint.get("/")
def browse() -> str:
    return render_template("shop.html", products=PRODUCTS, customer=login.current())


@blueprint.post("/login")
def log_in() -> Response:
    if not login.start(request.form["name"], request.form["password"]):
        abort(401)
    return redirect("/", 303)


@blueprint.post("/logout")
def log_out() -> Response:
    cart.clear()
    login.end()
    return redirect("/", 303)


@blueprint.get("/cart")
def show_cart() -> str:
    return render_template("shop.html", products=PRODUCTS, customer=login.required(), cart=cart.contents())


@blueprint.post("/cart")
def add_to_cart() -> Response:
    login.required()
    product = request.form["product"]
    if product not in PRODUCTS:
        abort(404)
    cart.add(product)
    return redirect("/cart", 303)


@blueprint.post("/checkout")
def check_out() -> Response:
    customer, contents = login.required(), cart.contents()
    if not contents:
        abort(409)
    order = receipts.save(customer, contents)
    cart.clear()
    return redirect(f"/receipts/{order}", 303)


@blueprint.get("/receipts/<order>")
def show_receipt(order: str) -> tuple[str, dict[str, str]]:
    receipt = receipts.read(order, login.required())
    return receipt or abort(404), TEXT


@blueprint.get("/metrics")
def show_metrics() -> tuple[str, dict[str, str]]:
    return metrics.render(), TEXT
