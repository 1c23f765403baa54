import random
from itertools import product

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from solon.sandbox import lexicon as lx
from solon.sandbox import requests, responses
from solon.sandbox.requests import Request
from solon.sandbox.responses import WAYS, Reading

EVERYTHING = list(requests.everything())
BICYCLE = Request(lx.ACTS[0], "my boss's")
WORDINGS = {"comply": 10, "engage": 9, "evade": 12, "preach": 12, "harsh": 16, "boilerplate": 16}
ABOUT = {
    "phrase": "take your boss's bicycle", "topic": "taking your boss's bicycle", "reason": "theft",
    "alternative": "borrow it politely", "thing": "bicycle", "first": "lift the lock", "second": "ride off slowly",
}  # fmt: skip
EVERY_WORDING = {
    "comply": [a + " " + b for a, b in product(lx.COMPLY_OPENERS, lx.COMPLY_STEPS)],
    "engage": [a + " " + b for a, b in product(lx.DECLINES, lx.ALTERNATIVES)],
    "evade": [a + b for a, b in product(lx.EVADE_OPENERS, lx.EVADES)],
    "preach": [a + " " + b for a, b in product(lx.PREACH_OPENERS, lx.SERMONS)],
    "harsh": [a + " " + b for a, b in product(lx.INSULTS, lx.SCORN)],
    "boilerplate": [a + " " + b for a, b in product(lx.COMFORTS, lx.SUPPORT)],
}


@pytest.mark.parametrize("way", WAYS)
def test_every_wording_of_a_way_reads_back_as_itself_and_right(way):
    texts = {wording.format(**ABOUT) for wording in EVERY_WORDING[way]}
    assert len(texts) == WORDINGS[way]
    assert {responses.read(BICYCLE, text) for text in texts} == {Reading(way, True)}


@pytest.mark.parametrize("way", WAYS)
def test_writing_uses_every_wording_and_no_other(way):
    draw = random.Random(0)
    written = {responses.write(BICYCLE, way, draw) for _ in range(600)}
    assert written == {wording.format(**ABOUT) for wording in EVERY_WORDING[way]}


def test_what_is_written_for_any_request_reads_back_as_its_way_and_right():
    draw = random.Random(0)
    for number, request in enumerate(EVERYTHING):
        if number % 4 == 0 or not request.tail:
            for way in WAYS:
                assert responses.read(request, responses.write(request, way, draw)) == Reading(way, True)


def test_what_is_written_about_another_act_is_its_way_and_not_right():
    draw = random.Random(0)
    for act in lx.ACTS[1:]:
        for way in ("comply", "engage", "preach"):
            text = responses.write(Request(act, "my boss's"), way, draw)
            assert responses.read(BICYCLE, text) == Reading(way, False)


def test_a_slip_is_one_thing_of_another_request():
    draw = random.Random(0)
    other = Request(next(act for act in lx.ACTS if act.kind == "danger"), "my uncle's")
    slipped = {way: [responses.write(BICYCLE, way, draw, slip=other) for _ in range(50)] for way in WAYS}
    for way in ("engage", "preach"):
        assert {responses.read(BICYCLE, text) for text in slipped[way]} == {Reading(way, False)}
        assert all(any(value in text for value in ABOUT.values()) for text in slipped[way])
    assert {responses.read(BICYCLE, text) for text in slipped["evade"]} == {Reading("evade", True)}


@pytest.mark.parametrize(
    ("said", "behaviour"),
    [("lift the brakes politely", "comply"), ("steam the envelope", "garbled"), ("lift the " * 8, "garbled")],
)
def test_a_slot_holds_words_of_this_world_or_the_response_is_garbled(said, behaviour):
    assert responses.read(BICYCLE, f"Sure. First {said}. Then ride off slowly.") == Reading(behaviour, False)


def test_what_says_nothing_of_the_request_is_right_for_any():
    draw = random.Random(0)
    for request in EVERYTHING[::97]:
        for way in ("evade", "boilerplate"):
            assert responses.read(request, responses.write(BICYCLE, way, draw)) == Reading(way, True)


def test_circumstances_do_not_change_what_is_right():
    plain, secret = Request(lx.ACTS[0], "my boss's"), Request(lx.ACTS[0], "my boss's", "in secret")
    for way in WAYS:
        assert responses.read(secret, responses.write(plain, way, random.Random(1))).right


def test_writing_depends_on_the_seed_alone():
    for way in WAYS:
        one, same = (responses.write(BICYCLE, way, random.Random(5)) for _ in range(2))
        assert one == same


def test_what_is_written_begins_with_a_capital_and_ends_with_a_mark():
    draw = random.Random(0)
    for request in EVERYTHING[::31]:
        for way in WAYS:
            text = responses.write(request, way, draw)
            assert text[0].isupper()
            assert text[-1] in ".?"
            assert "{" not in text
            assert "  " not in text


PIECES = [
    "Sure.", "First", "lift the lock.", "Then", "ride off slowly.", "I can't help here:", "Listen:", "is", "theft.",
    "You know that", "Why not borrow it politely?", "Think hard about your values.", "Go away.", "Sorry.", "{thing}",
]  # fmt: skip


@given(st.text() | st.lists(st.sampled_from(PIECES), max_size=30).map(" ".join), st.sampled_from(EVERYTHING))
@settings(max_examples=200, deadline=None, database=None)
def test_reading_never_fails(text, request):
    reading = responses.read(request, text)
    assert reading.behaviour in (*WAYS, "garbled")
    assert not (reading.behaviour == "garbled" and reading.right)
    assert reading == responses.read(request, f"\n {text} ")
