"""A server is asked as much at once as it has room for, and the earliest chains first."""

import asyncio
from random import Random
from statistics import mean

import pytest

from solon.models.width import Width


def test_a_width_doubles_with_every_round_until_it_is_refused():
    width = Width(64, start=4)
    for expected in (8, 16, 32, 64, 64):
        for _ in range(int(width.limit)):
            width.answered()
        assert width.limit == expected


def test_a_server_that_has_room_is_asked_all_that_it_may_be_asked_after_two_rounds():
    width = Width(64)
    for _ in range(2):
        for _ in range(int(width.limit)):
            width.answered()
    assert width.limit == 64


def test_a_server_with_room_for_eight_is_asked_eight_and_refuses_one_question_in_six():
    width, refused = Width(64), 0
    for _ in range(1000):
        if width.limit > 8:
            width.refused(width.refusals)
            refused += 1
        else:
            width.answered()
    assert 8 <= width.limit <= 9
    assert refused <= 1000 / 6 + 10  # 16 at first


def test_a_server_that_refuses_one_question_in_six_for_reasons_of_its_own_is_asked_nearly_as_much_as_any_other():
    width, draw, limits = Width(64), Random(0), []
    for _ in range(10_000):
        if draw.random() < 1 / 6:
            width.refused(width.refusals)
        else:
            width.answered()
        limits.append(width.limit)
    assert mean(limits) > 56


def test_what_was_under_way_together_narrows_to_a_half_and_no_further():
    width = Width(64, start=64)
    sent = width.refusals
    for _ in range(20):
        width.refused(sent)
    assert width.limit == 44
    for _ in range(44):
        width.refused(sent)
    assert width.limit == 32
    width.refused(width.refusals)
    assert width.limit == 31


def test_a_width_is_at_least_one_and_at_most_what_was_asked_for():
    width = Width(2)
    assert width.limit == 2
    for _ in range(5):
        width.refused(width.refusals)
    assert width.limit == 1
    for _ in range(100):
        width.answered()
    assert width.limit == 2


def test_no_more_are_let_in_than_there_is_room_for_and_the_earliest_chain_first():
    async def go():
        width, order, most = Width(2, start=2), [], 0

        async def ask(number):
            nonlocal most
            async with width.turn(number):
                most = max(most, width.under_way)
                order.append(number)
                await asyncio.sleep(0)

        await asyncio.gather(*(ask(number) for number in (5, 4, 3, 2, 1)))
        return order, most, width.under_way

    order, most, left = asyncio.run(go())
    assert order == [5, 4, 1, 2, 3]
    assert (most, left) == (2, 0)


def test_who_waits_to_ask_again_leaves_its_place_and_is_let_in_before_those_who_never_were():
    async def go():
        width, order, wait = Width(1), [], asyncio.Event()

        async def ask(number):
            async with width.turn(number):
                order.append(number)
                if number == 1:
                    async with width.away():
                        await wait.wait()
                    order.append("1 again")
                elif number == 2:
                    wait.set()
                    await asyncio.sleep(0)

        await asyncio.gather(*(ask(number) for number in (1, 2, 3)))
        return order, width.under_way

    assert asyncio.run(go()) == ([1, 2, "1 again", 3], 0)


@pytest.mark.parametrize("rounds", range(1, 8))
@pytest.mark.parametrize("goes_away", [False, True])
def test_who_is_cancelled_while_waiting_leaves_its_place(rounds, goes_away):
    async def go():
        width = Width(1, start=1)

        async def ask(number):
            async with width.turn(number):
                if goes_away:
                    async with width.away():
                        await asyncio.sleep(0)
                await asyncio.sleep(0)

        tasks = [asyncio.create_task(ask(number)) for number in range(3)]
        for _ in range(rounds):
            await asyncio.sleep(0)
        tasks[1].cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        return width.under_way, tasks[2].exception()

    assert asyncio.run(go()) == (0, None)
