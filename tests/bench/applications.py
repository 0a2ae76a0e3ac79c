"""Small applications of three frameworks, and the tests that are run on them."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import Final

FLASK: Final = """
import flask
app = flask.Flask("shop")

@app.get("/")
def index():
    return "hello"
"""
CATALOGUE: Final = f"""
{FLASK}
PRODUCTS = {{f"product-{{n}}": {{"price": n, "tags": ["a", "b"]}} for n in range(1000)}}
"""
FASTAPI: Final = """
import fastapi
import pydantic

class Item(pydantic.BaseModel):
    name: str
    price: float = 0.0

app = fastapi.FastAPI()

@app.get("/")
def index() -> Item:
    return Item(name="cup")
"""
DJANGO: Final = """
import django
from django.conf import settings
settings.configure(
    DATABASES={"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": ":memory:"}},
    INSTALLED_APPS=["django.contrib.admin", "django.contrib.auth", "django.contrib.contenttypes",
                    "django.contrib.sessions", "django.contrib.messages", "rest_framework"],
    ROOT_URLCONF="shop", SECRET_KEY="x",
    TEMPLATES=[{"BACKEND": "django.template.backends.django.DjangoTemplates", "APP_DIRS": True}],
)
django.setup()
import django.contrib.admin.sites
import rest_framework.views
import rest_framework.viewsets
import rest_framework.serializers
import rest_framework.routers
import django.test
urlpatterns = []
"""
_APPLICATIONS: Final = {
    "Flask": ("flask", FLASK),
    "FastAPI": ("fastapi", FASTAPI),
    "Django with DRF": ("rest_framework", DJANGO),
}

_TESTS: Final = """
import pytest
import shop
{mark}
@pytest.mark.parametrize("n", range({tests}))
def test_trivial(n):
    assert n >= 0
"""


def installed() -> dict[str, str]:
    """Sources of the applications whose frameworks are here, by name; says which are not."""
    found = {}
    for name, (package, source) in _APPLICATIONS.items():
        if importlib.util.find_spec(package) is None:
            print(f"{name}: not installed")
        else:
            found[name] = source
    return found


_REQUESTS: Final = """
import pytest
import shop
{mark}
def test_requests():
    client = shop.app.test_client()
    for _ in range({requests}):
        client.get("/")
"""


def write(directory: Path, source: str) -> None:
    """Make the application's one module."""
    (directory / "shop.py").write_text(source)


def write_tests(directory: Path, name: str, tests: int, mark: str = "") -> str:
    """Make so many trivial tests of the application; returns the name of the file."""
    (directory / name).write_text(_TESTS.format(mark=mark, tests=tests))
    return name


def write_requests(directory: Path, name: str, requests: int, mark: str = "") -> str:
    """Make a test that sends so many requests to the application, one in Flask; returns the name of the file."""
    (directory / name).write_text(_REQUESTS.format(mark=mark, requests=requests))
    return name
