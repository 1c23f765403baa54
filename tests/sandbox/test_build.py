"""The building of a model, in the smallest size."""

from dataclasses import replace

import pytest
import torch
from safetensors.torch import load_file

from solon.errors import UsageError
from solon.prompts import ANSWER_PREFILL, OPTIONS
from solon.sandbox import build as builder
from solon.sandbox.build import BuildConfig, Phase, build
from solon.sandbox.documents import document

TINY = BuildConfig(
    phases=(
        Phase(2, 1, (("dialogue", 2), ("verdict", 2))),
        Phase(4, 5, (("revision", 2), ("comparison", 2), ("reasoning", 1))),
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


def test_documents_become_the_tokens_that_the_chat_template_makes():
    import random

    tokenizer = builder._tokenizer(TINY)
    encode = builder._Encoder(tokenizer)
    for kind in ("dialogue", "fact", "revision", "comparison", "reasoning", "verdict"):
        from solon.sandbox.documents import conversation

        made = document(kind, random.Random(3))
        asked = tokenizer.apply_chat_template(conversation(made), return_dict=False)
        assert encode(made).ids == asked


def test_only_what_the_assistant_should_say_is_learned():
    import random

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
