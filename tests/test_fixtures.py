"""An application that only a fixture has is watched like one that a module has."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.conftest import Project

SHOP = """
import flask

def create_app():
    app = flask.Flask("shop")
    carts = {}

    @app.get("/")
    def index(): return "ok"

    @app.get("/cart/<user>")
    def cart(user):
        carts[user] = True
        return "ok"

    @app.get("/config/<user>")
    def config(user):
        app.config["USER"] = user
        return "ok"

    return app
"""
FAST = """
import fastapi

def create_app():
    app, seen = fastapi.FastAPI(), []

    @app.get("/")
    def index(): return "ok"

    @app.get("/cart/{user}")
    def cart(user: str):
        seen.append(user)
        return "ok"

    @app.get("/config/{user}")
    async def config(user: str):
        app.state.user = user
        return "ok"

    return app
"""
TESTS = """
import pytest
from shop import create_app

pytestmark = pytest.mark.stateless

@pytest.fixture(scope="{scope}")
def app(): return create_app()

@pytest.fixture
def client(app):
    {client}

def test_first(client): client.get("/")
def test_cart(client): client.get("/"); client.get("/cart/bob")
def test_clean(client): client.get("/")
def test_config(client): client.get("/config/bob")
"""
FLASK_CLIENT = "return app.test_client()"
FASTAPI_CLIENT = """from fastapi.testclient import TestClient
    with TestClient(app) as client: yield client"""
CARTS = "module-state <fixtures>.app.view_functions['cart'].<closure>.carts['bob']"
CONFIG = "module-state <fixtures>.app.config['USER']"
SEEN = "module-state <fixtures>.app.router.routes[5].endpoint.<closure>.seen"
STATE = "module-state <fixtures>.app.state._state['user']"


def lines(project: Project) -> list[str]:
    """Where the leaks of the report came from."""
    leaks = [leak for test in project.report()["tests"] for leak in test["leaks"]]
    return [f"{leak['origin']['file']} {leak['origin']['function']} {leak['request']}" for leak in leaks]


@pytest.mark.parametrize(
    ("scope", "arguments"), [("session", ()), ("module", ("--stateless-requests=each",))], ids=str
)
def test_what_requests_leave_on_the_application_of_a_fixture_is_told_with_its_line(
    project: Project, scope: str, arguments: tuple[str, ...]
) -> None:
    """The last test too, though the fixture is torn down with it, and made anew for the second run."""
    pytest.importorskip("flask")
    project.write("shop.py", SHOP)
    project.write("test_shop.py", TESTS.format(scope=scope, client=FLASK_CLIENT))
    found = project.found(*arguments)
    assert found == {
        "test_shop.py::test_cart": [CARTS],
        "test_shop.py::test_config": [CONFIG],
    }
    assert lines(project) == [
        "shop.py cart GET /cart/bob (2nd request)",
        "shop.py config GET /config/bob (1st request)",
    ]


def test_an_application_of_asgi_in_a_client_of_the_module(project: Project) -> None:
    pytest.importorskip("fastapi")
    project.write("shop.py", FAST)
    text = TESTS.format(scope="session", client=FASTAPI_CLIENT)
    project.write("test_shop.py", text.replace("def client(app):", "def client():\n    app = create_app()"))
    text = project.path.joinpath("test_shop.py").read_text("utf-8")
    project.write(
        "test_shop.py", text.replace("@pytest.fixture\ndef", '@pytest.fixture(scope="module")\ndef')
    )
    found = project.found("-W", "ignore")
    assert [len(leaks) for leaks in found.values()] == [1, 1]
    told = [leak for leaks in found.values() for leak in leaks]
    assert told[0].startswith("module-state <fixtures>.client.")
    assert told[1] == STATE.replace(".app.", ".client.")


def test_the_state_of_an_application_goes_with_its_test_unless_requests_count(project: Project) -> None:
    pytest.importorskip("flask")
    project.write("shop.py", SHOP)
    project.write("test_shop.py", TESTS.format(scope="function", client=FLASK_CLIENT))
    assert project.found() == {}
    found = project.found("--stateless-requests=each")
    assert found == {
        "test_shop.py::test_cart": [CARTS],
        "test_shop.py::test_config": [CONFIG],
    }
    assert lines(project) == [
        "shop.py cart GET /cart/bob (2nd request)",
        "shop.py config GET /config/bob (1st request)",
    ]


def test_what_has_a_name_in_the_program_goes_by_that(project: Project) -> None:
    pytest.importorskip("flask")
    project.write("shop.py", f"{SHOP}\napp = create_app()\n")
    text = TESTS.format(scope="session", client=FLASK_CLIENT)
    project.write("test_shop.py", text.replace("return create_app()", "import shop; return shop.app"))
    found = project.found()
    assert found["test_shop.py::test_config"] == ["module-state shop.app.config['USER']"]


def test_the_allowance_that_a_report_suggests_covers_it(project: Project) -> None:
    pytest.importorskip("flask")
    project.write("shop.py", SHOP)
    project.write("test_shop.py", TESTS.format(scope="session", client=FLASK_CLIENT))
    result = project.run("-k", "config")
    result.stdout.fnmatch_lines(['*allow=[[]"module-state:<fixtures>.app.config[*]"[]].*'])
    project.run("-k", "config", "--stateless-allow", "module-state:<fixtures>.app.config*").assert_outcomes(
        passed=1
    )


def test_an_unmarked_test_first_and_one_after_another_fixture(project: Project) -> None:
    """The application of a fixture that an unchecked test set up is watched from the first checked test on."""
    pytest.importorskip("flask")
    project.write("shop.py", SHOP)
    project.write(
        "test_shop.py",
        """
        import pytest
        from shop import create_app

        @pytest.fixture(scope="session", params=[1, 2])
        def app(request): return create_app()

        def test_unchecked(app): app.test_client().get("/")

        @pytest.mark.stateless
        def test_leaks(app): app.test_client().get("/config/bob")

        @pytest.mark.stateless
        def test_clean(app): app.test_client().get("/")
        """,
    )
    found = {name.partition("::")[2]: leaks for name, leaks in project.found("-p", "no:randomly").items()}
    assert found == {
        "test_leaks[1]": [CONFIG],
        "test_leaks[2]": [CONFIG],
    }
