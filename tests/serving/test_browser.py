"""A real browser, where there is one: it opens connections that it may not need, and asks for much at once."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.conftest import Project

BROWSER = shutil.which("chromium") or ""

pytestmark = [pytest.mark.slow, pytest.mark.skipif(not BROWSER, reason="chromium isn't installed")]


def test_a_page_in_a_browser(project: Project) -> None:
    project.write(
        "test_shop.py",
        f"""
import os, subprocess
import pytest
VISITS = []
PAGE = b'''<link rel=stylesheet href=/style.css><img src=/tea.png><p id=p></p>
<script>fetch('/api').then(r => r.text()).then(t => document.getElementById('p').textContent = t)</script>'''
def clean(environ, start_response):
    pages = {{"/": (PAGE, "text/html"), "/api": (b"fetched", "text/plain")}}
    body, kind = pages.get(environ["PATH_INFO"], (b"", "text/plain"))
    start_response("200 OK", [("Content-Type", kind), ("Content-Length", str(len(body)))])
    return [body]
def leaky(environ, start_response):
    if environ["PATH_INFO"] == "/api":
        VISITS.append(1)
    return clean(environ, start_response)
@pytest.mark.stateless
@pytest.mark.parametrize("app", [clean, leaky])
def test_page(stateless, tmp_path, app):
    with stateless.serve(app) as server:
        options = ["--headless", "--no-sandbox", f"--user-data-dir={{tmp_path}}", "--virtual-time-budget=5000"]
        shown = subprocess.run(
            [{BROWSER!r}, *options, "--dump-dom", server.url],
            stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, env={{**os.environ, "HOME": str(tmp_path)}},
        )
        assert b"fetched" in shown.stdout
""",
    )
    found = project.found("--stateless-scope=application")
    assert found == {"test_shop.py::test_page[leaky]": ["module-state test_shop.VISITS"]}
    (leak,) = project.report()["tests"][0]["leaks"]
    assert "GET /api" in leak["request"]
