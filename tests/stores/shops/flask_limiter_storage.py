"""needs: flask, flask_limiter"""

import flask
import flask_limiter
from flask_limiter.util import get_remote_address

app = flask.Flask(__name__)
limiter = flask_limiter.Limiter(get_remote_address, app=app, storage_uri="memory://")


@app.get("/login")
@limiter.limit("5 per minute")
def login():
    return "welcome"


def count_a_request():
    """leaks:
    shop.limiter._storage.storage['LIMITER/127.0.0.1/login/5/1/minute']
    shop.limiter._storage.*['LIMITER/127.0.0.1/login/5/1/minute']
    """
    assert app.test_client().get("/login").status_code == 200


def forget():
    with app.app_context():
        limiter.reset()
