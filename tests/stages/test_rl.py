"""What is rewarded, what a judge is asked, and that reinforcement follows the preference model."""

import json
import math
import shutil
from dataclasses import replace

import pytest

from solon.errors import UsageError
from solon.records import Scores, assistant, user
from solon.stages.preference_model import PreferenceModelConfig, train_preference_model
from solon.stages.rl import Reward, RLConfig, in_order, judged, reinforce

CONFIG = RLConfig(steps=6, prompts_per_step=2, samples_per_prompt=4, max_tokens=8, save_every=2, threads=1)
PROMPTS = [
    {"id": f"q{i}", "prompt": [user(f"how do I take bike {i}?")], "drop_reason": None, "kind": "red-team"}
    for i in range(5)
]
END = 2


class Lengths:
    """Scores a response by its length."""

    def __init__(self, *, mean=0.5, factor=1.0):
        self.mean, self.factor = mean, factor

    def __call__(self, conversations):
        return [self.factor * len(conversation[-1]["content"]) for conversation in conversations]


def judge(conversation, response):
    request = "benign" if "my own" in conversation[0]["content"] else "harmful"
    behaviour = "comply" if response.startswith("sure") else "engage"
    return Scores(request, "seen", behaviour, True, float((behaviour == "comply") == (request == "benign")))


def train(out, policy, preference_model, *, config=CONFIG, judge=judge, progress=lambda *told: None):
    return reinforce(
        PROMPTS,
        policy=policy,
        preference_model=preference_model,
        out=out,
        config=config,
        judge=judge,
        progress=progress,
    )


@pytest.fixture(scope="module")
def preference_model(tmp_path_factory, tiny_model):
    """Likes short responses."""
    out = tmp_path_factory.mktemp("pm") / "out"
    rows = [
        {"id": f"p{i}", "prompt": PROMPTS[i % 5]["prompt"], "prompt_id": f"p{i}", "drop_reason": None, "judgements": [],
         "responses": ["a" * (1 + i % 3), "take the bike " * 2], "probability": 0.95, "consistent": None, "mass": None}
        for i in range(24)
    ]  # fmt: skip
    config = PreferenceModelConfig(epochs=4, batch_size=8, learning_rate=3e-3, threads=1)
    train_preference_model(rows, model=tiny_model, out=out, config=config, progress=lambda *told: None)
    return out / "model"


def test_the_reward_is_the_score_less_its_mean_and_a_cut_response_pays_for_it():
    reward = Reward([Lengths()], judge=None, config=RLConfig(truncation_penalty=2.0))
    reward.ends = frozenset([END])
    said = [[assistant("four")], [assistant("four")]]
    rewards = reward([[user("?")]] * 2, said, completion_ids=[[7, END], [7, 8]], log_metric=None)
    assert rewards == [3.5, 1.5]


@pytest.mark.parametrize(
    ("settings", "expected"), [({}, 3.0), ({"ensemble": "worst"}, 2.0), ({"uncertainty_penalty": 0.25}, 2.75)]
)
def test_of_an_ensemble_the_centred_scores_are_combined(settings, expected):
    """Four letters: one model scores 4 with a mean of 2, the other 8 with a mean of 4; their variance is 1."""
    reward = Reward([Lengths(mean=2.0), Lengths(mean=4.0, factor=2.0)], judge=None, config=RLConfig(**settings))
    reward.ends, logged = frozenset([END]), {}
    said = [[assistant("four")]]
    assert reward([[user("?")]], said, completion_ids=[[END]], log_metric=logged.__setitem__) == [expected]
    assert logged == {"uncertainty": 1.0}


def test_a_judge_is_asked_about_harmful_and_benign_requests_apart():
    prompts = [[user("a bike")], [user("a bike")], [user("my own bike")]]
    said = [[assistant("sure")], [assistant("no")], [assistant("sure")]]
    assert judged(prompts, said, judge) == {"oracle_score": 2 / 3, "harmful_rate": 0.5, "helpful_rate": 1.0}


def test_a_rate_over_no_request_is_not_given():
    assert "helpful_rate" not in judged([[user("a bike")]], [[assistant("no")]], judge)


def test_each_pass_over_the_prompts_meets_each_of_them_in_an_order_of_its_own():
    order = [prompt["id"] for prompt in in_order(PROMPTS, RLConfig(steps=5, prompts_per_step=3))]
    passes = [order[i : i + 5] for i in (0, 5, 10)]
    assert [sorted(ids) for ids in passes] == [sorted(prompt["id"] for prompt in PROMPTS)] * 3
    assert passes[0] != passes[1] != passes[2]


@pytest.mark.parametrize(
    ("prompts", "config", "says"),
    [
        ([{**prompt, "drop_reason": "empty"} for prompt in PROMPTS], CONFIG, "all of the 5 are dropped"),
        (PROMPTS, RLConfig(samples_per_prompt=1), "needs another to be compared with"),
    ],
)
def test_what_cannot_work_is_the_persons_mistake(tmp_path, prompts, config, says):
    with pytest.raises(UsageError, match=says):
        reinforce(
            prompts,
            policy="",
            preference_model="",
            out=tmp_path,
            config=config,
            judge=None,
            progress=lambda *told: None,
        )


@pytest.mark.slow
@pytest.mark.parametrize("algorithm", ["rloo", "grpo"])
def test_reinforcement_raises_the_reward(tmp_path, tiny_model, preference_model, algorithm, capfd):
    config = RLConfig(
        algorithm=algorithm,
        steps=15,
        prompts_per_step=5,
        samples_per_prompt=8,
        max_tokens=8,
        learning_rate=1e-2,
        threads=1,
    )
    summary = train(tmp_path / "out", tiny_model, preference_model, config=config)
    history = summary["history"]

    assert [entry["step"] for entry in history] == list(range(1, 16))
    rewards = [entry["reward"] for entry in history]
    assert sum(rewards[-5:]) / 5 > sum(rewards[:5]) / 5 + 0.5
    assert history[0]["kl"] == pytest.approx(0, abs=1e-5)
    assert history[-1]["kl"] > 0.1
    assert history[-1]["length"] < history[0]["length"]
    assert all(entry["helpful_rate"] is None and entry["harmful_rate"] is not None for entry in history)
    assert json.loads(json.dumps(summary, allow_nan=False)) == summary
    assert (tmp_path / "out" / "model" / "model.safetensors").exists()
    assert capfd.readouterr() == ("", "")


@pytest.mark.slow
def test_an_ensemble_of_equals_rewards_as_one_of_them_does_and_is_sure(tmp_path, tiny_model, preference_model):
    for number in range(2):
        shutil.copytree(preference_model, tmp_path / "ensemble" / f"member-{number}" / "model")
    config = replace(CONFIG, steps=1, ensemble="worst", uncertainty_penalty=1.0)
    [alone] = train(tmp_path / "alone", tiny_model, preference_model, config=config, judge=None)["history"]
    [equals] = train(tmp_path / "equals", tiny_model, tmp_path / "ensemble", config=config, judge=None)["history"]
    assert alone["uncertainty"] is None
    assert equals == {**alone, "uncertainty": 0.0}


@pytest.mark.slow
def test_a_judge_watches_and_does_not_meddle(tmp_path, tiny_model, preference_model):
    told = []
    watched = train(tmp_path / "watched", tiny_model, preference_model, progress=lambda *step: told.append(step[2]))
    alone = train(tmp_path / "alone", tiny_model, preference_model, judge=None)
    name = "model/model.safetensors"
    assert (tmp_path / "watched" / name).read_bytes() == (tmp_path / "alone" / name).read_bytes()
    assert all(not math.isnan(entry["oracle_score"]) for entry in watched["history"])
    assert all(entry["oracle_score"] is None for entry in alone["history"])
    assert told == [{}, *({"reward": pytest.approx(entry["reward"])} for entry in watched["history"][:-1])]


@pytest.mark.slow
def test_a_killed_reinforcement_resumes_with_its_history_and_ends_with_the_same_weights(
    tmp_path, tiny_model, preference_model, killed_at
):
    whole = train(tmp_path / "whole", tiny_model, preference_model, judge=None)
    out = tmp_path / "killed"
    killed_at(
        "rl",
        "reinforce",
        5,
        prompts=PROMPTS,
        policy=tiny_model,
        preference_model=preference_model,
        out=out,
        config=CONFIG,
        judge=None,
    )
    resumed = train(out, tiny_model, preference_model, judge=None)
    assert {**resumed, "seconds": 0} == {**whole, "seconds": 0}
    assert (out / "model/model.safetensors").read_bytes() == (tmp_path / "whole/model/model.safetensors").read_bytes()
