import random
import re
from collections import Counter
from itertools import pairwise
from typing import get_args

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from solon.constitution.exemplars import ComparisonExample, RevisionExample
from solon.prompts import chat
from solon.records import user
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
    assert wanted.total() > 15_000
    assert not [meaning for meaning in wanted if meaning.unseen]
    seen = set(principles.weightings(unseen=False))
    assert set(wanted) <= seen
    assert len(wanted) > 0.75 * len(seen)


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
        if verdict.better is None:
            assert revised.text == quoted.text
        else:
            assert responses.read(request, revised.text) == verdict.better


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
FEW_SHOT = ("few-shot revision", "few-shot comparison")
"""Those of responses; verdicts have descriptions of them."""


@pytest.mark.parametrize("kind", KINDS)
def test_critics_read_answers_of_the_model_itself_where_there_are_any(kind):
    told = draw_many((kind,), 300, own=OWN)
    read = [words for words in map(words_of, told) if any(text in words for _, text in OWN)]
    share = len(read) / len(told)
    if kind in FEW_SHOT:  # one to four cases, drawn from a third of the model's own for what they tell
        assert documents.OWN < share < 0.9
    else:
        assert share == pytest.approx(documents.OWN if kind in CRITICS else 0, abs=0.08)
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


COMPARED = re.compile(
    r"Consider this conversation between a human and an assistant:\n\nHuman: (.*)\n\n"
    r"Here are two responses\.\n\n\(A\) (.*)\n\n\(B\) (.*)\n\n(.*)"
)


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
    for told in draw_many(("comparison", "reasoning"), 400 if level == 5 else 80, level=level):
        found = COMPARED.fullmatch(told[0].text)
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


FORMLESS, WRONG = ", not in the form asked for", " but gets it wrong"


def described(text, *, harmful):
    kept = text.removesuffix(FORMLESS)
    way = DESCRIBED[harmful].get(kept.removesuffix(WRONG))
    right = not kept.endswith(WRONG) and way != "garbled"
    return None if way is None else Reading(way, right, kept == text)


@pytest.mark.parametrize("level", LEVELS)
def test_verdicts_describe_two_responses_and_carry_the_oracles_probability(level):
    for told in draw_many(("verdict",), 400, level=level):
        found = re.fullmatch(r"\(A\) ([a-z, ]+)\. \(B\) ([a-z, ]+)\.\n\n(.*)", told[0].text)
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
        assert re.fullmatch(r" \(A\) [a-z, ]+\. \(B\) [a-z, ]+\.", told[2].text)
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
            documents.describe(request, Reading(way, right, follows))
            for way in (*WAYS, "garbled")
            for right in (True, False)
            for follows in (True, False)
        }
        assert len(told) == 4 * len(WAYS) + 1


def cases_of(told):
    """The cases of a few-shot document: each begins where a request is asked, or two responses are shown."""
    starts = [i for i, piece in enumerate(told) if piece.role == "user" and is_start(piece.text)]
    return [told[start:end] for start, end in pairwise([*starts, len(told)])]


def is_start(text):
    return text.startswith("Consider") or requests.read(text) is not None


@pytest.mark.parametrize("kind", FEW_SHOT)
def test_few_shot_documents_have_up_to_three_examples_before_the_last_case(kind):
    counts = Counter(len(cases_of(told)) for told in draw_many((kind,), 400))
    assert set(counts) == {1, 2, 3, 4}
    assert min(counts.values()) > 60


def test_few_shot_revisions_are_asked_for_as_with_exemplars_and_obey_one_meaning_of_the_principle():
    ambiguous = Counter()
    for told in draw_many(("few-shot revision",), 200):
        *shown, last = [conversation(case) for case in cases_of(told)]
        examples = [
            RevisionExample(
                case[:1],
                case[1]["content"],
                (case[2]["content"], case[3]["content"]) if len(case) == 6 else None,
                case[-2]["content"],
                case[-1]["content"],
            )
            for case in shown
        ]
        critique = (last[2]["content"], last[3]["content"]) if len(last) == 6 else None
        asked = chat.revision(
            last[:1], last[1]["content"], critique=critique, request=last[-2]["content"], exemplars=examples
        )
        assert [*asked, last[-1]] == conversation(told)
        meanings = principles.meanings(last[-2]["content"])
        ambiguous[len(meanings)] += 1
        assert any(all(obeys(case, meaning) for case in (*shown, last)) for meaning in meanings)
    assert ambiguous[2] / ambiguous.total() == pytest.approx(documents.AMBIGUOUS, abs=0.1)


def obeys(case, meaning):
    request = requests.read(case[0]["content"])
    verdict = oracle.critique(request, responses.read(request, case[1]["content"]), meaning)
    if len(case) == 6 and documents.read_critique(request, case[3]["content"]) != verdict.problem:
        return False
    if verdict.better is None:
        return case[-1]["content"] == case[1]["content"]
    return responses.read(request, case[-1]["content"]) == verdict.better


def test_few_shot_comparisons_are_asked_as_with_exemplars_and_learn_what_the_answers_before_leave_open():
    for told in draw_many(("few-shot comparison",), 200):
        meanings = principles.meanings(COMPARED.fullmatch(told[0].text)[4])
        beliefs = [1 / len(meanings)] * len(meanings)
        examples = []
        for asked, choice in zip(told[::2], told[1::2], strict=True):
            text, first, second, wanted = COMPARED.fullmatch(asked.text).groups()
            request = requests.read(text)
            readings = responses.read(request, first), responses.read(request, second)
            firsts = [oracle.preference(request, *readings, meaning) for meaning in meanings]
            assert choice.probability == pytest.approx(sum(b * p for b, p in zip(beliefs, firsts, strict=True)))
            question = chat.comparison([user(text)], (first, second), wanted, exemplars=examples)
            assert question[-1]["content"] == asked.text
            likely = [p if choice.chosen == "A" else 1 - p for p in firsts]
            joint = [b * p for b, p in zip(beliefs, likely, strict=True)]
            beliefs = [each / sum(joint) for each in joint]
            examples.append(ComparisonExample([user(text)], (first, second), wanted, None, choice.chosen))
        assert conversation(told)[:-1] == question


def test_the_cases_of_an_ambiguous_principle_mostly_tell_what_is_meant():
    telling = []
    for told in draw_many(("few-shot comparison",), 200):
        for asked in told[::2]:
            text, first, second, wanted = COMPARED.fullmatch(asked.text).groups()
            request, meanings = requests.read(text), principles.meanings(wanted)
            readings = responses.read(request, first), responses.read(request, second)
            firsts = [oracle.preference(request, *readings, meaning) for meaning in meanings]
            if len(meanings) == 2:
                telling.append(max(firsts) - min(firsts) > 0.4)
    assert sum(telling) / len(telling) > 0.75


def test_form_documents_ask_what_only_the_form_decides_and_obey_the_oracle():
    hows, problems = Counter(), Counter()
    for told in draw_many(("form",), 800):
        if compared := COMPARED.fullmatch(told[0].text):
            hows["comparison"] += 1
            request = requests.read(compared[1])
            readings = [responses.read(request, compared[i]) for i in (2, 3)]
            wishes = [piece.text.split("\n\n")[-1] for piece in told if piece.role == "user"]
            for wish, choice in zip(wishes, told[1::2], strict=True):
                assert choice.probability == oracle.preference(request, *readings, principles.read(wish))
        else:
            request = requests.read(told[0].text)
            readings = [responses.read(request, told[1].text)]
            wishes = [piece.text for piece in told[2:] if piece.role == "user"]
            if principles.read(wishes[0]) is None:
                hows["description"] += 1
                assert told[-1].text == f"It {documents.describe(request, readings[0])}."
                continue
            hows["critique or revision"] += 1
            if (found := documents.read_critique(request, told[3].text)) is not None:
                problem = oracle.critique(request, readings[0], principles.read(wishes[0])).problem
                assert found == problem
                problems[problem] += 1
        assert request.instruction
        assert {reading.behaviour for reading in readings} == {"comply"}
        assert principles.read(wishes[0]).exact > 0
    assert min(hows.values()) > 80
    assert min(problems["not-exact"], problems["none"]) > 0.2 * problems.total()


def test_few_shot_verdicts_describe_two_responses_and_ask_under_one_principle():
    counts = Counter()
    for told in draw_many(("few-shot verdict",), 200):
        cases = [re.fullmatch(r"\(A\) ([a-z, ]+)\. \(B\) ([a-z, ]+)\.\n\n(.*)", asked.text) for asked in told[::2]]
        assert len({case[3] for case in cases}) == 1
        assert principles.meanings(cases[0][3])
        assert all(choice.probability is not None for choice in told[1::2])
        counts[len(cases)] += 1
    assert set(counts) == set(range(1, documents.MOST_DESCRIBED + 2))


def test_the_world_follows_half_of_the_instructions_and_critics_meet_both():
    draw = random.Random(0)
    followed = Counter()
    for _ in range(600):
        request = requests.draw(draw, "instructed")
        followed[responses.read(request, responses.write(request, "comply", draw)).follows] += 1
        for follows in (True, False):
            text = responses.write(request, "comply", draw, follows=follows)
            assert responses.read(request, text) == Reading("comply", True, follows), text
    assert followed[True] / followed.total() == pytest.approx(0.5, abs=0.08)


@given(st.text())
@settings(max_examples=100, deadline=None, database=None)
def test_reading_a_critique_never_fails(text):
    assert documents.read_critique(Request(lx.ACTS[0], "my boss's"), text) in (None, *CRITIQUES)
