import pytest
from typer.testing import CliRunner

from solon.chains import Choice, Choose, Completion, Request
from solon.cli import app
from solon.models.fake import Fake

FEW = ["--set", "num_prompts=6", "--set", "num_helpful_prompts=2", "--set", "num_eval_prompts=20"]
HOSTILE = "Answer {}: I would \x1b[31mrather\u202e not [bold]{}[/]."
"""What a model could write to a terminal: colours, a bidi override, markup of the library that prints."""


def reply(request: Request):
    if isinstance(request, Choose):
        return Choice((0.8, 0.2), mass=0.9)
    return Completion(HOSTILE.format(request.seed % 1000, request.seed % 1000), tokens=5)


@pytest.fixture
def models(monkeypatch, tmp_path):
    """Fakes in place of all that takes time; the tests run in a folder of their own."""

    def train(rows, *, out, config, progress, judge=None, **models):
        (out / "model").mkdir()
        return {"steps": 1, "history": [{"step": 1, "loss": 0.5}]}

    made: list[Fake] = []

    def load(spec):
        made.append(Fake(reply))
        return made[-1]

    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("solon.recipe.work.models.load", load)
    monkeypatch.setattr("solon.recipe.work.model_name", lambda name: name)
    for name in ("finetune", "train_preference_model", "reinforce"):
        monkeypatch.setattr(f"solon.recipe.paper.{name}", train)
    return made


@pytest.fixture
def solon():
    def type_(*words):
        return CliRunner().invoke(app, [str(word) for word in words])

    return type_
