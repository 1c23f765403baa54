"""A run whose models are fakes and whose trainings are stubs."""

import pytest

from solon.chains import Choice, Choose, Completion, Request
from solon.models.fake import Fake
from solon.recipe import apply_settings, load

SETTINGS = ["num_prompts=12", "num_helpful_prompts=4", "num_eval_prompts=20", "critique.num_revisions=2"]


def reply(request: Request):
    """Two responses of a pair differ, since their seeds do; none is long enough to be a copy of another."""
    if isinstance(request, Choose):
        return Choice((0.8, 0.2), mass=0.9)
    return Completion(f"Rather not {request.seed % 1000}.", tokens=5)


class Kitchen:
    """Stands in for all that takes time, and counts it."""

    def __init__(self):
        self.trained: list[str] = []
        self.given: dict[str, dict] = {}
        self.models: list[Fake] = []
        self.loaded: list[str] = []
        self.reply = reply

    def load(self, spec):
        self.loaded.append(spec.name)
        self.models.append(Fake(self.reply))
        return self.models[-1]

    def train(self, name):
        def stub(rows, *, out, config, progress, judge=None, **models):
            self.trained.append(name)
            self.given[name] = models
            (out / "model").mkdir()
            progress(1, 1, {"loss": 0.5})
            return {"rows_seen": len(rows), "judged": judge is not None}

        return stub

    @property
    def asked(self):
        return sum(len(model.asked) for model in self.models)


@pytest.fixture
def kitchen(monkeypatch):
    kitchen = Kitchen()
    monkeypatch.setattr("solon.recipe.work.models.load", kitchen.load)
    monkeypatch.setattr("solon.recipe.work.model_name", lambda name: name)
    for name in ("finetune", "train_preference_model", "reinforce"):
        monkeypatch.setattr(f"solon.recipe.paper.{name}", kitchen.train(name))
    return kitchen


@pytest.fixture
def recipe():
    return apply_settings(load("demo"), SETTINGS)
