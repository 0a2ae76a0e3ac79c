"""Windows inside a test: by hand and around an application."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.conftest import Project

pytestmark = pytest.mark.own_memory

SHOP = """
import asyncio
import pytest
CARTS = {}
def wsgi(environ, start_response):
    CARTS[environ["PATH_INFO"]] = 1
    start_response("200 OK", [])
    return [b"done"]
async def asgi(scope, receive, send):
    CARTS[scope["path"]] = 1
def post(app, path):
    return list(app({"REQUEST_METHOD": "POST", "PATH_INFO": path}, lambda status, headers: None))
"""


def requests_of(project: Project, *arguments: str) -> dict[str, str | None]:
    """The request of each leak of the one leaking test."""
    project.run("--stateless-report=json:leaks.json", *arguments)
    (test,) = project.report()["tests"]
    return {leak["subject"].removeprefix("test_shop."): leak["request"] for leak in test["leaks"]}


def test_a_leak_names_its_request(project: Project) -> None:
    project.write(
        "test_shop.py",
        f"""{SHOP}
def test_a(stateless):
    with stateless.request("GET /"):
        pass
    with stateless.request("POST /login"):
        CARTS["bob"] = 1
    CARTS["eve"] = 1
""",
    )
    assert requests_of(project) == {"CARTS['bob']": "POST /login (2nd request)", "CARTS['eve']": None}
    project.run().stdout.fnmatch_lines(
        [
            "test_shop.py::test_a left 2 things behind",
            "module-state  test_shop.CARTS['bob']  added: int",
            "              during POST /login (2nd request)",
            "module-state  test_shop.CARTS['eve']  added: int",
        ]
    )


def test_what_an_inner_window_reported_the_outer_does_not(project: Project) -> None:
    project.write(
        "test_shop.py",
        f"""{SHOP}
def test_a(stateless):
    with stateless.request("POST /order"):
        CARTS["outer"] = 1
        with stateless.request("GET /stock"):
            CARTS["inner"] = 1
""",
    )
    assert requests_of(project) == {
        "CARTS['outer']": "POST /order (1st request)",
        "CARTS['inner']": "GET /stock (2nd request)",
    }


def test_every_request_of_a_wrapped_wsgi_application_is_a_window(project: Project) -> None:
    project.write(
        "test_shop.py",
        f"""{SHOP}
def test_a(stateless):
    app = stateless.wrap(wsgi)
    assert post(app, "/a") == [b"done"]
    post(app, "/b")
""",
    )
    assert requests_of(project) == {
        "CARTS['/a']": "POST /a (1st request)",
        "CARTS['/b']": "POST /b (2nd request)",
    }


@pytest.mark.parametrize("call", ["stateless.wrap(asgi)", "stateless.wrap(asgi, interface='asgi')"])
def test_every_request_of_a_wrapped_asgi_application_is_a_window(call: str, project: Project) -> None:
    project.write(
        "test_shop.py",
        f"""{SHOP}
def test_a(stateless):
    app = {call}
    asyncio.run(app({{"type": "http", "method": "GET", "path": "/a"}}, None, None))
""",
    )
    assert requests_of(project) == {"CARTS['/a']": "GET /a (1st request)"}


def test_a_state_that_a_request_leaves_is_a_leak_even_where_the_fixture_clears_it(project: Project) -> None:
    project.write(
        "test_shop.py",
        f"""{SHOP}
@pytest.fixture
def clean():
    yield
    CARTS.clear()
def test_a(clean, stateless):
    with stateless.request("POST /login"):
        CARTS["bob"] = 1
""",
    )
    assert requests_of(project) == {"CARTS['bob']": "POST /login (1st request)"}


def test_requests_are_counted_for_each_test(project: Project) -> None:
    project.write(
        "test_shop.py",
        f"""{SHOP}
@pytest.mark.stateless
class TestShop:
    def test_a(self, stateless):
        with stateless.request("GET /"): pass
    def test_b(self, stateless):
        with stateless.request("GET /"): CARTS["bob"] = 1
""",
    )
    assert requests_of(project) == {"CARTS['bob']": "GET / (1st request)"}


def test_an_allowance_holds_within_a_request(project: Project) -> None:
    project.write(
        "test_shop.py",
        f"""{SHOP}
@pytest.mark.stateless(allow="module-state:test_shop.CARTS*")
def test_a(stateless):
    with stateless.request("POST /login"):
        CARTS["bob"] = 1
""",
    )
    project.run().assert_outcomes(passed=1)


def test_a_request_that_raises_is_closed_and_its_leaks_are_told(project: Project) -> None:
    project.write(
        "test_shop.py",
        f"""{SHOP}
def test_a(stateless):
    with pytest.raises(ValueError), stateless.request("POST /login"):
        CARTS["bob"] = 1
        raise ValueError
""",
    )
    assert requests_of(project) == {"CARTS['bob']": "POST /login (1st request)"}


def test_a_request_never_ended_ends_with_the_test(project: Project) -> None:
    project.write(
        "test_shop.py",
        f"""{SHOP}
KEPT = []
def test_a(stateless):
    window = stateless.request("POST /login")
    window.__enter__()
    CARTS["bob"] = 1
    stateless.kept = window
""",
    )
    assert requests_of(project) == {"CARTS['bob']": "POST /login (1st request)"}


@pytest.mark.parametrize(
    ("call", "error", "text"),
    [
        pytest.param("wrap(3)", "TypeError", "takes a WSGI or ASGI application, not int", id="no-callable"),
        pytest.param(
            "wrap(wsgi, interface='cgi')",
            "ValueError",
            "interface='cgi': write 'wsgi' or 'asgi'",
            id="interface",
        ),
    ],
)
@pytest.mark.parametrize("options", [[], ["--stateless-off"]], ids=["checked", "off"])
def test_what_is_no_application_is_refused_checked_or_not(
    call: str, error: str, text: str, options: list[str], project: Project
) -> None:
    project.write(
        "test_shop.py",
        f"{SHOP}\ndef test_a(stateless):\n    with pytest.raises({error}, match={text!r}):\n        stateless.{call}\n",
    )
    project.run(*options).assert_outcomes(passed=1)


def test_a_test_that_opted_out_has_a_fixture_that_does_nothing(project: Project) -> None:
    project.write(
        "test_shop.py",
        f"""{SHOP}
@pytest.mark.stateless
def test_a(): pass
@pytest.mark.stateless(False)
def test_b(stateless):
    assert stateless.wrap(wsgi) is wsgi
    with stateless.request("POST /login"):
        CARTS["bob"] = 1
""",
    )
    project.run().assert_outcomes(passed=2)
