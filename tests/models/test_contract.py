"""What every model promises (`models/base.py`), whatever is behind it: one suite, a backend a line of `BACKENDS`."""

import asyncio
import json
import shutil
from contextlib import contextmanager
from functools import partial

import pytest
from safetensors.torch import load_file, save_file
from server import Scripted, obedient

from solon import sandbox
from solon.chains import Choice, Choose, Completion, Failure, Generate, Sampling
from solon.models.base import Server
from solon.models.load import load, parse
from solon.records import assistant, system, user

SECRET = "sk-very-secret"
PREFILL = "The answer is: ("
TOO_LONG = [user("how? " * 40_000)]


@contextmanager
def folder(request, kind, **options):
    yield parse(str(request.getfixturevalue(f"{kind}_folder"))), options


@contextmanager
def adapted(request, **options):
    with folder(request, "chat") as (spec, _):
        yield spec, {"adapter": str(request.getfixturevalue("adapter_folder")), **options}


@contextmanager
def server(request, **behaviour):
    with Scripted(partial(obedient, **behaviour)) as scripted:
        yield parse(scripted.name()), {}


@contextmanager
def named(request, name, **options):
    yield parse(name), options


@contextmanager
def engine(request, *, scale=1.0):
    """The sandbox's model computed by vLLM, with its last norm scaled so that another one answers otherwise."""
    pytest.importorskip("vllm", reason="vLLM is not installed: pip install 'solon[vllm]'")
    copy = shutil.copytree(sandbox.model_path(), request.getfixturevalue("tmp_path_factory").mktemp("engine") / "model")
    weights = load_file(copy / "model.safetensors")
    save_file({**weights, "model.norm.weight": weights["model.norm.weight"] * scale}, copy / "model.safetensors")
    with pytest.MonkeyPatch.context() as patch:  # what it asks for on a CPU
        patch.setenv("VLLM_CPU_KVCACHE_SPACE", "1")
        patch.setenv("VLLM_CPU_OMP_THREADS_BIND", "0")
        yield parse(f"vllm:{copy}"), {"dtype": "float32", "engine": {"enforce_eager": True}}


BACKENDS = {
    "transformers, chat": partial(folder, kind="chat", batch_size=3),
    "transformers, base": partial(folder, kind="base", batch_size=3),
    "transformers, adapter": partial(adapted, batch_size=3),
    "openai, chat": server,
    "openai, base": partial(server, chat=False),
    "vllm": engine,
    "fake": partial(named, name="fake:one"),
    "own": partial(named, name="own_models:Talker", options={"name": "one"}),
    "own server": partial(named, name="own_models:Remote"),
}
"""What gives a name to load, and its options."""
OTHER = {
    "transformers, chat": BACKENDS["transformers, base"],
    "transformers, base": BACKENDS["transformers, chat"],
    "transformers, adapter": BACKENDS["transformers, chat"],
    "openai, chat": BACKENDS["openai, base"],
    "openai, base": BACKENDS["openai, chat"],
    "vllm": partial(engine, scale=0.5),
    "fake": partial(named, name="fake:two"),
    "own": partial(named, name="own_models:Talker", options={"name": "two"}),
    "own server": partial(named, name="own_models:Remote", options={"name": "another"}),
}
"""Another model of the same backend, which answers otherwise."""


@pytest.fixture(scope="module", params=BACKENDS)
def backend(request):
    return request.param


@pytest.fixture(scope="module")
def opened(request, backend):
    """Load the model; called again, load it anew."""
    with pytest.MonkeyPatch.context() as patch, BACKENDS[backend](request) as (spec, options):
        patch.setenv("OPENAI_API_KEY", SECRET)
        yield lambda: load(type(spec)(spec.backend, spec.name, options))


@pytest.fixture(scope="module")
def model(opened):
    return opened()


def answers(model, requests):
    """The replies in the order of the questions, computed as a run has them computed."""
    if isinstance(model, Server):

        async def asked():
            async with model:
                return list(await asyncio.gather(*map(model.answer, requests)))

        return asyncio.run(asked())
    replies = {}
    for batch in model.batches(requests):
        replies |= zip(batch, model.answer([requests[i] for i in batch]), strict=True)
    return [replies[i] for i in range(len(requests))]


def ask(model, conversation, *, prefill="", seed=1, **sampling):
    (reply,) = answers(model, [Generate(conversation, Sampling(**{"max_tokens": 12, **sampling}), seed, prefill)])
    return reply


def several():
    """Questions of both kinds, mixed, of several lengths and settings."""
    return [
        Choose([user(f"Which? {'Say. ' * (n % 4)}")], ("A", "B"), PREFILL)
        if n % 3 == 2
        else Generate([user(f"How do I open door {n}?")], Sampling(8 + n % 2), seed=n)
        for n in range(11)
    ]


def assert_alike(found, expected):
    """The same words, and the same probabilities but for their last bits."""
    for one, other in zip(found, expected, strict=True):
        if isinstance(other, Choice):
            assert one.probabilities == pytest.approx(other.probabilities, rel=1e-4)
            assert (one.mass, one.source) == (pytest.approx(other.mass, rel=1e-4), other.source)
        else:
            assert one == other


# Replies


def test_each_question_has_a_reply_of_its_kind_in_its_place(model):
    asked = several()
    replies = answers(model, asked)
    assert [type(reply) for reply in replies] == [
        Choice if isinstance(request, Choose) else Completion for request in asked
    ]
    assert_alike(answers(model, asked[::-1]), replies[::-1])
    assert len({reply.text for reply in replies if isinstance(reply, Completion)}) > 5


def test_loaded_anew_it_answers_the_same(model, opened):
    assert_alike(answers(opened(), several()), answers(model, several()))


def test_the_same_seed_says_the_same_and_another_something_else(model):
    asked = [Generate([user("Why?")], Sampling(12), seed=seed) for seed in (1, 1, 2**62, 2)]
    first, again, *others = [reply.text for reply in answers(model, asked)]
    assert first == again
    assert first not in others
    assert others[0] != others[1]


def test_without_temperature_the_seed_says_nothing(model):
    said = {ask(model, [user("Why?")], seed=seed, temperature=0.0).text for seed in (1, 2, 3)}
    assert len(said) == 1


def test_max_tokens_cuts_and_the_reply_says_so(model):
    short, long = (ask(model, [user("Why?")], max_tokens=most) for most in (2, 9))
    assert (short.finish_reason, short.tokens) == ("length", 2)
    assert 2 < long.tokens <= 9
    assert long.text.startswith(short.text.rstrip("\N{REPLACEMENT CHARACTER}"))
    assert len(short.text) < len(long.text)
    assert short.flaw == "cut at max_tokens"


def test_a_reply_ends_before_the_first_stop_string(model):
    whole = ask(model, [user("Why?")]).text
    stop = next(letter for letter in whole[2:] if letter.isascii() and letter.isprintable())
    said = ask(model, [user("Why?")], stop=("no such words", stop))
    assert (said.text, said.finish_reason) == (whole[: whole.index(stop)], "stop")


def test_a_prefill_is_read_and_is_not_part_of_the_reply(model):
    asked = Generate([user("Why?")], Sampling(12), seed=1, prefill="Let's think:")
    (said,) = answers(model, [asked])
    assert "Let's think:" in model.rendered(asked)
    assert not said.text.startswith("Let's think:")
    assert said.text != ask(model, [user("Why?")]).text


def test_a_choice_is_of_probabilities_that_sum_to_one(model):
    asked = [Choose([user("Which? " * n)], ("A", "B"), PREFILL) for n in range(1, 8)]
    for choice in answers(model, asked):
        assert isinstance(choice, Choice)
        assert len(choice.probabilities) == 2
        assert all(0 <= probability <= 1 for probability in choice.probabilities)
        assert sum(choice.probabilities) == pytest.approx(1)
        assert 0 < choice.mass <= 1
        assert choice.source in ("exact", "top_logprobs", "votes")


def test_probabilities_are_in_the_order_of_the_options(model):
    ab, ba = answers(model, [Choose([user("Which?")], options, PREFILL) for options in (("A", "B"), ("B", "A"))])
    assert ba.probabilities == pytest.approx(ab.probabilities[::-1], rel=1e-4)
    assert ab.probabilities[0] != pytest.approx(0.5, abs=1e-3)


# Questions that cannot be answered


@pytest.mark.parametrize("asked", [Generate(TOO_LONG, Sampling(8)), Choose(TOO_LONG, ("A", "B"), PREFILL)])
def test_a_question_that_is_too_long_fails_alone_with_a_reason(model, asked):
    others = several()
    replies = answers(model, [others[0], asked, *others[1:]])
    failed = replies.pop(1)
    assert isinstance(failed, Failure)
    assert failed.reason.strip()
    assert_alike(replies, answers(model, others))


ODD = {
    "no turns": [],
    "an empty turn": [user("")],
    "no text": "",
    "half a character": [user("why \ud800?")],
    "half a character as text": "why \udfff?",
    "control characters": [user("\x00\x1b[31m\u202e\r\n\t")],
    "control tokens": [user("<|im_end|><|end|></s><think>")],
    "a delimiter of Solon's": [user("\n\nHuman: (A) {0} %s\n\nAssistant:")],
    "a system prompt alone": [system("Be kind.")],
    "an answer last": [user("Why?"), assistant("Because.")],
    "an answer first": [assistant("Hello."), user("Why?")],
    "two of one role": [user("Why?"), user("Why not?")],
    "all of Unicode's kinds": [user("e\u0301 \U0001f469\u200d\U0001f52c \u0645\u0631\u062d\u0628\u0627 \ufffe 你好")],
}


@pytest.mark.parametrize("odd", ODD)
def test_odd_text_is_answered_or_fails_and_costs_nobody_else(model, odd):
    asked = [
        Generate(ODD[odd], Sampling(6), seed=3),
        Choose(ODD[odd], ("A", "B"), "("),
        Generate([user("Why?")], Sampling(6), seed=3),
    ]
    generated, chosen, other = answers(model, asked)
    assert isinstance(generated, Completion) or (isinstance(generated, Failure) and generated.reason)
    assert isinstance(chosen, Choice) or (isinstance(chosen, Failure) and chosen.reason)
    assert_alike([other], answers(model, asked[2:]))
    for request in asked:
        assert isinstance(model.rendered(request), str)


# What is said of the model


def test_batches_have_each_question_once_and_depend_on_the_questions_alone(model, opened):
    if isinstance(model, Server):
        assert model.width.most >= 1
        return
    asked = several()
    batches = model.batches(asked)
    assert sorted(i for batch in batches for i in batch) == list(range(len(asked)))
    assert all(batches)
    model.answer([asked[i] for i in batches[-1]])
    assert model.batches(asked) == batches == opened().batches(asked)
    assert model.batches([]) == []


def test_the_identity_is_json_and_that_of_the_model_loaded_anew_and_holds_no_secret(model, opened):
    before = json.dumps(model.identity, allow_nan=False, sort_keys=True)
    answers(model, several())
    assert json.dumps(model.identity, sort_keys=True) == before
    assert json.dumps(opened().identity, sort_keys=True) == before
    assert SECRET not in before
    assert model.identity["backend"]
    model.identity.clear()  # what is handed out is not what is kept
    assert json.dumps(model.identity, sort_keys=True) == before


def test_another_model_has_another_identity_and_answers_otherwise(request, model, backend):
    with OTHER[backend](request) as (spec, options):
        other = load(type(spec)(spec.backend, spec.name, options))
        assert other.identity != model.identity
        assert answers(other, several()) != answers(model, several())


def test_what_it_reads_is_text_that_has_the_question_in_it(model):
    for request in several():
        assert request.conversation[0]["content"].strip() in model.rendered(request)
    assert model.form in ("chat", "transcript")
