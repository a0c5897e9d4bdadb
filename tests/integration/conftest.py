"""The web application of a test, on the test's database."""

from collections.abc import Iterator

import pytest
from flask import Flask

from moderation.settings import Settings
from tests.conftest import Recorder, furnished


@pytest.fixture
def app(settings: Settings, sender: Recorder) -> Iterator[Flask]:
    """The application, its nudges recorded."""
    application = furnished(settings, sender)
    application.testing = True
    # Werkzeug's test client propagates exceptions in testing mode; here a 500 must look like one.
    application.config["PROPAGATE_EXCEPTIONS"] = False
    yield application
    application.extensions["database"].dispose()
