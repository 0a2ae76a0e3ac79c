"""Secrets that a test sends, by hand or by itself, with the packages that are always there."""

from __future__ import annotations

import json
import sys
import threading
import types
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from pytest_stateless.detectors import Context, retained_secret
from pytest_stateless.findings import Findings
from pytest_stateless.heap.scope import Scope
from pytest_stateless.heap.snapshot import Heap
from pytest_stateless.leak import Leak
from pytest_stateless.quarantine import Looking, Quarantine
from pytest_stateless.recording import Recording
from pytest_stateless.requests import Clients, RequestWindows, Sent
from pytest_stateless.seeking import RULE, Seeking
from pytest_stateless.source import Sources
from pytest_stateless.window import Windows

if TYPE_CHECKING:
    from tests.conftest import Project

SHOP = """
import pytest
KEPT = []
SEEN = {}
def login(password):
    KEPT.append({"password": password})
"""


def secrets_of(project: Project, *arguments: str) -> dict[str, list[str]]:
    """What was told of secrets, by the name of the test."""
    project.run("--stateless-report=json:leaks.json", *arguments)
    return {
        test["nodeid"].partition("::")[2]: [
            f"{leak['subject'].removeprefix('test_shop.')}: {leak['message']}; {leak['request']}"
            for leak in test["leaks"]
            if leak["rule"] == "retained-secret"
        ]
        for test in project.report()["tests"]
    }


def test_a_canary_is_looked_for_after_a_request_and_at_the_end(project: Project) -> None:
    project.write(
        "test_shop.py",
        f"""{SHOP}
@pytest.fixture
def clean():
    yield
    KEPT.clear()
def test_request(stateless, clean):
    password = stateless.canary("password")
    assert password.startswith("canary-") and password != stateless.canary("other")
    with stateless.request("POST /login"):
        login(password)
def test_end(stateless):
    login(stateless.canary())
def test_undone(stateless, clean):
    login(stateless.canary())
def test_configured_before(stateless, monkeypatch):
    monkeypatch.setitem(SEEN, "key", stateless.canary("key"))
    monkeypatch.setenv("API_KEY", SEEN["key"])
    with stateless.request("GET /"):
        pass
""",
    )
    assert secrets_of(project) == {
        "test_request": ["KEPT[0]['password']: the password is still reachable; POST /login (1st request)"],
        "test_end": ["KEPT[0]['password']: the canary is still reachable; None"],
        "test_undone": [],
    }


def test_no_report_has_a_secret_in_it(project: Project) -> None:
    project.write(
        "test_shop.py",
        f"""{SHOP}
def test_a(stateless):
    password = stateless.canary("password")
    print(len(password))
    SEEN[password] = password
    open(password, "w").close()
""",
    )
    result = project.run("--stateless-show-values", "--stateless-report=json:leaks.json")
    assert "canary-" not in project.path.joinpath("leaks.json").read_text()
    assert "canary-" not in result.stdout.str()
    subjects = {leak["subject"] for test in project.report()["tests"] for leak in test["leaks"]}
    assert subjects == {"test_shop.SEEN['***']", "file ***", "***"}


@pytest.mark.skipif(sys.platform == "win32", reason="the child is a fork")
def test_a_served_application_looks_for_what_was_made_before(project: Project) -> None:
    project.write(
        "test_shop.py",
        f"""{SHOP}
import urllib.request
def app(environ, start_response):
    SEEN[environ["HTTP_COOKIE"]] = 1
    start_response("200 OK", [])
    return [b"done"]
def test_served(stateless):
    cookie = "session=" + stateless.canary("cookie")
    with stateless.serve(app, server="wsgiref") as server:
        request = urllib.request.Request(server.url, headers={{"Cookie": cookie}})
        urllib.request.urlopen(request).read()
""",
    )
    assert secrets_of(project, "--stateless-no-blame") == {
        "test_served": ["SEEN['session=***']: the cookie of GET / is still reachable; GET / (1st request)"]
    }
    assert "canary-" not in project.path.joinpath("leaks.json").read_text()


@pytest.mark.parametrize("options", [["--stateless-off"], []], ids=["off", "opted-out"])
def test_without_a_check_a_canary_is_but_a_text(options: list[str], project: Project) -> None:
    project.write(
        "test_shop.py",
        f"""{SHOP}
@pytest.mark.stateless
def test_checked(): pass
@pytest.mark.stateless(False)
def test_a(stateless):
    login(stateless.canary("password"))
    assert KEPT[0]["password"].startswith("canary-")
""",
    )
    project.run(*options).assert_outcomes(passed=2)


# ------------------------------------------------------------------------- windows of requests, without pytest


class Shop:
    """A test that sends requests to an application, which keeps things in one module."""

    def __init__(self, tmp_path: Path, automatic: bool = False) -> None:
        module: Any = types.ModuleType("stateless_shop")
        module.__file__ = "/srv/stateless_shop.py"
        module.kept = []
        self.module = module
        scope = Scope(frozenset({"stateless_shop"}))
        sources = Sources(str(tmp_path))
        context = Context(sources, Recording(sources), (), lambda: Heap(sys.modules, scope))
        self.windows = Windows(context, [retained_secret], sleep=lambda _: None)
        self.quarantine = Quarantine(context)
        looking = Looking(self.windows, self.quarantine, {RULE})
        self.canaries = context.canaries
        self.seeking = Seeking(context.canaries, Clients(), looking, automatic)
        self.findings = Findings()
        self.requests = RequestWindows(Looking(self.windows, self.quarantine), self._report)
        self.seeking.begin(self.requests, self._report)
        self.window = self.windows.open()

    def _report(self, closing: Callable[..., Findings], window: Any, name: str) -> None:
        self.findings.add(closing(window, (), name))

    def send(self, name: str, password: str, keep: Callable[[str], object] = lambda _: None) -> None:
        """Send a request, which the application does something with."""
        body = json.dumps({"password": password}).encode()
        self.requests.hear(name, lambda: Sent("", (("content-type", "application/json"),), body))
        with self.requests.request(name, by_client=True):
            keep(password)

    def told(self) -> list[str]:
        """End the test: what was told."""
        self.seeking.finish()
        self.findings.add(self.windows.close(self.window))
        self.seeking.end(self.findings.leaks)
        assert not self.canaries.secrets
        return [f"{leak.subject}: {leak.message}" for leak in self.findings.leaks]


@pytest.fixture
def shops(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[bool], Shop]]:
    """Makes such a test, with secrets looked for by themselves or not."""
    made = []

    def make(automatic: bool) -> Shop:
        made.append(Shop(tmp_path, automatic))
        monkeypatch.setitem(sys.modules, "stateless_shop", made[-1].module)
        return made[-1]

    yield make
    for shop in made:
        shop.windows.abandon()
        shop.windows.let_go()


Shops = Callable[[bool], Shop]


def test_what_is_sent_is_looked_for_by_itself(shops: Shops) -> None:
    shop = shops(True)
    shop.send("POST /login", "hunter2", shop.module.kept.append)
    shop.send("POST /again", "hunter2")
    assert shop.told() == ["stateless_shop.kept[0]: the password of POST /login is still reachable"]


def test_what_is_sent_is_not_looked_for_where_nobody_asked(shops: Shops) -> None:
    shop = shops(False)
    shop.send("POST /login", "hunter2", shop.module.kept.append)
    assert shop.told() == []


def test_what_was_there_before_it_was_sent_is_told_of_other_places_only(shops: Shops) -> None:
    shop = shops(True)
    shop.module.PASSWORD = "hunter2"
    shop.send("POST /login", shop.module.PASSWORD)
    shop.send("POST /login", shop.module.PASSWORD, shop.module.kept.append)
    assert shop.told() == ["stateless_shop.kept[0]: the password of POST /login is still reachable"]


def test_a_canary_is_named_after_the_request_that_sent_it(shops: Shops) -> None:
    shop = shops(False)
    shop.seeking.look_for("secret", "canary-1")
    assert shop.seeking._requests is not None
    assert shop.seeking._requests.lock is shop.requests.lock
    shop.send("GET /", "other-1")
    shop.send("POST /login", "canary-1", shop.module.kept.append)
    assert shop.told() == ["stateless_shop.kept[0]: the secret of POST /login is still reachable"]


def test_what_can_not_be_read_is_told_and_harms_no_request(shops: Shops) -> None:
    shop = shops(True)
    shop.requests.hear("POST /login", lambda: 1 / 0)  # type: ignore[arg-type,return-value]
    shop.send("POST /login", "hunter2", shop.module.kept.append)
    assert len(shop.told()) == 1
    assert [error.detector for error in shop.findings.errors] == [RULE]


def test_requests_of_many_threads_lose_nothing(shops: Shops) -> None:
    shop = shops(True)

    def send(number: int) -> None:
        for position in range(5):
            shop.send(f"POST /{number}", f"hunter-{number}-{position}", shop.module.kept.append)

    threads = [threading.Thread(target=send, args=(number,)) for number in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    told = shop.told()
    assert shop.findings.errors == []
    assert sorted(told) == sorted(
        f"stateless_shop.kept[{position}]: the password of POST /{password.split('-')[1]} is still reachable"
        for position, password in enumerate(shop.module.kept)
    )


def test_a_secret_is_in_no_other_leak(shops: Shops) -> None:
    shop = shops(False)
    shop.seeking.look_for("secret", "canary-1")
    leaks = [Leak("module-state", "shop.KEPT['canary-1']", "added: str 'canary-1'")]
    shop.seeking.end(leaks)
    assert leaks == [Leak("module-state", "shop.KEPT['***']", "added: str '***'")]
