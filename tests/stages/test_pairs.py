"""Which responses are set beside which, and that no pair is lost."""

import pytest

from solon.chains import Completion, Failure
from solon.records import user
from solon.stages.pairs import PairsConfig, all_pairs, sample_numbered, sample_pairs, with_revision

PROMPT = {"id": "p1", "prompt": [user("How do I take a bike?")], "drop_reason": None, "kind": "red-team"}
PAIR = {**PROMPT, "prompt_id": "p1", "responses": ["Ask.", "Cut it."], "revision": None}
REVISED = {**PROMPT, "response": "Cut it.", "steps": [{"revision": "Wait."}, {"revision": "Ask."}], "flaws": []}


def answered(chain, replies):
    """What the chain comes to when it is answered by `replies` in turn, and what it asked."""
    asked, reply, replies = [], None, iter(replies)
    while True:
        try:
            asked.append(chain.send(reply))
        except StopIteration as end:
            assert next(replies, None) is None, "the chain ended before its replies"
            return end.value, asked
        reply = next(replies)
        reply = Completion(reply) if isinstance(reply, str) else reply


def sampled(replies, **config):
    return answered(sample_pairs(PROMPT, config=PairsConfig(**config)), replies)


def test_a_pair_is_two_responses_with_seeds_of_their_own():
    rows, asked = sampled(["Ask.", " Cut it."], max_tokens=7)
    assert rows == [PAIR]
    assert [request.conversation for request in asked] == [PROMPT["prompt"]] * 2
    assert asked[0].seed != asked[1].seed
    assert asked[0].sampling == asked[1].sampling


def test_identical_responses_have_nothing_to_compare():
    [row], _ = sampled(["Ask.", "Ask. "])
    assert row["drop_reason"] == "identical responses"


@pytest.mark.parametrize(
    ("replies", "reason", "responses"),
    [
        ([Completion("As", "length")], "response 1 cut at max_tokens", []),
        (["Ask.", ""], "response 2 empty", ["Ask."]),
        (["Ask.", Failure("too long")], "too long", ["Ask."]),
    ],
)
def test_a_flawed_response_ends_its_pair_with_a_reason(replies, reason, responses):
    [row], _ = sampled(replies)
    assert (row["drop_reason"], row["responses"]) == (reason, responses)


def test_of_more_responses_every_pair_is_made_and_named():
    rows, asked = sampled(["a", "b", "c", "d"], num_responses=4)
    assert len({request.seed for request in asked}) == 4
    assert [row["id"] for row in rows] == ["p1/1-2", "p1/1-3", "p1/1-4", "p1/2-3", "p1/2-4", "p1/3-4"]
    assert [row["responses"] for row in rows] == [[*"ab"], [*"ac"], [*"ad"], [*"bc"], [*"bd"], [*"cd"]]
    assert {row["prompt_id"] for row in rows} == {"p1"}


def test_a_flawed_response_costs_its_own_pairs_only():
    rows, _ = sampled(["a", "", "a", "d"], num_responses=4)
    assert [row["drop_reason"] for row in rows] == [
        "response 2 empty", "identical responses", None, "response 2 empty", "response 2 empty", None,
    ]  # fmt: skip


def test_where_no_two_responses_can_be_left_no_more_is_asked():
    rows, asked = sampled(["", Failure("too long")], num_responses=3)
    assert len(asked) == 2
    assert [row["drop_reason"] for row in rows] == ["response 1 empty", "response 1 empty", "too long"]


def test_responses_of_several_models_are_drawn_with_the_seeds_of_one():
    config = PairsConfig()
    _, together = sampled(["Ask.", "Cut it."])
    first, [asked_first] = answered(sample_numbered(PROMPT, number=1, model="one", config=config), ["Ask."])
    second, [asked_second] = answered(sample_numbered(PROMPT, number=2, model="two", config=config), ["Cut it."])
    assert [asked_first, asked_second] == together
    assert [first["model"], second["model"]] == ["one", "two"]
    assert all_pairs(PROMPT, [first, second], config=config) == [PAIR]


def test_a_revision_is_set_against_the_first_response_on_either_side():
    rows = [with_revision({**REVISED, "id": f"p{i}"}, config=PairsConfig()) for i in range(1000)]
    assert {(tuple(row["responses"]), row["revision"]) for row in rows} == {
        (("Cut it.", "Ask."), 2),
        (("Ask.", "Cut it."), 1),
    }
    assert sum(row["revision"] == 1 for row in rows) / 1000 == pytest.approx(0.5, abs=0.05)
    assert rows == [with_revision({**REVISED, "id": f"p{i}"}, config=PairsConfig()) for i in range(1000)]


def test_a_revision_that_changed_nothing_has_nothing_to_compare():
    row = with_revision({**REVISED, "steps": [{"revision": "Cut it."}]}, config=PairsConfig())
    assert row["drop_reason"] == "identical responses"
