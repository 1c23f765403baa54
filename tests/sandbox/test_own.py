"""What the model itself says, as its critics read it."""

import random
from concurrent.futures import ThreadPoolExecutor

import pytest
import torch

from solon import sandbox
from solon.models.transformers import load
from solon.sandbox import own, requests, responses

pytestmark = pytest.mark.slow


@pytest.fixture(autouse=True)
def one_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def drawn(monkeypatch, *, workers, seed="own"):
    monkeypatch.setattr(own, "GROUP", 24)
    with ThreadPoolExecutor(workers) as pool:
        return own.draw(load(str(sandbox.model_path())), n=64, seed=seed, pool=pool)


def test_half_of_what_is_kept_is_wrong_and_all_of_it_to_seen_requests(monkeypatch):
    said = drawn(monkeypatch, workers=2)
    assert {request.split for request, _ in said} == {"seen"}
    right = [responses.read(request, text).right for request, text in said]
    assert 2 <= len(said) < 64
    assert right == sorted(right)
    assert sum(right) == len(right) // 2


def test_the_seed_decides_and_the_number_of_workers_does_not(monkeypatch):
    said = drawn(monkeypatch, workers=1)
    assert said == drawn(monkeypatch, workers=3)
    assert said != drawn(monkeypatch, workers=3, seed="another")


def test_the_questions_are_dialogues_and_revisions_that_wait_for_an_answer():
    draw = random.Random(0)
    asked = [own._question(draw) for _ in range(60)]
    assert {len(turns) for turns in asked} == {1, 3, 5}
    assert all(turns[-1]["role"] == "user" and requests.read(turns[0]["content"]) for turns in asked)
