"""Skips everything here where the extra [detoxify] is not installed, without loading it to find out."""

from importlib.util import find_spec

import pytest


@pytest.fixture(autouse=True, scope="session")
def _installed() -> None:
    if any(find_spec(name) is None for name in ("detoxify", "onnx", "torch")):
        pytest.skip("the extra [detoxify] is not installed")
