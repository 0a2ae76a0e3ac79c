"""needs: flask, flask_caching"""

import flask
import flask_caching

app = flask.Flask(__name__)
cache = flask_caching.Cache(app, config={"CACHE_TYPE": "SimpleCache"})


@app.get("/price")
@cache.cached(timeout=60, key_prefix="price")
def price():
    return "3"


@cache.memoize()
def rate(currency):
    return len(currency)


@app.get("/cart")
def cart():
    cache.set("bob", ["tea"])
    return "1"


def cache_a_view():
    """leaks: shop.app.extensions['cache'][<Cache>]._cache['price']"""
    assert app.test_client().get("/price").text == "3"


def cache_a_cart():
    """leaks: shop.app.extensions['cache'][<Cache>]._cache['bob']"""
    assert app.test_client().get("/cart").text == "1"


def memoize_a_function():
    """leaks:
    shop.app.extensions['cache'][<Cache>]._cache['shop.rate_memver']
    shop.app.extensions['cache'][<Cache>]._cache[<str (*)>]
    """
    with app.app_context():
        assert rate("EUR") == 3


def forget():
    with app.app_context():
        cache.clear()
