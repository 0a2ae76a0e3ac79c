"""A tea shop that keeps nothing in the process: cart and login in the cookie, orders in a database."""

import os

from flask import Flask

from shop import database, views


def create_app() -> Flask:
    """The shop, configured by the environment: every process gets the same key and the same database."""
    app = Flask(__name__)
    app.config.update(
        SECRET_KEY=os.environ["SECRET_KEY"],
        DATABASE_URL=os.environ.get("DATABASE_URL", "sqlite:///shop.db"),
    )
    app.register_blueprint(views.blueprint)
    app.cli.command("init-db")(database.create_tables)
    return app
