from functools import partial

import pytest
from small_run import write


@pytest.fixture
def written(tmp_path):
    """Write the small run; what is given takes the place of what it has."""
    return partial(write, tmp_path / "run")
