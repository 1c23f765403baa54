"""Budgets bound what is asked and what is trained."""

import pytest

from solon.errors import Stopped
from solon.recipe import Budget
from solon.recipe.work import train
from solon.runs import open_run


def test_time_that_is_over_stops_a_training_which_the_same_call_goes_on_with(tmp_path):
    steps = []

    def training(*, out, progress):
        for step in range(len(steps) + 1, 4):
            steps.append(step)
            progress(step, 3, {})
        return {"steps": len(steps)}

    def call(budget):
        with open_run(tmp_path / "run", files={}) as run:
            return train(run, "02-finetune", {}, training, progress=lambda *told: None, budget=budget)

    with pytest.raises(Stopped, match="The 0 seconds of --max-time are over"):
        call(Budget(seconds=0))
    assert steps == [1]
    call(Budget(seconds=600))
    assert steps == [1, 2, 3]
