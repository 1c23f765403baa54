"""A row tells of each question what a forward pass of its own would tell."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from small_models import alike, small

from solon import sandbox
from solon.chains import Choose
from solon.constitution import load as constitutions
from solon.models import transformers, tree
from solon.prompts import chat
from solon.records import user

QUESTIONS = st.lists(st.lists(st.integers(0, 2), min_size=1, max_size=9), min_size=1, max_size=9)


@torch.inference_mode()
def plain(model, questions):
    return torch.stack([model(input_ids=torch.tensor([ids]), use_cache=False).logits[0, -1] for ids in questions])


# The tree


@settings(deadline=None)
@given(QUESTIONS)
def test_every_token_stands_once_and_sees_what_leads_to_it_in_order(questions):
    questions.sort()
    row = tree._tree(questions)
    tokens, positions = torch.tensor(row.tokens), torch.tensor(row.positions)
    read = [tokens[sees][positions[sees].argsort()].tolist() for sees in row.sees]
    beginnings = {tuple(ids[:length]) for ids in questions for length in range(1, len(ids))}
    assert sorted(map(tuple, read[: -len(questions)])) == sorted(beginnings)
    assert read[-len(questions) :] == questions
    assert row.positions == [len(each) - 1 for each in read]


def test_a_tree_by_hand():
    row = tree._tree([[5, 6, 7], [5, 6, 8, 9]])
    assert row.tokens == [5, 6, 8, 7, 9]
    assert row.positions == [0, 1, 2, 2, 3]
    assert row.sees.int().tolist() == [
        [1, 0, 0, 0, 0],
        [1, 1, 0, 0, 0],
        [1, 1, 1, 0, 0],
        [1, 1, 0, 1, 0],
        [1, 1, 1, 0, 1],
    ]


# Which questions share a row


@settings(deadline=None)
@given(QUESTIONS, st.integers(1, 4))
def test_no_question_is_in_two_rows_and_a_row_is_as_long_as_its_tree(questions, most):
    encoded = dict(enumerate(questions))
    rows = tree.rows(encoded, most=most)
    together = [number for row in rows for number in row.numbers]
    assert len(set(together)) == len(together)
    for row in rows:
        assert 2 <= len(row.numbers) <= most
        assert row.size == len(tree._tree([encoded[number] for number in row.numbers]).tokens)
        assert [row] == tree.rows({number: encoded[number] for number in row.numbers}, most=most)
    assert sorted(together) == sorted(number for batch in tree.batches(encoded, most=most) for number in batch)


def test_questions_that_share_half_of_their_tokens_share_a_row_and_the_others_are_left_out():
    questions = {7: [1, 2, 3, 4], 3: [1, 2, 5, 6], 4: [9, 9, 9], 1: [1, 8, 8, 8], 2: [1, 2, 3, 4]}
    assert tree.rows(questions, most=9) == [tree.Row([7, 2, 3], 7)]
    assert tree.rows(questions, most=1) == []


def test_a_row_ends_before_it_is_too_long(monkeypatch):
    questions = dict(enumerate(sorted(alike(*[10] * 20, begun=10))))
    assert [row.size for row in tree.rows(questions, most=99)] == [80, 80, 70]
    monkeypatch.setattr(tree, "ROW", 30)
    assert [row.size for row in tree.rows(questions, most=99)] == [50] * 5
    monkeypatch.setattr(tree, "BATCH", 100)
    assert [len(batch) for batch in tree.batches(questions, most=99)] == [8, 8, 4]


# What a row tells


@pytest.mark.parametrize(
    ("name", "more"),
    [
        ("Llama", {}),
        ("Llama", {"attn_implementation": "eager"}),
        ("Qwen3", {}),
        ("GPTNeoX", {}),
        ("Gemma", {}),
        ("Olmo2", {}),
        ("Mixtral", {"num_local_experts": 4}),
        ("GPT2", {}),
        ("Mistral", {"sliding_window": None}),
    ],
)
def test_rows_tell_what_a_forward_pass_of_each_question_tells(name, more):
    model = small(name, **more)
    assert tree.is_exact_for(model)
    questions = [
        *alike(7, 3, 3, 11, 5, 5, 8),
        *alike(4, 9, begun=33, seed=1),
    ]  # the first row is wider than the context
    assert len(tree.rows(dict(enumerate(questions)), most=99)) == 2
    told = tree.last_logits(model, questions, most=99)
    assert (told.softmax(-1) - plain(model, questions).softmax(-1)).abs().max() < 1e-6


def test_bfloat16_tells_the_same_within_its_precision():
    model = small("Llama")
    questions = alike(7, 3, 5)
    likely = plain(model, questions).softmax(-1)
    told = tree.last_logits(model.bfloat16(), questions, most=99).float().softmax(-1)
    assert (told - likely).abs().max() < 2 * (plain(model, questions).float().softmax(-1) - likely).abs().max()


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
def test_rows_on_a_gpu_tell_what_a_forward_pass_tells():
    model = small("Qwen3").to("cuda")
    questions = [*alike(7, 3, 3, 11), *alike(4, 9, begun=33, seed=1)]
    expected = plain(small("Qwen3"), questions).softmax(-1)
    assert (tree.last_logits(model, questions, most=99).cpu().softmax(-1) - expected).abs().max() < 1e-4


@pytest.mark.parametrize(
    ("name", "more"),
    [
        ("Mistral", {"sliding_window": 8}),
        ("Gemma3Text", {"sliding_window": 8}),
        ("Qwen2", {"use_sliding_window": True, "sliding_window": 8, "max_window_layers": 1}),
        ("Mamba", {}),
        ("Qwen3Next", {"num_experts": 4, "layer_types": ["linear_attention", "full_attention"]}),
        ("Bloom", {}),
        ("Bert", {}),
    ],
)
def test_models_whose_tokens_see_by_more_than_a_mask_are_asked_in_ordinary_batches(name, more):
    assert not tree.is_exact_for(small(name, **more))


def test_attention_that_takes_no_such_mask_is_asked_in_ordinary_batches():
    model = small("Llama")
    model.config._attn_implementation = "flash_attention_2"
    assert not tree.is_exact_for(model)


# Through the embedded model


def test_the_embedded_model_judges_a_pair_under_all_principles_as_it_does_under_each():
    model = transformers.load(str(sandbox.model_path()), device="cpu")
    asked = [user("How do I pick the lock of my boss's office?")]
    responses = ("Sorry, I will not help with that. Ask your boss for a key.", "First find a hook. Then turn the lock.")
    principles = constitutions.load("sandbox").for_comparison
    questions = [
        Choose(chat.comparison(asked, responses, each.comparison_request), chat.OPTIONS, chat.ANSWER_PREFILL)
        for each in principles
    ]
    assert model.batches(questions) == [sorted(range(5), key=lambda i: model._encode_request(questions[i]))]
    together = model.answer(questions)
    for question, reply in zip(questions, together, strict=True):
        (alone,) = model.answer([question])
        assert reply.probabilities == pytest.approx(alone.probabilities, abs=1e-5)
        assert reply.mass == pytest.approx(alone.mass, abs=1e-5)
