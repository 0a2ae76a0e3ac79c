"""Requests that a test sends with Flask's client: what of them is told, and what is not."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.conftest import CountedProject, Project

EACH = "--stateless-requests=each"

SHOP = """
import os
import threading
from unittest import mock
import flask
import pytest
app = flask.Flask("shop")
CARTS = {}
LAST = {"user": None}
KEPT = []
def note(user): pass

@app.route("/cart/<user>", methods=["GET", "POST"])
def cart(user):
    note(user)
    if flask.request.method == "POST":
        CARTS[user] = 1
    return "done"

@app.get("/last/<user>")
def last(user):
    LAST["user"] = user
    return "done"

@app.get("/count")
def count():
    CARTS["count"] = CARTS.get("count", 0) + 1
    return "done"

@app.get("/environment")
def environment():
    os.environ["SHOP_USER"] = "bob"
    return "done"

@app.get("/global")
def global_():
    flask.g.user = "bob"
    return "done"

@app.get("/stream")
def stream():
    def parts():
        for number in range(3):
            CARTS[number] = 1
            yield str(number)
    return parts()

client = app.test_client()
"""


LAZILY = """
class Settings:
    real = {"language": "en"}
    def __getattr__(self, name):
        value = self.__dict__[name] = type(self).real[name]
        return value
    def override(self, language):
        self.__dict__.clear()
        type(self).real = {"language": language} if language != "en" else ENGLISH
ENGLISH = Settings.real
settings = Settings()
"""


@pytest.fixture
def shop(project: Project) -> Project:
    """A project with a shop in Flask, whose tests ``write`` adds."""
    project.write("shop.py", SHOP)
    return project


def left(project: Project, test: str, *arguments: str) -> list[tuple[str, str | None]]:
    """What a test leaves behind, with the request that did it."""
    project.write(
        "test_shop.py", f"import os, threading\nfrom unittest import mock\nimport pytest, shop\n{test}"
    )
    project.run("--stateless", EACH, "--stateless-report=json:leaks.json", *arguments).assert_outcomes(
        passed=0 if project.report()["tests"] else 1, failed=len(project.report()["tests"])
    )
    return [
        (leak["subject"].removeprefix("shop."), leak["request"])
        for test_ in project.report()["tests"]
        for leak in test_["leaks"]
    ]


def test_each_request_has_its_number(shop: Project) -> None:
    test = """
def test_a():
    for user in ("bob", "eve"):
        shop.client.get(f"/cart/{user}")
        shop.client.post(f"/cart/{user}?token=secret")
"""
    assert left(shop, test) == [
        ("CARTS['bob']", "POST /cart/bob (2nd request)"),
        ("CARTS['eve']", "POST /cart/eve (4th request)"),
    ]


def test_the_line_is_told_with_the_request(counted: CountedProject) -> None:
    counted.write("shop.py", SHOP)
    counted.write("test_shop.py", "import shop\ndef test_a():\n    shop.client.post('/cart/bob')\n")
    counted.check(EACH)
    (leak,) = counted.report()["tests"][0]["leaks"]
    assert leak["request"] == "POST /cart/bob (1st request)"
    assert leak["origin"]["function"] == "cart"


def test_what_changes_to_and_fro_is_told_of_each(shop: Project) -> None:
    test = """
def test_a():
    for user in ("bob", "eve"):
        shop.client.get(f"/last/{user}")
"""
    assert left(shop, test) == [
        ("LAST['user']", "GET /last/bob (1st request)"),
        ("LAST['user']", "GET /last/eve (2nd request)"),
    ]


def test_state_of_the_application_is_told_though_the_test_puts_it_back(shop: Project) -> None:
    test = """
@pytest.fixture(autouse=True)
def clean():
    yield
    shop.CARTS.clear()
def test_a():
    shop.client.post("/cart/bob")
"""
    assert left(shop, test) == [("CARTS['bob']", "POST /cart/bob (1st request)")]


@pytest.mark.parametrize(
    "test",
    [
        pytest.param(
            """
def test_a(monkeypatch):
    monkeypatch.setattr(shop, "note", mock.Mock())
    shop.client.post("/cart/bob")
    del shop.CARTS["bob"]
""",
            id="a-mock",
        ),
        pytest.param(
            """
def test_a(monkeypatch):
    monkeypatch.setattr(shop, "CARTS", {})
    shop.client.post("/cart/bob")
    assert shop.CARTS == {"bob": 1}
""",
            id="another-container",
        ),
    ],
)
def test_what_a_request_does_to_the_tests_own_things_is_no_leak(test: str, shop: Project) -> None:
    found = [subject for subject, _ in left(shop, test) if subject != "CARTS['bob']"]
    assert found == []


@pytest.mark.parametrize(
    ("undo", "expected"),
    [
        pytest.param("os.environ.pop('SHOP_USER')", [], id="put-back"),
        pytest.param("pass", [("os.environ['SHOP_USER']", "GET /environment (1st request)")], id="stays"),
    ],
)
def test_what_else_a_request_leaves_is_told_if_it_stays(
    undo: str, expected: list[tuple[str, str]], shop: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SHOP_USER", "x")
    monkeypatch.delenv("SHOP_USER")
    test = f"""
def test_a():
    shop.client.get("/environment")
    {undo}
"""
    assert left(shop, test) == expected


def test_a_context_that_the_test_keeps_is_no_leak(shop: Project) -> None:
    test = """
def test_a():
    import flask
    with shop.client:
        shop.client.get("/global")
        assert flask.g.user == "bob"
        shop.client.get("/global")
    with shop.app.app_context():
        shop.client.get("/global")
"""
    assert left(shop, test) == []


def test_what_is_computed_anew_after_a_test_put_something_back_is_no_leak(shop: Project) -> None:
    """As Django's settings do, an object of a library keeps what it was asked for, until somebody overrides it."""
    shop.write("lib/site-packages/lazily.py", LAZILY)
    test = """
import sys; sys.path.insert(0, "lib/site-packages")
import lazily
shop.app.add_url_rule("/lazily", view_func=lambda: lazily.settings.language, endpoint="lazily")
def test_a():
    lazily.settings.override("fr")
    assert shop.client.get("/lazily").text == "fr"
    lazily.settings.override("en")
    assert lazily.settings.language == "en"
"""
    assert left(shop, test, "-p", "no:cacheprovider") == []


def test_a_body_is_read_within_its_request(shop: Project) -> None:
    test = """
def test_a():
    assert shop.client.get("/stream").text == "012"
    shop.client.get("/cart/bob")
"""
    assert left(shop, test) == [(f"CARTS[{number}]", "GET /stream (1st request)") for number in range(3)]


def test_requests_of_a_wider_fixture_are_of_no_test(shop: Project) -> None:
    test = """
@pytest.fixture(scope="module")
def filled():
    shop.client.post("/cart/bob")
    yield
    shop.client.post("/cart/eve")
def test_a(filled):
    shop.client.post("/cart/joe")
"""
    assert left(shop, test) == [("CARTS['joe']", "POST /cart/joe (1st request)")]


def test_an_unmarked_test_sees_the_real_function(shop: Project) -> None:
    shop.write(
        "test_shop.py",
        """
        import pytest, shop, werkzeug.test
        REAL = werkzeug.test.run_wsgi_app
        @pytest.mark.stateless
        def test_a():
            assert werkzeug.test.run_wsgi_app is not REAL
            shop.client.get("/cart/bob")
        def test_b():
            assert werkzeug.test.run_wsgi_app is REAL
            shop.client.post("/cart/bob")
        """,
    )
    shop.run(EACH).assert_outcomes(passed=2)


def test_threads_that_send_at_once_lose_nothing_and_count_nothing_twice(shop: Project) -> None:
    test = """
def test_a():
    def send(worker):
        for number in range(10):
            shop.app.test_client().post(f"/cart/{worker}-{number}")
    threads = [threading.Thread(target=send, args=(worker,)) for worker in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
"""
    shop.write("test_shop.py", f"import shop, threading\n{test}")
    shop.run("--stateless", EACH, "--stateless-report=json:leaks.json")
    (test_,) = shop.report()["tests"]
    told = 0
    for leak in test_["leaks"]:
        key = leak["subject"].removeprefix("shop.CARTS")
        if key:  # else the requests that overlapped left many, which are summed up
            assert f"POST /cart/{key[2:-2]} (" in leak["request"]
        told += 1 if key else int(leak["message"].removeprefix("+").partition(" ")[0])
    assert told == 60


def test_what_moves_with_every_request_is_told_from_what_moves_once(shop: Project) -> None:
    shop.write(
        "app.py",
        """
        import flask
        app = flask.Flask("app")
        STATE = {"ready": False}
        COUNT = []
        @app.get("/")
        def index():
            if not STATE["ready"]:
                STATE["ready"] = True
            COUNT.append(1)
            return "done"
        """,
    )
    shop.write(
        "test_app.py",
        """
        import app
        def test_a():
            client = app.app.test_client()
            client.get("/?token=1")
            client.get("/?token=2")
        """,
    )
    shop.run("--stateless", EACH, "--stateless-report=json:leaks.json")
    (test_,) = shop.report()["tests"]
    told = [(leak["subject"], leak["request"], leak["note"]) for leak in test_["leaks"]]
    assert [one for one in told if one[0].startswith("app.")] == [
        ("app.STATE['ready']", "GET / (1st request)", "only on first use"),
        ("app.COUNT", "GET / (1st request)", "with every request"),
        ("app.COUNT", "GET / (2nd request)", "with every request"),
    ]
