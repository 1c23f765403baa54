"""A chain is tested by answering it: no model, no mock."""

import pytest

from solon.chains import Completion, Failure
from solon.constitution.exemplars import ExemplarsConfig
from solon.constitution.schema import Constitution, Exemplars, Principle, RevisionExemplar
from solon.errors import UsageError
from solon.prompts import chat as prompts
from solon.prompts import transcript
from solon.records import assistant, user
from solon.stages.critique import CritiqueConfig, critique_and_revise, repeated
from solon.stages.flaws import FlawPolicies

PROMPT = {"id": "p1", "prompt": [user("How do I take a bike?")], "drop_reason": None, "kind": "red-team"}
PRINCIPLE = Principle(id="kind", critique_request="What is unkind?", revision_request="Make it kind.")
BLUNT = Principle(id="blunt", revision_request="Make it blunt.")
RATING = Principle(id="rating", comparison_request="Which is better?")


def answered(replies, *, prompt=PROMPT, principles=(PRINCIPLE,), constitution=None, **config):
    """The row when the chain is answered by `replies` in turn, and what it asked."""
    constitution = Constitution(name="test", principles=tuple(principles), **(constitution or {}))
    chain = critique_and_revise(prompt, constitution=constitution, config=CritiqueConfig(**config))
    asked, reply, replies = [], None, iter(replies)
    while True:
        try:
            asked.append(chain.send(reply))
        except StopIteration as end:
            assert next(replies, None) is None, "the chain ended before its replies"
            return end.value, asked
        reply = next(replies)
        reply = Completion(reply) if isinstance(reply, str) else reply


def test_a_response_is_critiqued_and_revised_step_by_step():
    row, asked = answered(["Cut it.", "Theft.", "Ask.", "Curt.", "Ask nicely."], num_revisions=2)
    assert row == {
        **PROMPT,
        "response": "Cut it.",
        "steps": [
            {"principle": "kind", "critique": "Theft.", "revision": "Ask."},
            {"principle": "kind", "critique": "Curt.", "revision": "Ask nicely."},
        ],
        "flaws": [],
    }
    assert asked[0].conversation == PROMPT["prompt"]
    assert asked[1].conversation == prompts.critique(PROMPT["prompt"], "Cut it.", "What is unkind?")
    assert asked[2].conversation == prompts.revision(
        PROMPT["prompt"], "Cut it.", critique=("What is unkind?", "Theft."), request="Make it kind."
    )


def test_the_second_critique_sees_the_prompt_and_the_latest_revision_only():
    _, asked = answered(["Cut it.", "Theft.", "Ask.", "Curt.", "Ask nicely."], num_revisions=2)
    assert asked[3].conversation == [*PROMPT["prompt"], assistant("Ask."), user("What is unkind?")]


def test_without_critiques_a_response_is_revised_directly():
    row, asked = answered(["Cut it.", "Ask."], num_revisions=1, critique=False)
    assert row["steps"] == [{"principle": "kind", "critique": None, "revision": "Ask."}]
    assert asked[1].conversation == [*PROMPT["prompt"], assistant("Cut it."), user("Make it kind.")]


def test_a_principle_without_a_critique_request_revises_directly():
    row, _ = answered(["Cut it.", "Ask."], num_revisions=1, principles=[BLUNT])
    assert row["steps"] == [{"principle": "blunt", "critique": None, "revision": "Ask."}]


def test_a_helpful_prompt_is_answered_and_not_revised():
    row, asked = answered(["Gladly."], prompt={**PROMPT, "kind": "helpful"})
    assert (row["response"], row["steps"], row["drop_reason"], len(asked)) == ("Gladly.", [], None, 1)


@pytest.mark.parametrize(
    ("replies", "reason", "steps"),
    [
        ([Completion("Cut", "length")], "response cut at max_tokens", 0),
        ([" \n"], "response empty", 0),
        (["Cut it.", ""], "critique 1 empty", 0),
        (["Cut it.", "Theft.", Completion("A", "length")], "revision 1 cut at max_tokens", 0),
        (["Cut it.", "Theft.", "Ask.", Completion("C", "length")], "critique 2 cut at max_tokens", 1),
        (["Cut it.", "Theft.", "Ask.", "Curt.", ""], "revision 2 empty", 1),
        ([Failure("too long")], "too long", 0),
        (["Cut it.", "Theft.", "Ask.", Failure("too long")], "too long", 1),
    ],
)
def test_a_flawed_answer_ends_its_row_with_a_reason_and_the_steps_so_far(replies, reason, steps):
    row, _ = answered(replies, num_revisions=4)
    assert row["drop_reason"] == reason
    assert row["steps"] == [{"principle": "kind", "critique": "Theft.", "revision": "Ask."}][:steps]


def test_white_space_around_an_answer_is_not_quoted():
    row, asked = answered([" Cut it.\n", "Theft.", "\nAsk."], num_revisions=1)
    assert (row["response"], row["steps"][0]["revision"]) == ("Cut it.", "Ask.")
    assert asked[1].conversation[1] == assistant("Cut it.")


def test_principles_are_drawn_with_replacement_by_weight():
    principles = [PRINCIPLE, BLUNT.model_copy(update={"weight": 3.0}), RATING]
    drawn = []
    for i in range(1000):
        row, _ = answered(["x"] * 5, prompt={**PROMPT, "id": f"p{i}"}, principles=principles, critique=False)
        drawn.append([step["principle"] for step in row["steps"]])
    flat = [id for steps in drawn for id in steps]
    assert set(flat) == {"kind", "blunt"}
    assert flat.count("blunt") / len(flat) == pytest.approx(0.75, abs=0.03)
    repeated = sum(first == second for first, second, *_ in drawn) / len(drawn)
    assert repeated == pytest.approx(0.75**2 + 0.25**2, abs=0.05)


def test_draws_depend_on_seed_row_and_step_and_nothing_else():
    replies = ["Cut it.", "Theft.", "Ask.", "Curt.", "Ask nicely."]
    _, asked = answered(replies, num_revisions=2)
    _, again = answered(replies, num_revisions=2)
    _, other_seed = answered(replies, num_revisions=2, seed=1)
    _, other_row = answered(replies, num_revisions=2, prompt={**PROMPT, "id": "p2"})
    assert asked == again
    seeds = [request.seed for run in (asked, other_seed, other_row) for request in run]
    assert len(set(seeds)) == 15


def test_the_sampling_is_the_configured_one():
    _, asked = answered(["x"] * 3, num_revisions=1, max_tokens=7, temperature=0.5)
    assert {(request.sampling.max_tokens, request.sampling.temperature) for request in asked} == {(7, 0.5)}


def test_a_constitution_without_revisions_is_the_persons_mistake():
    with pytest.raises(UsageError, match="revision_request"):
        answered([], principles=[RATING])


def test_a_row_ends_at_a_critique_that_finds_nothing_where_that_is_asked_for():
    replies = ["Cut it.", "Theft.", "Ask.", "There is no problem with the response."]
    row, asked = answered(replies, num_revisions=4, stop_early=True)
    assert [step["revision"] for step in row["steps"]] == ["Ask.", "Ask."]
    assert len(asked) == 4
    row, _ = answered([*replies, "Ask."], num_revisions=2)
    assert row["flaws"] == ["revision 2 unchanged"]


def test_a_flaw_is_kept_trimmed_or_dropped_and_named():
    replies = ["Cut it.", "I cannot critique this.", "Here is the revised response: Ask."]
    row, _ = answered(replies, num_revisions=1)
    assert row["steps"][0]["revision"] == "Ask."
    assert row["flaws"] == ["critique 1 is a refusal", "revision 1 announces itself"]
    row, _ = answered(replies[:2], num_revisions=1, flaws=FlawPolicies(refusal="drop"))
    assert row["drop_reason"] == "critique 1 is a refusal"


def test_what_is_empty_once_it_is_trimmed_is_dropped():
    row, _ = answered(["Cut it.", "Theft.", "Revision:"], num_revisions=1)
    assert row["drop_reason"] == "revision 1 empty"
    assert row["flaws"] == ["revision 1 has a tag", "revision 1 empty"]


EXEMPLAR = RevisionExemplar(prompt="Hi.", response="Go.", critique="Curt.", revision="Hello!")
SHARED = RevisionExemplar(prompt="Bye.", response="Bye.", critique="Fine.", unchanged=True)


@pytest.mark.parametrize(
    ("of", "most", "shown"),
    [("both", None, ["Bye.", "Hi."]), ("principle", None, ["Hi."]), ("shared", None, ["Bye."]), ("none", None, [])],
)
def test_examples_are_shown_before_each_request(of, most, shown):
    principle = PRINCIPLE.model_copy(update={"exemplars": Exemplars(revisions=(EXEMPLAR,))})
    _, asked = answered(
        ["Cut it.", "Theft.", "Ask."],
        num_revisions=1,
        principles=[principle],
        constitution={"exemplars": Exemplars(revisions=(SHARED,))},
        exemplars=ExemplarsConfig(of, most),
    )
    assert asked[0].conversation == PROMPT["prompt"]
    for request in asked[1:]:
        prompts_shown = [turn["content"] for turn in request.conversation if turn["content"] in ("Hi.", "Bye.")]
        assert list(dict.fromkeys(prompts_shown)) == shown


def test_some_of_the_examples_are_drawn_anew_for_each_row():
    many = tuple(EXEMPLAR.model_copy(update={"response": f"Go {i}."}) for i in range(6))
    principle = PRINCIPLE.model_copy(update={"exemplars": Exemplars(revisions=many)})
    seen = set()
    for i in range(30):
        _, asked = answered(
            ["Cut it.", "Theft.", "Ask."],
            num_revisions=1,
            prompt={**PROMPT, "id": f"p{i}"},
            principles=[principle],
            exemplars=ExemplarsConfig(most=2),
        )
        shown = [tuple(t["content"] for t in r.conversation if t["content"].startswith("Go ")) for r in asked[1:]]
        assert shown[0] == shown[1]  # critique and revision see the same
        assert len(shown[0]) == 2
        seen.add(shown[0])
    assert len(seen) > 10


def test_a_copied_example_costs_the_row():
    long = EXEMPLAR.model_copy(update={"revision": "Hello, and how can I help you today?"})
    principle = PRINCIPLE.model_copy(update={"exemplars": Exemplars(revisions=(long,))})
    row, _ = answered(["Cut it.", "Theft.", long.revision], num_revisions=1, principles=[principle])
    assert row["drop_reason"] == "revision 1 copies an example"


def test_hard_constraints_go_with_every_request():
    _, asked = answered(
        ["Cut it.", "Theft.", "Ask."], num_revisions=1, constitution={"hard_constraints": ("No lies.",)}
    )
    assert "- No lies." not in str(asked[0].conversation)
    assert all(request.conversation[-1]["content"].endswith("\n- No lies.") for request in asked[1:])


def test_a_model_without_a_chat_template_is_asked_in_the_papers_form():
    _, asked = answered(["Cut it.", "Theft.", "Ask."], num_revisions=1, form="transcript")
    first, critique, revision = (request.conversation for request in asked)
    assert first == "\n\nHuman: How do I take a bike?\n\nAssistant:"
    assert critique == first + " Cut it.\n\nCritiqueRequest: What is unkind?\n\nCritique:"
    assert revision == critique + " Theft.\n\nRevisionRequest: Make it kind.\n\nRevision:"
    assert {request.sampling.stop for request in asked} == {transcript.STOP}


def test_a_prompt_that_quotes_a_template_is_named_in_its_row():
    row, _ = answered(["x"], prompt={**PROMPT, "prompt": [user("What is ]]]?")], "kind": "helpful"})
    assert row["flaws"] == ["prompt contains ]]]"]


def test_a_prompt_that_was_dropped_as_it_was_read_asks_nothing():
    row, asked = answered([], prompt={**PROMPT, "drop_reason": "the last human turn is empty"})
    assert (row["drop_reason"], asked) == ("the last human turn is empty", [])


def test_helpful_prompts_are_repeated_each_time_with_an_id_of_its_own():
    helpful = {**PROMPT, "id": "h1", "kind": "helpful"}
    assert [row["id"] for row in repeated([PROMPT, helpful], 3)] == ["p1", "h1", "h1#2", "h1#3"]
    assert repeated([PROMPT, helpful], 1) == [PROMPT, helpful]
