"""The shop under test: whichever version is on the path (`pytest -o pythonpath=leaky`)."""

import os
from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import pytest
from flask import Flask
from flask.testing import FlaskClient
from shop import create_app


@pytest.fixture
def database(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """An empty database for each test: a schema in the PostgreSQL of DATABASE_URL, or an SQLite file."""
    url = os.environ.get("DATABASE_URL", "")
    if not url.startswith("postgres"):
        monkeypatch.setenv("DATABASE_URL", f"sqlite:///{tmp_path / 'shop.db'}")
        yield
        return

    import psycopg

    schema = f"test_{uuid4().hex}"
    monkeypatch.setenv("PGOPTIONS", f"-c search_path={schema}")
    with psycopg.connect(url, autocommit=True) as server:
        server.execute(f"CREATE SCHEMA {schema}".encode())
        yield
        server.execute(f"DROP SCHEMA {schema} CASCADE".encode())


@pytest.fixture
def app(database: None, monkeypatch: pytest.MonkeyPatch) -> Flask:
    monkeypatch.setenv("SECRET_KEY", "only for the tests")
    monkeypatch.setenv("METRICS_PORT", "0")
    app = create_app()
    if "init-db" in app.cli.commands:  # the leaky version has no database
        app.test_cli_runner().invoke(args=["init-db"], catch_exceptions=False)
    return app


@pytest.fixture
def client(app: Flask) -> FlaskClient:
    return app.test_client()
