"""The web application of a test, on the test's database."""

import pytest
from flask import Flask

from moderation.app import create_app
from moderation.settings import Settings
from tests.conftest import Recorder


@pytest.fixture
def app(settings: Settings, sender: Recorder) -> Flask:
    """The application, its nudges recorded."""
    application = create_app(settings, sender=sender)
    application.testing = True
    # Werkzeug's test client propagates exceptions in testing mode; here a 500 must look like one.
    application.config["PROPAGATE_EXCEPTIONS"] = False
    return application
