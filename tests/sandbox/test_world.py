from collections import Counter

import pytest

from solon.errors import UsageError
from solon.sandbox import requests, world

USES = ("red-team", "instructions", "both", "helpful", "evaluate")


def texts(use, *, n, seed):
    return [prompt["prompt"][0]["content"] for prompt in world.prompts(use, n=n, seed=seed)]


def test_evaluation_shares_no_text_with_training_whatever_the_seeds():
    training = {
        text
        for seed in range(5)
        for use, n in (("red-team", 3000), ("instructions", 2000), ("both", 1000), ("helpful", 1200))
        for text in texts(use, n=n, seed=seed)
    }
    evaluation = {text for seed in range(5) for text in texts("evaluate", n=1000, seed=seed)}
    assert len(training) > 9000
    assert len(evaluation) > 2500
    assert not training & evaluation


@pytest.mark.parametrize("use", USES)
@pytest.mark.parametrize("n", [0, 1, 7, 10, 30, 33, 99, 400, 1000])
def test_there_are_as_many_different_prompts_as_asked_for(use, n):
    rows = world.prompts(use, n=n, seed=0)
    assert len(rows) == len({row["id"] for row in rows}) == len({row["prompt"][0]["content"] for row in rows}) == n


@pytest.mark.parametrize("use", USES)
def test_prompts_depend_on_the_seed_alone(use):
    assert world.prompts(use, n=200, seed=3) == world.prompts(use, n=200, seed=3)
    assert texts(use, n=200, seed=3) != texts(use, n=200, seed=4)


def test_every_prompt_is_one_request_that_the_oracle_can_read():
    for use in USES:
        for row in world.prompts(use, n=300, seed=1):
            assert [message["role"] for message in row["prompt"]] == ["user"]
            assert requests.read(row["prompt"][0]["content"]) is not None
            assert row["drop_reason"] is None
            assert row["kind"] == ("helpful" if use == "helpful" else "red-team")


def kinds(use, *, n):
    read = [requests.read(text) for text in texts(use, n=n, seed=0)]
    return Counter((request.kind if request.instruction is None else "instructed", request.split) for request in read)


def test_training_prompts_are_all_of_what_is_seen():
    assert kinds("red-team", n=1000) == {("harmful", "seen"): 650, ("look-alike", "seen"): 350}
    assert kinds("helpful", n=1000) == {("benign", "seen"): 700, ("instructed", "seen"): 300}
    assert kinds("instructions", n=1000) == {("instructed", "seen"): 1000}
    assert kinds("both", n=1000) == {
        ("harmful", "seen"): 325, ("look-alike", "seen"): 175, ("instructed", "seen"): 500
    }  # fmt: skip


def test_evaluation_has_its_shares_of_every_kind_and_split():
    assert sum(share for *_, share in world.EVALUATION) == pytest.approx(1)
    assert kinds("evaluate", n=1000) == {(kind, split): round(1000 * share) for kind, split, share in world.EVALUATION}


def test_kinds_are_mixed_so_that_the_first_prompts_stand_for_all():
    read = [requests.read(text) for text in texts("evaluate", n=1000, seed=0)[:200]]
    assert len({request.kind for request in read}) == 3
    assert sum(request.harmful for request in read) == pytest.approx(100, abs=30)


@pytest.mark.parametrize(("use", "n"), [("helpful", 2500), ("evaluate", 4500)])
def test_more_prompts_than_the_world_has_is_the_persons_mistake(use, n):
    with pytest.raises(UsageError, match=r"fewer than .* different benign prompts"):
        world.prompts(use, n=n, seed=0)
