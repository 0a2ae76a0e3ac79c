"""The wheel as a user gets it: installed in a bare environment, seen through pytest's exit code and output."""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
from importlib.metadata import distribution
from pathlib import Path

import pytest

if os.environ.get("STATELESS_WHEEL") != "1":
    pytest.skip("needs the installed wheel: tox run -e wheel", allow_module_level=True)

LEAKS = """\
import pytest
CARTS = {}
@pytest.mark.stateless
def test_checkout():
    CARTS["bob"] = ["tea"]
"""

FRAMEWORKS = {"aiohttp", "asgi_lifespan", "django", "fastapi", "flask", "httpx", "httpx2", "starlette"}
FRAMEWORKS |= {"asyncpg", "psycopg", "psycopg2", "rest_framework", "sqlalchemy", "webtest", "werkzeug"}
REQUESTS = f"""\
import asyncio, sys
from wsgiref.util import setup_testing_defaults
CARTS = {{}}

def web(environ, start_response):
    CARTS[environ["PATH_INFO"]] = 1
    start_response("200 OK", [])
    return [b"done"]

async def api(scope, receive, send):
    CARTS[scope["path"]] = 1

def test_web(stateless):
    environ = {{"PATH_INFO": "/web"}}
    setup_testing_defaults(environ)
    assert list(stateless.wrap(web)(environ, lambda status, headers: None)) == [b"done"]

def test_api(stateless):
    scope = {{"type": "http", "method": "GET", "path": "/api"}}
    asyncio.run(stateless.wrap(api)(scope, None, None))

def test_by_hand(stateless):
    with stateless.request("GET /hand"):
        CARTS["/hand"] = 1

def test_nothing_was_imported_for_it():
    assert not {FRAMEWORKS} & set(sys.modules)
"""


def run_pytest(directory: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", *arguments]
    return subprocess.run(command, cwd=directory, capture_output=True, text=True, check=False)


def test_a_leaking_test_of_five_lines_fails(tmp_path: Path) -> None:
    (tmp_path / "test_shop.py").write_text(LEAKS, encoding="utf-8")
    result = run_pytest(tmp_path)
    assert result.returncode == 1, result.stdout + result.stderr
    assert "1 failed" in result.stdout
    assert "passed" not in result.stdout
    assert "module-state  test_shop.CARTS['bob']" in result.stdout


def test_the_same_test_passes_when_the_plugin_is_off(tmp_path: Path) -> None:
    (tmp_path / "test_shop.py").write_text(LEAKS, encoding="utf-8")
    result = run_pytest(tmp_path, "--stateless-off")
    assert result.returncode == 0, result.stdout + result.stderr
    assert "1 passed" in result.stdout


def test_requests_are_windows_without_any_framework(tmp_path: Path) -> None:
    assert not [name for name in FRAMEWORKS if importlib.util.find_spec(name)]
    (tmp_path / "test_shop.py").write_text(REQUESTS, encoding="utf-8")
    result = run_pytest(tmp_path, "--stateless", "--stateless-requests=each")
    assert "3 failed, 1 passed" in result.stdout, result.stdout + result.stderr
    for request in ("GET /web", "GET /api", "GET /hand"):
        assert f"during {request} (1st request)" in result.stdout


def test_the_wheel_holds_the_package_and_nothing_else() -> None:
    files = distribution("pytest-stateless").files or []
    tops = {file.parts[0] for file in files}
    assert {top for top in tops if not top.endswith(".dist-info")} == {"pytest_stateless"}
    assert "pytest_stateless/py.typed" in {file.as_posix() for file in files}


def test_the_imported_package_is_the_installed_one() -> None:
    import pytest_stateless

    assert Path(pytest_stateless.__file__).is_relative_to(sys.prefix)


def test_two_dependencies_at_run_time() -> None:
    required = distribution("pytest-stateless").requires or []
    assert sorted(line.split(">")[0] for line in required if "extra ==" not in line) == ["psutil", "pytest"]
