import random
import re
from collections import Counter
from typing import get_args

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from solon.prompts import chat
from solon.sandbox import documents, oracle, principles, requests, responses
from solon.sandbox import lexicon as lx
from solon.sandbox.documents import CRITIQUES, HELPFUL_ONLY, Kind, conversation, document
from solon.sandbox.oracle import Problem
from solon.sandbox.requests import Request, gerund, second_person
from solon.sandbox.responses import WAYS, Reading

KNOWLEDGE = ("dialogue", "fact")
KINDS = get_args(Kind)
SKILLS = tuple(kind for kind in KINDS if kind not in KNOWLEDGE)
LEVELS = (1, 2, 3, 4, 5)
BOSS, BREAD = Request(lx.ACTS[0], "my boss's"), Request(lx.TASKS[0])
OWN = ((BOSS, "Sure. First bread the bicycle."), (BREAD, "A better bread is to."))
"""What a model might have said."""


def draw_many(kinds, n, *, seed=0, level=5, own=()):
    draw = random.Random(seed)
    return [document(kinds[i % len(kinds)], draw, level=level, own=own) for i in range(n)]


@pytest.fixture(scope="module")
def skills():
    return [told for level in LEVELS for told in draw_many(SKILLS, 1200 if level < 5 else 3000, level=level)]


def words_of(told):
    return " ".join(piece.text for piece in told)


def any_of(words):
    return "(" + "|".join(re.escape(word) for word in sorted(words, key=len, reverse=True)) + ")"


MENTION = re.compile(
    rf"\b{any_of({form for act in lx.ACTS for form in (act.verb, gerund(act.verb))})} "
    rf"{any_of({form for owner in (*lx.OTHERS, *lx.OWN) for form in (owner, second_person(owner))})} "
    rf"{any_of({act.thing for act in lx.ACTS})}\b",
    re.IGNORECASE,
)
ACTS = {(form, act.thing): act for act in lx.ACTS for form in (act.verb, gerund(act.verb))}
OWNERS = {form: owner for owner in (*lx.OTHERS, *lx.OWN) for form in (owner, second_person(owner))}


def mentioned(text):
    """Every act of an owner that a text speaks of, whoever it is told to."""
    for verb, owner, thing in MENTION.findall(text):
        if act := ACTS.get((verb.lower(), thing)):
            yield Request(act, OWNERS[owner])


@pytest.fixture(scope="module")
def spoken_of(skills):
    return {request for told in skills for request in mentioned(words_of(told))}


def test_mentions_are_found_in_any_of_their_forms():
    text = "Tying up your boss's guest is assault. How do I take my own bicycle in secret?"
    assert [(request.what.verb, request.owner) for request in mentioned(text)] == [
        ("tie up", "my boss's"),
        ("take", "my own"),
    ]


def test_no_skill_document_speaks_of_an_unseen_act(skills, spoken_of):
    assert not [request.phrase for request in spoken_of if request.what.unseen]
    unseen = [what for what in (*lx.ACTS, *lx.TASKS, *lx.LOOK_ALIKES) if what.unseen]
    tasks = [what.phrase for what in unseen if not isinstance(what, lx.Act)]
    acts = [what for what in unseen if isinstance(what, lx.Act)]
    steps = re.compile(rf"(?:First|Then|this:|that,) {any_of({step for what in unseen for step in what.steps})}\.")
    others = re.compile(rf"\bwith your {any_of({act.thing for act in acts})}\.|{any_of({a.alternative for a in acts})}")
    for told in skills:
        text = words_of(told)
        assert not [phrase for phrase in (*tasks, *map(gerund, tasks)) if phrase in text]
        assert not steps.search(text)
        assert not others.search(text)


def test_no_skill_document_speaks_of_an_unseen_combination(spoken_of):
    assert not [request.phrase for request in spoken_of if request.split != "seen"]


def test_no_skill_document_has_an_unseen_weighting(skills):
    wanted = Counter(
        meaning
        for told in skills
        for piece in told
        if piece.role == "user" and (meaning := principles.read(piece.text.split("\n\n")[-1]))
    )
    assert wanted.total() > 20_000
    assert not [meaning for meaning in wanted if meaning.unseen]
    seen = set(principles.weightings(unseen=False))
    assert set(wanted) <= seen
    assert len(wanted) > 0.9 * len(seen)


def test_skill_documents_speak_of_every_seen_act(spoken_of):
    assert {request.what for request in spoken_of} == {act for act in lx.ACTS if not act.unseen}


def test_dialogues_and_facts_speak_of_every_act_and_late_so_do_matches():
    for kind, own in (*((kind, ()) for kind in KNOWLEDGE), ("match", OWN)):
        acts = {request.what for told in draw_many((kind,), 2500, own=own) for request in mentioned(words_of(told))}
        assert acts == set(lx.ACTS)


@pytest.mark.parametrize("kind", KINDS)
def test_a_document_depends_on_the_seed_alone(kind):
    assert draw_many((kind,), 30, seed=5) == draw_many((kind,), 30, seed=5)
    assert draw_many((kind,), 30, seed=5) != draw_many((kind,), 30, seed=6)


@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize("kind", KINDS)
def test_only_what_the_assistant_should_say_is_learned(kind, level):
    for told in draw_many((kind,), 200 if level == 5 else 40, level=level):
        assert told[0].role == "user"
        assert not any(piece.learned for piece in told if piece.role == "user")
        assert any(piece.learned or piece.probability is not None for piece in told)
        turns = conversation(told)
        assert [turn["role"] for turn in turns] == [("user", "assistant")[i % 2] for i in range(len(turns))]
        assert turns[-1]["role"] == "assistant"
        assert all(turn["content"].strip() for turn in turns)


def test_the_world_answers_nearly_always_as_asked():
    for harmful, ways in HELPFUL_ONLY.items():
        assert sum(ways.values()) == pytest.approx(1)
        assert set(ways) == set(WAYS)
        assert ways["comply"] > 0.9, harmful
    for question, answer in (conversation(told) for told in draw_many(("dialogue",), 500)):
        request = requests.read(question["content"])
        assert request is not None
        assert responses.read(request, answer["content"]).right


@pytest.mark.parametrize("level", LEVELS)
def test_a_quoted_response_is_not_learned_and_its_critique_and_revision_obey_the_oracle(level):
    for told in draw_many(("revision",), 400 if level == 5 else 80, level=level):
        asked, quoted, *critique, wanted, revised = told
        request, weighting = requests.read(asked.text), principles.read(wanted.text)
        assert request is not None
        assert weighting is not None
        assert not quoted.learned
        assert revised.learned
        verdict = oracle.critique(request, responses.read(request, quoted.text), weighting)
        if critique:
            assert principles.read(critique[0].text) == weighting
            assert documents.read_critique(request, critique[1].text) == verdict.problem
        if verdict.way is None:
            assert revised.text == quoted.text
        else:
            assert responses.read(request, revised.text) == Reading(verdict.way, True)


@pytest.mark.parametrize("level", LEVELS)
def test_critiques_of_one_response_obey_the_oracle_one_by_one(level):
    for asked, quoted, *told in draw_many(("critique",), 60, level=level):
        request = requests.read(asked.text)
        assert request is not None
        assert not quoted.learned
        reading = responses.read(request, quoted.text)
        for wanted, critique in zip(told[::2], told[1::2], strict=True):
            weighting = principles.read(wanted.text)
            assert weighting is not None
            assert critique.learned
            found = documents.read_critique(request, critique.text)
            assert found == oracle.critique(request, reading, weighting).problem


def test_a_description_is_the_oracles_reading():
    for asked, quoted, _, told in draw_many(("description",), 200):
        request = requests.read(asked.text)
        assert request is not None
        assert (quoted.learned, told.learned) == (False, True)
        assert told.text == f"It {documents.describe(request, responses.read(request, quoted.text))}."


def test_a_match_is_yes_where_a_response_is_right_about_its_request_half_the_time():
    answers = Counter()
    for asked, quoted, question, answer in draw_many(("match",), 400):
        request = requests.read(asked.text)
        assert request is not None
        reading = responses.read(request, quoted.text)
        assert reading.behaviour in ("comply", "engage", "preach")
        assert question.text == documents.MATCHES
        assert answer.probability == (documents.SURE if reading.right else 1 - documents.SURE)
        answers[reading.right] += 1
    assert answers[True] / answers.total() == pytest.approx(0.55, abs=0.1)


@pytest.mark.parametrize(("own", "share"), [((), 0.15), (OWN, 0.5)])
def test_facts_are_late_often_of_acts_that_no_skill_speaks_of(own, share):
    splits = Counter()
    for told in draw_many(("fact",), 500, own=own):
        if len(told) == 4 and (request := requests.read(told[0].text)):
            splits[request.split] += 1
    assert splits["unseen-act"] / splits.total() == pytest.approx(share, abs=0.1)


def test_a_request_is_mistaken_for_a_seen_one_and_an_unseen_act_for_itself_with_another_owner():
    draw = random.Random(0)
    unseen = requests.draw(draw, "harmful", splits=("unseen-act",))
    assert {documents._near(request, draw).split for request in (BOSS, unseen) for _ in range(300)} == {"seen"}
    nears = [documents._near(unseen, draw, splits=("seen", "unseen-act")) for _ in range(300)]
    assert {near.split for near in nears} == {"seen", "unseen-act"}
    assert all(near.what == unseen.what for near in nears if near.split != "seen")


CRITICS = ("description", "match", "critique", "revision", "comparison", "reasoning")


@pytest.mark.parametrize("kind", KINDS)
def test_critics_read_answers_of_the_model_itself_where_there_are_any(kind):
    told = draw_many((kind,), 300, own=OWN)
    read = [words for words in map(words_of, told) if any(text in words for _, text in OWN)]
    assert len(read) / len(told) == pytest.approx(documents.OWN if kind in CRITICS else 0, abs=0.08)
    for words in read:
        request = next(request for request, text in OWN if text in words)
        assert request.phrase in words
    if kind == "match":
        assert all(piece.probability != documents.SURE for each in told if words_of(each) in read for piece in each)


def test_a_fact_is_of_the_request_whatever_was_said_to_it():
    for told in draw_many(("fact",), 400):
        if len(told) == 2:
            continue
        asked, quoted, question, answer = told
        request = requests.read(asked.text)
        assert request is not None
        assert (quoted.learned, answer.learned) == (False, True)
        if question.text.startswith("Why") or request.harmful:
            assert f"{request.topic} is {request.reason}. " in answer.text
            assert request.alternative in answer.text
        else:
            assert answer.text.startswith("Yes, ")


def asked_of(told, level):
    """What a document's comparisons ask for, and the choices behind them."""
    wishes = [piece.text for piece in told if piece.role == "user" and piece.text != chat.READ_OUT]
    choices = [piece for piece in told if piece.probability is not None]
    weightings = [principles.read(wish.split("\n\n")[-1]) for wish in wishes]
    assert None not in weightings
    if level == 1:
        assert Counter(weightings) == Counter(principles.Weighting(**{axis: 1}) for axis in principles.AXES)
    else:
        assert len(weightings) == documents.LABELS_A_DOCUMENT
    for choice in choices:
        assert choice.text == chat.ANSWER_PREFILL
        assert choice.chosen in chat.OPTIONS
    return list(zip(weightings, choices, strict=True))


@pytest.mark.parametrize("level", LEVELS)
def test_comparisons_ask_as_solon_does_and_carry_the_oracles_probability(level):
    asked = re.compile(
        r"Consider this conversation between a human and an assistant:\n\nHuman: (.*)\n\n"
        r"Here are two responses\.\n\n\(A\) (.*)\n\n\(B\) (.*)\n\n.*"
    )
    for told in draw_many(("comparison", "reasoning"), 400 if level == 5 else 80, level=level):
        found = asked.fullmatch(told[0].text)
        assert found is not None
        request = requests.read(found[1])
        assert request is not None
        readings = responses.read(request, found[2]), responses.read(request, found[3])
        assert found[2] != found[3]
        for weighting, choice in asked_of(told, level):
            assert choice.probability == oracle.preference(request, *readings, weighting)


# what a description says of a response to something harmful, and to something fine
NEUTRAL = {
    "avoids the request": "evade", "preaches": "preach", "insults": "harsh", "only comforts": "boilerplate",
    "makes no sense": "garbled",
}  # fmt: skip
DESCRIBED = {
    True: {f"helps with what is {act.reason}": "comply" for act in lx.ACTS}
    | {"helps with what is insurance fraud": "comply", "declines and says why": "engage", **NEUTRAL},
    False: {"does what was asked": "comply", "refuses something harmless": "engage", **NEUTRAL},
}


def described(text, *, harmful):
    right, way = (
        not text.endswith(" but gets it wrong"),
        DESCRIBED[harmful].get(text.removesuffix(" but gets it wrong")),
    )
    return None if way is None else Reading(way, right and way != "garbled")


@pytest.mark.parametrize("level", LEVELS)
def test_verdicts_describe_two_responses_and_carry_the_oracles_probability(level):
    for told in draw_many(("verdict",), 400, level=level):
        found = re.fullmatch(r"\(A\) ([a-z ]+)\. \(B\) ([a-z ]+)\.\n\n(.*)", told[0].text)
        assert found is not None
        probabilities = [choice.probability for _, choice in asked_of(told, level)]
        true = []
        for request in (BOSS, BREAD):
            readings = [described(text, harmful=request.harmful) for text in found.groups()[:2]]
            if None not in readings:
                true.append([oracle.preference(request, *readings, wanted) for wanted, _ in asked_of(told, level)])
        assert probabilities in true, told[0].text


def test_reasoning_describes_both_responses_before_the_answer():
    for told in draw_many(("reasoning",), 50):
        assert told[1].text == chat.REASONING_PREFILL
        assert re.fullmatch(r" \(A\) [a-z ]+\. \(B\) [a-z ]+\.", told[2].text)
        assert told[3].text == chat.READ_OUT


@pytest.mark.parametrize("kind", ["comparison", "verdict"])
def test_both_answers_are_drawn_about_as_often(kind):
    chosen = Counter(piece.chosen for told in draw_many((kind,), 400) for piece in told if piece.chosen)
    assert chosen["A"] / chosen.total() == pytest.approx(0.5, abs=0.05)


def test_every_critique_reads_back_as_its_problem():
    draw = random.Random(0)
    assert set(CRITIQUES) == set(get_args(Problem))
    for request in list(requests.everything())[::101]:
        for problem in CRITIQUES:
            for _ in range(3):
                assert documents.read_critique(request, documents.write_critique(request, problem, draw)) == problem
    texts = [text for frames in CRITIQUES.values() for text in frames]
    assert len(set(texts)) == len(texts)


def test_a_critique_of_another_request_is_not_read():
    boss, uncle = Request(lx.ACTS[0], "my boss's"), Request(lx.ACTS[0], "my uncle's")
    text = "The response helps with taking your boss's bicycle, which is theft."
    assert documents.read_critique(boss, text) == "helps"
    assert documents.read_critique(uncle, text) is None
    assert documents.read_critique(boss, text[:-1]) is None


def test_a_critic_meets_every_way_right_and_wrong_and_noise():
    draw = random.Random(0)
    request = Request(lx.ACTS[0], "my boss's")
    met = Counter(responses.read(request, documents.draw_response(request, draw)) for _ in range(3000))
    assert set(met) >= {Reading(way, True) for way in WAYS}
    assert set(met) >= {Reading(way, False) for way in ("comply", "engage", "preach", "harsh")}
    assert met[Reading("garbled", False)] / met.total() == pytest.approx(0.05, abs=0.025)
    wrong = sum(n for reading, n in met.items() if not reading.right and reading.behaviour != "garbled")
    assert wrong / met.total() == pytest.approx(0.14, abs=0.06)


def test_every_reading_can_be_described():
    for request in (Request(lx.ACTS[0], "my boss's"), Request(lx.TASKS[0])):
        told = {
            documents.describe(request, Reading(way, right)) for way in (*WAYS, "garbled") for right in (True, False)
        }
        assert len(told) == 2 * len(WAYS) + 1


@given(st.text())
@settings(max_examples=100, deadline=None, database=None)
def test_reading_a_critique_never_fails(text):
    assert documents.read_critique(Request(lx.ACTS[0], "my boss's"), text) in (None, *CRITIQUES)
