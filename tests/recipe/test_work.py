"""Rows are written as they end; budgets bound what is asked and what is trained."""

import json

import pytest

from solon.chains import Completion, Sampling, generate
from solon.errors import Stopped
from solon.models.fake import Fake
from solon.recipe import Budget
from solon.recipe.named_model import ModelOptions, named
from solon.recipe.work import Asking, Helper, ask, train
from solon.records import Response, user
from solon.runs import open_run, tables
from solon.stages.critique import CritiqueConfig


def asking(chain, **options):
    rows = [{"id": f"p{n}", "prompt": [user(f"{n}")], "drop_reason": None, "kind": "helpful"} for n in range(12)]
    return Asking(
        rows=rows,
        chain=chain,
        config=CritiqueConfig(),
        questions=lambda row: 1,
        row_type=Response,
        **options,
    )


def answered(row, *, config):
    said = yield from generate(row["prompt"], Sampling(), seed=0)
    return {"id": row["id"], "prompt": row["prompt"], "drop_reason": None, "model": "m", "response": said.text}


def fake(reply):
    helper = Helper(named("fake"), ModelOptions(group=4))
    helper.model = Fake(reply)
    return helper


def test_rows_are_in_files_while_others_are_asked_about_and_all_at_once_come_to_the_same_bytes(tmp_path, monkeypatch):
    monkeypatch.setattr(tables, "ROWS_PER_FILE", 4)
    files = []

    def reply(request):
        files.append(len(list((tmp_path / "one" / "01").glob("*.partial"))))
        return Completion(str(request.conversation))

    found = {}
    for name, at_once in {"one": False, "other": True}.items():
        with open_run(tmp_path / name, files={}) as run:
            rows = ask(run, "01", asking(answered, at_once=at_once), helper=fake(reply), progress=lambda *told: None)
            found[name] = (list(rows), run.stage("01", json.loads((run.path / "01/stage.json").read_text())).summary)
    assert files[:12] == [0] * 4 + [1] * 4 + [2] * 4
    assert found["one"] == found["other"]
    assert [row["id"] for row in found["one"][0]] == [f"p{n}" for n in range(12)]


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
