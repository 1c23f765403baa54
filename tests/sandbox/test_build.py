"""The building of a model, in the smallest size."""

import json
import random
from dataclasses import replace
from typing import get_args

import pytest
import torch
from safetensors.torch import load_file

from solon.errors import UsageError
from solon.prompts.chat import ANSWER_PREFILL, OPTIONS
from solon.sandbox import build as builder
from solon.sandbox import requests, responses
from solon.sandbox.build import BuildConfig, Phase, build
from solon.sandbox.documents import Kind, document

TINY = BuildConfig(
    phases=(
        Phase(2, 1, (("dialogue", 2), ("verdict", 2))),
        Phase(4, 5, (("revision", 2), ("comparison", 2), ("reasoning", 1)), own=6),
    ),
    vocabulary=600,
    hidden=16,
    layers=1,
    heads=2,
    mlp=16,
    save_every=3,
)


@pytest.fixture(autouse=True)
def unexamined(monkeypatch):
    monkeypatch.setattr(builder, "_describe", lambda out, config, parameters: None)


@pytest.mark.slow
def test_a_build_that_was_stopped_ends_with_the_same_weights(tmp_path):
    def stop(step, losses):
        if step == 5:
            raise KeyboardInterrupt

    whole = build(tmp_path / "whole", TINY)
    with pytest.raises(KeyboardInterrupt):
        build(tmp_path / "stopped", TINY, report=stop)
    steps = []
    resumed = build(tmp_path / "stopped", TINY, report=lambda step, losses: steps.append(step))
    assert steps == [4, 5, 6]
    one, other = (load_file(folder / "model.safetensors") for folder in (whole, resumed))
    assert one.keys() == other.keys()
    assert all(torch.equal(one[name], other[name]) for name in one)


@pytest.mark.slow
@pytest.mark.parametrize("cores", [1, 3])
def test_the_weights_do_not_depend_on_the_number_of_cores(tmp_path, cores):
    before = torch.get_num_threads()
    short = replace(TINY, batch_tokens=300)
    whole = build(tmp_path / "whole", short)
    torch.set_num_threads(cores)
    try:
        other = build(tmp_path / "other", short)
        assert torch.get_num_threads() == cores
    finally:
        torch.set_num_threads(before)
    one, other = (load_file(folder / "model.safetensors") for folder in (whole, other))
    assert all(torch.equal(one[name], other[name]) for name in one)


@pytest.mark.slow
def test_the_answers_that_critics_read_are_of_the_phases_beginning_and_on_file(tmp_path):
    build(tmp_path, TINY)
    assert [path.name for path in tmp_path.glob("build/own-*")] == ["own-2.json"]
    said = json.loads((tmp_path / "build/own-2.json").read_text())
    assert len(said) == 6  # noise, all of it
    for ask, text in said:
        request = requests.read(ask)
        assert request is not None
        assert not responses.read(request, text).right


@pytest.mark.slow
def test_a_folder_with_another_build_is_left_alone(tmp_path):
    build(tmp_path, replace(TINY, phases=TINY.phases[:1]))
    with pytest.raises(UsageError, match="other settings"):
        build(tmp_path, replace(TINY, seed=1))


def test_the_phases_follow_one_another():
    first, second = TINY.phases
    assert [TINY.phase(step) for step in range(TINY.steps)] == [
        (first, 0),
        (first, 1),
        *((second, i) for i in range(4)),
    ]
    with pytest.raises(IndexError):
        TINY.phase(TINY.steps)


def test_a_steps_documents_are_batched_by_length_and_none_is_lost():
    tokenizer = builder._tokenizer(TINY)
    encode = builder._Encoder(tokenizer)
    rows = [(kind, encode(document(kind, random.Random(i)))) for i in range(6) for kind in get_args(Kind)]
    rows.sort(key=lambda row: len(row[1].ids))
    batches = list(builder._batches(rows, 900))
    assert [row for batch in batches for row in batch] == rows
    assert all(len(batch) * len(batch[-1][1].ids) <= 900 or len(batch) == 1 for batch in batches)
    assert len(batches) > 1


def test_a_step_reports_the_loss_of_each_kind_of_a_token_and_of_a_choice():
    tokenizer = builder._tokenizer(TINY)
    model, encode = builder._model(TINY, tokenizer), builder._Encoder(tokenizer)
    with builder._cores() as pool:
        losses = builder._learn(model, encode, step=2, config=TINY, own=[], pool=pool)
    assert set(losses) == {"revision", "reasoning", "comparison label", "reasoning label"}
    assert all(loss > 0 for loss in losses.values())


def test_documents_become_the_tokens_that_the_chat_template_makes():
    tokenizer = builder._tokenizer(TINY)
    encode = builder._Encoder(tokenizer)
    for kind in get_args(Kind):
        from solon.sandbox.documents import conversation

        made = document(kind, random.Random(3))
        asked = tokenizer.apply_chat_template(conversation(made), return_dict=False)
        assert encode(made).ids == asked


def test_only_what_the_assistant_should_say_is_learned():
    tokenizer = builder._tokenizer(TINY)
    encode = builder._Encoder(tokenizer)
    row = encode(made := document("revision", random.Random(1)))
    learned = tokenizer.decode([token for token in row.targets if token != builder.IGNORED])
    assert learned == "".join(piece.text + builder.END for piece in made if piece.learned)
    row = encode(document("comparison", random.Random(1)))
    assert all(token == builder.IGNORED for token in row.targets)
    before = tokenizer.encode(ANSWER_PREFILL)
    for at, probability in row.choices:
        assert row.ids[at + 1 - len(before) : at + 1] == before
        assert tokenizer.decode(row.ids[at + 1]) in OPTIONS
        assert 0 < probability < 1
