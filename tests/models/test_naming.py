"""Options are asked for by their tokens where a server takes that, and what it says of them is believed only then."""

import asyncio
import math

import pytest
from server import Behaviour, Scripted

from solon.chains import Choose, Failure
from solon.errors import ModelError
from solon.models import openai
from solon.records import user

ASKED = Choose([user("Which is better?")], ("A", "B"), "The answer is: (")
UNLIKELY = {"The": -0.01, "A": -9.0, "B": -7.0}


def answered(model, requests):
    async def asked():
        async with model:
            return await asyncio.gather(*map(model.answer, requests))

    return asyncio.run(asked())


def test_options_that_are_far_from_likely_are_told_exactly():
    with Scripted(Behaviour(likely=UNLIKELY | {str(n): -8.0 for n in range(30)})) as server:
        (choice,) = answered(openai.load(f"{server.url}#m"), [ASKED])
    a, b = math.exp(-9), math.exp(-7)
    assert choice.probabilities == pytest.approx((a / (a + b), b / (a + b)))
    assert (choice.mass, choice.source) == (pytest.approx(a + b), "exact")
    body = server.questions[-1]
    assert (body["logprobs"], body["logprob_token_ids"]) == (True, [ord("A"), ord("B")])
    assert "top_logprobs" not in body


def test_tokens_are_found_once_for_all_questions_with_the_same_options_in_every_event_loop():
    with Scripted(Behaviour()) as server:
        model = openai.load(f"{server.url}#m")
        server.asked.clear()
        first, again = answered(model, [ASKED] * 9), answered(model, [ASKED] * 9)
        asked = [path for path, _ in server.asked]
    assert first == again
    assert asked.count("/tokenize") == 3
    assert asked.count("/v1/chat/completions") == 18


def test_an_option_of_several_tokens_stops_the_run():
    with Scripted(Behaviour()) as server:
        model = openai.load(f"{server.url}#m")
        with pytest.raises(ModelError, match="'maybe' is not one token after 'The answer is: \\('"):
            answered(model, [Choose(ASKED.conversation, ("A", "maybe"), ASKED.prefill)])


def test_an_option_that_is_missing_in_the_answer_costs_the_row():
    behaviour, said = Behaviour(), []

    def reply(path, body):
        told = behaviour(path, body)
        if body.get("logprob_token_ids") == [ord("A"), ord("B")]:
            said.append(told["choices"][0]["logprobs"]["content"][0]["top_logprobs"].pop())
        return told

    with Scripted(reply) as server:
        (failed,) = answered(openai.load(f"{server.url}#m"), [ASKED])
    assert said
    assert failed == Failure("the server's answer has no log-probability of an option that was asked for")


@pytest.mark.parametrize("ids", [[], None, "65", [65.0], [True], [-1], [2**40]])
def test_a_server_that_splits_text_in_another_way_is_not_asked_so(ids):
    def reply(path, body):
        return {"tokens": ids} if path == "/tokenize" else Behaviour()(path, body)

    async def at_once(seconds):
        pass

    with Scripted(reply) as server:
        model = openai.load(f"{server.url}#m", pace=openai.Pace(sleep=at_once))
        assert not model.probed.abilities.names_tokens
        (choice,) = answered(model, [ASKED])
    assert choice.source == "exact"
    assert server.questions[-1]["top_logprobs"] == 20
