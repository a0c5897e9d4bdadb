"""The web door for a WSGI server: `gunicorn wsgi:app`."""

from moderation.app import create_app

app = create_app()
