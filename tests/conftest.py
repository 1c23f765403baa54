"""Data that lies beside the checkout of those who develop Solon, and is read in place."""

from pathlib import Path

import pytest


@pytest.fixture
def shared_data():
    """Give the path of a file in the nearest `shared/data` above this one; without it, skip the test."""

    def find(name):
        for folder in Path(__file__).resolve().parents:
            if (path := folder / "shared" / "data" / name).exists():
                return path
        pytest.skip(f"no shared/data/{name} in any folder above")

    return find
