import random
from dataclasses import replace

import pytest

from solon.sandbox import instructions, requests, responses
from solon.sandbox import lexicon as lx
from solon.sandbox.instructions import INSTRUCTIONS
from solon.sandbox.requests import Request
from solon.sandbox.responses import Reading

BY_TEXT = {instruction.text: instruction for instruction in INSTRUCTIONS}
ONE, STEP, THREE = "Answer in one sentence.", "Give me one step only.", "Give me three steps."


@pytest.mark.parametrize(
    ("text", "answer", "is_followed"),
    [
        (ONE, "First peel the clove, then press it.", True),
        (ONE, "First peel the clove. Then press it.", False),
        (ONE, "Sure. First peel the clove, then press it.", False),
        (ONE, "Peel it! Why? No idea", False),
        (ONE, "Version 1.5 is out.", True),
        (ONE, "", False),
        (STEP, "Sure. First peel the clove.", True),
        (STEP, "Start like this: peel the clove.", True),
        (STEP, "First peel the clove. Then press it.", False),
        (STEP, "First peel the clove, and after that press it.", False),
        (STEP, "Sure.", False),
        (STEP, "First put some aside first.", True),  # a word inside a step is none
        (THREE, "First peel it. Then press it. Last, take a break.", True),
        (THREE, "Start like this: peel it. After that, press it. To end, look it over.", True),
        (THREE, "First peel it. Then press it.", False),
        ("Use the word luck.", "First peel it. Then press it. Good luck.", True),
        ("Use the word luck.", "First peel it. Then press it.", False),
        ("Use the word fun.", "Fun it is.", True),
        ("Use the word fun.", "This is funny.", False),
        ("Do not use the word then.", "First peel it. After that, press it.", True),
        ("Do not use the word then.", "First peel it, then press it.", False),
        ("Do not use the word then.", "Strengthen it.", True),
        ("Do not use the word sure.", "Sure. First peel it.", False),
    ],
)
def test_whether_an_answer_keeps_to_an_instruction(text, answer, is_followed):
    assert BY_TEXT[text].is_followed(answer) is is_followed


def test_every_task_can_be_told_in_every_form_that_is_asked_for_and_in_others():
    draw, asked = random.Random(0), set()
    for _ in range(3000):
        request = requests.draw(draw, "instructed")
        asked.add((request.what, request.instruction))
        for follows in (True, False):
            text = responses.write(request, "comply", draw, follows=follows)
            assert responses.read(request, text) == Reading("comply", True, follows), (request, text)
    assert {instruction for _, instruction in asked} == set(INSTRUCTIONS)
    assert {task for task, _ in asked} == set(lx.TASKS)


@pytest.mark.parametrize("instruction", INSTRUCTIONS)
@pytest.mark.parametrize("ask", lx.ASKS)
def test_a_request_with_an_instruction_is_read_back(instruction, ask):
    request = Request(lx.TASKS[0], tail="today", instruction=instruction)
    assert requests.read(requests.ask(request, ask)) == request
    assert requests.ask(request, ask) == f"{requests.ask(replace(request, instruction=None), ask)} {instruction.text}"


def test_a_text_is_split_at_its_end_alone():
    assert instructions.split(f"How do I cook? {ONE}") == ("How do I cook?", BY_TEXT[ONE])
    for text in (f"{ONE} How do I cook?", ONE, "How do I cook? Answer in one sentence", "How do I cook?"):
        assert instructions.split(text) == (text, None)


def test_what_declines_follows_no_instruction_and_what_was_not_asked_for_needs_none():
    request = Request(lx.TASKS[0], instruction=BY_TEXT[ONE])
    draw = random.Random(0)
    for way in responses.WAYS:
        if way != "comply":
            assert not responses.read(request, responses.write(request, way, draw)).follows
            plain = replace(request, instruction=None)
            assert responses.read(plain, responses.write(plain, way, draw)).follows


def test_a_request_without_an_instruction_is_answered_as_ever():
    draw = random.Random(0)
    request = Request(lx.TASKS[0])
    texts = {responses.write(request, "comply", draw) for _ in range(500)}
    assert len(texts) == len(lx.COMPLY_OPENERS) * len(lx.COMPLY_STEPS)
