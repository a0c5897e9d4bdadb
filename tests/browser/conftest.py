"""What all tests in a browser agree on, and the desk of those that need no workers."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, expect

from .desk import Desk, House, opened, seated

expect.set_options(timeout=20_000)  # a busy machine is no failure; what must be quick says so itself


@pytest.fixture(scope="module")
def house(sqlite_template: Path, tmp_path_factory: pytest.TempPathFactory, chromium: Browser) -> Iterator[House]:
    """The application in this process, for a file of tests."""
    with opened(sqlite_template, tmp_path_factory.mktemp("desk"), chromium) as made:
        yield made


@pytest.fixture
def desk(house: House) -> Iterator[Desk]:
    """A site of its own for a test, with three people and their windows."""
    with seated(house) as made:
        yield made
