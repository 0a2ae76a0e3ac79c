"""A request begins with what the one before ended with: what the test itself did between is still none of its."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.conftest import Project

LIBRARY = """
TABLE, LOG, SPARE, FIRST = {}, [], {}, []
def put(key, value=1): TABLE[key] = value
def once():
    if not FIRST: FIRST.append("something")
"""
SHOP = """
import os, flask, library
app = flask.Flask("shop")
CARTS, LINK = {}, {}

@app.get("/")
def index(): return "ok"

@app.get("/cart/<user>")
def cart(user):
    CARTS[user] = True
    return "ok"

@app.get("/put/<key>")
def put(key):
    library.put(key)
    return "ok"

@app.get("/log")
def log():
    library.LOG.append("request")
    return "ok"

@app.get("/once")
def once():
    if CARTS: library.once()
    return "ok"

@app.get("/set/<name>")
def set_(name):
    os.environ[name] = "request"
    return "ok"

@app.get("/link/<key>")
def link(key):
    LINK.get("to", {})[key] = 1
    return "ok"

"""
BETWEEN = """
import os, sys
sys.path.insert(0, __file__.replace("conftest.py", "site-packages"))

def pytest_runtest_logfinish():  # each test begins with nothing left
    import library, shop
    tables = [shop.CARTS, shop.LINK, library.TABLE, library.LOG, library.SPARE, library.FIRST]
    for table in tables:
        table.clear()
    for name in list(os.environ):
        if name.startswith("SHOP_"): del os.environ[name]
"""
TESTS = """
import os, pytest, library, shop

def get(path="/"):
    assert shop.app.test_client().get(path).text == "ok"

@pytest.fixture
def clean(monkeypatch):
    yield monkeypatch
    for table in (shop.CARTS, shop.LINK, library.SPARE):
        table.clear()

@pytest.fixture(scope="module")
def wide():
    library.put("wide")
    yield

def test_first():
    for path in ("/", "/cart/bob", "/put/bob", "/put/same", "/log", "/once", "/set/SHOP_A", "/link/bob"):
        get(path)

def test_own():
    get(); shop.CARTS["own"] = 1; get(); get("/cart/bob")
def test_own_put_back(clean):
    get(); clean.setitem(shop.CARTS, "a", 1); clean.setitem(shop.app.config, "a", 1); get()
def test_own_anew(clean):
    shop.CARTS["bob"] = True
    get(); shop.CARTS.clear(); get("/cart/bob")
def test_library():
    get(); library.put("own"); get()
def test_library_put_back(monkeypatch):
    get(); monkeypatch.setitem(library.TABLE, "a", 1); monkeypatch.setattr(library, "put", print); get()
def test_both():
    get(); library.put("own"); get("/put/bob")
def test_same():
    get(); library.put("same", "test"); get("/put/same")
def test_list():
    get(); library.LOG.append("test"); get("/log"); get("/log"); library.LOG.append("test"); get()
def test_environment():
    get(); os.environ["SHOP_TEST"] = "test"; get("/set/SHOP_A")
def test_link(clean):
    get(); get(); shop.LINK["to"] = library.SPARE; get("/link/bob")
def test_wide(request):
    get(); library.put("before"); request.getfixturevalue("wide"); get("/put/bob")
def test_once(clean):
    get(); shop.CARTS["bob"] = 1; get("/once"); library.once(); get()
def test_fails():
    get(); get("/put/bob"); assert False
"""
TOLD: dict[str, list[tuple[str, str | None, str | None]]] = {
    "own": [("shop.CARTS['bob']", "GET /cart/bob (3rd request)", "cart"), ("shop.CARTS['own']", None, "test_own")],
    "own_anew": [("shop.CARTS['bob']", "GET /cart/bob (2nd request)", "cart")],
    "library": [("library.TABLE['own']", None, "test_library")],
    "both": [
        ("library.TABLE['own']", None, "test_both"),
        ("library.TABLE['bob']", "GET /put/bob (2nd request)", "put"),
    ],
    "same": [("library.TABLE['same']", "GET /put/same (2nd request)", "put")],
    "list": [
        ("library.LOG", None, "test_list"),
        ("library.LOG", "GET /log (2nd request)", "log"),
        ("library.LOG", "GET /log (3rd request)", "log"),
        ("library.LOG", None, "test_list"),
    ],
    "environment": [
        ("os.environ['SHOP_TEST']", None, "test_environment"),
        ("os.environ['SHOP_A']", "GET /set/SHOP_A (2nd request)", "set_"),
    ],
    "link": [("shop.LINK['to']['bob']", "GET /link/bob (3rd request)", "link")],
    "wide": [
        ("library.TABLE['bob']", "GET /put/bob (2nd request)", "put"),
        ("library.TABLE['before']", None, "test_wide"),
    ],
    "once": [("library.FIRST", "GET /once (2nd request), or right before it", None)],
    "fails": [("library.TABLE['bob']", "GET /put/bob (2nd request), or right before it", None)],
}  # fmt: skip
"""By the test: subject, request, and the function that did it."""


def test_what_the_test_did_between_requests_is_told_from_what_they_did(project: Project) -> None:
    pytest.importorskip("flask")
    project.write("site-packages/library.py", LIBRARY)
    project.write("conftest.py", BETWEEN)
    project.write("shop.py", SHOP)
    project.write("test_shop.py", TESTS)
    project.run_apart("--stateless", "--stateless-report=json:leaks.json", "--stateless-requests=each")
    tests = project.report()["tests"]
    assert [error for test in tests for error in test["internal_errors"]] == []
    found = {
        test["nodeid"].partition("::test_")[2]: [
            (leak["subject"], leak["request"], (leak["origin"] or {}).get("function"))
            for leak in test["leaks"]
        ]
        for test in tests
    }
    del found["first"]
    assert found == TOLD
    notes = {
        leak["note"] for test in tests for leak in test["leaks"] if leak["origin"] and not leak["request"]
    }
    assert notes == {None}  # what the test did comes with no request
