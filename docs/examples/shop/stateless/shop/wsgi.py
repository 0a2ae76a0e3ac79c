"""The application for a server: `flask --app shop.wsgi run`, `gunicorn shop.wsgi:app`."""

from shop import create_app

app = create_app()
