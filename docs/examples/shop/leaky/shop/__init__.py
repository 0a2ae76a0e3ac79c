"""A tea shop that keeps its state with the process: in memory, on the local disk, behind a port."""

import secrets

from flask import Flask

from shop import views


def create_app() -> Flask:
    app = Flask(__name__)
    app.config["SECRET_KEY"] = secrets.token_hex()
    app.register_blueprint(views.blueprint)
    return app
