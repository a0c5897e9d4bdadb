"""One running product for all files of this folder: starting it takes longer than most of their tests.

So a test here minds only comments of names that no other test uses, and leaves none of them waiting in the queue.
"""

from collections.abc import Iterator

import pytest

from ..conftest import Product, running


@pytest.fixture(scope="package")
def product(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Product]:
    with running(tmp_path_factory.mktemp("product")) as made:
        yield made
