"""What the benchmarks ask behaves as they say: slots, blocks, and answers that depend on the question alone."""

import asyncio

import pytest
import simulated_server
from simulated_server import BLOCK, CHARACTERS, SLOTS, Asked, Blocks, Engine, answer_to, text_of, tokens_in

from solon.records import assistant, user

WHOLE = BLOCK * CHARACTERS


def asked(prompt: str, tokens: int) -> Asked:
    return Asked("digest", "first", tokens_in(prompt), tokens, came=0.0)


@pytest.fixture
def at_once(monkeypatch):
    monkeypatch.setattr(simulated_server, "STEP", 0.0)
    monkeypatch.setattr(simulated_server, "READ", 0.0)


def with_engine(go):
    async def run():
        engine = Engine()
        running = asyncio.create_task(engine.run())
        try:
            return await go(engine)
        finally:
            running.cancel()

    return asyncio.run(run())


def test_what_a_text_begins_with_is_cached_in_whole_blocks_but_its_last_token():
    blocks = Blocks(100)
    text = "x" * 3 * WHOLE
    assert blocks.cached(text) == 0
    blocks.keep(text)
    assert blocks.cached(text + "y") == 3 * BLOCK
    assert blocks.cached(text) == 2 * BLOCK
    assert blocks.cached("y" + text) == 0


def test_the_blocks_that_were_used_last_are_kept_and_of_a_text_its_beginning():
    blocks = Blocks(3)
    blocks.keep("x" * 2 * WHOLE)
    blocks.keep("y" * 2 * WHOLE)
    assert blocks.cached("y" * 3 * WHOLE) == 2 * BLOCK
    assert blocks.cached("x" * 3 * WHOLE) == BLOCK


def test_an_answer_depends_on_the_question_alone_and_fills_its_tokens():
    answers = {answer_to(f"{number:064}") for number in range(50)}
    assert answers == {answer_to(f"{number:064}") for number in reversed(range(50))}
    assert len({len(answer) for answer in answers}) > 30
    for answer in answers:
        assert len(answer) % CHARACTERS == 0
        assert answer == answer.strip()


def test_the_next_turn_finds_what_was_said_in_the_cache(at_once):
    first = [user("x" * 200)]
    answer = answer_to("1")
    then = [*first, assistant(answer), user("Why?")]

    async def go(engine):
        for turns in (first, then):
            prompt = text_of(turns)
            found = asked(prompt, tokens_in(answer))
            await engine.answer(found, prompt, answer)
        return found

    found = with_engine(go)
    assert found.cached_tokens == tokens_in(text_of(first) + answer) // BLOCK * BLOCK
    assert found.ended >= found.began


def test_no_more_are_written_at_once_than_there_are_slots_and_who_leaves_frees_one(at_once):
    async def go(engine):
        entries = [asked(f"{number}", 50) for number in range(SLOTS + 8)]
        tasks = [asyncio.create_task(engine.answer(each, each.digest, "y" * 50 * CHARACTERS)) for each in entries]
        for _ in range(5):
            await asyncio.sleep(0)
        begun = [each.began is not None for each in entries]
        tasks[0].cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        return begun, entries

    begun, entries = with_engine(go)
    assert begun == [True] * SLOTS + [False] * 8
    assert entries[0].ended is None
    assert all(each.ended is not None for each in entries[1:])
    assert entries[SLOTS].began < entries[1].ended
