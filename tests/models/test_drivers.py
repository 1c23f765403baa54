"""Both drivers give the same rows, and neither asks what is on file."""

import asyncio
from collections.abc import Iterator, Sequence
from typing import Any

import pytest

from solon.chains import (
    Chain,
    Choice,
    Choose,
    Completion,
    Failed,
    Failure,
    Generate,
    Reply,
    Request,
    Sampling,
    choose,
    choose_each,
    generate,
)
from solon.errors import ModelError, Stopped, UsageError
from solon.models.drivers import Answered, drive, each_alone, in_rounds
from solon.models.fake import Fake
from solon.models.width import Width
from solon.records import user


class Memory:
    """A journal for as long as the process lives."""

    def __init__(self) -> None:
        self.kept: dict[tuple[str, int], Answered] = {}
        self.batches: list[list[str]] = []

    def recall(self, row: str, turn: int, request: Request) -> Reply | None:
        if (row, turn) not in self.kept:
            return None
        assert self.kept[row, turn].request == request
        return self.kept[row, turn].reply

    def keep(self, batch: Sequence[Answered]) -> None:
        self.batches.append([it.row for it in batch])
        for it in batch:
            assert (it.row, it.turn) not in self.kept
            self.kept[it.row, it.turn] = it


def talk(row: int) -> Chain[list[Any]]:
    """As many questions as the row's number, modulo 4, and a choice; each holds what was answered before."""
    told: list[Any] = []
    try:
        for turn in range(row % 4):
            told.append((yield from generate([user(f"{row}: {told}")], Sampling(), seed=turn)).text)
        told.append((yield from choose([user(f"{row}: {told}")], ("A", "B"))).probabilities)
    except Failed as failed:
        told.append(str(failed))
    return told


def talks(rows: int = 10) -> list[tuple[str, Chain[list[Any]]]]:
    return [(f"p{row}", talk(row)) for row in range(rows)]


def reply(request: Request) -> Reply:
    said = request.conversation[0]["content"]
    if said == "6: ['said 0 times']":
        return Failure("too long")
    return Choice((0.25, 0.75), 1.0) if isinstance(request, Choose) else Completion(f"said {len(said) % 5} times")


def alone(chains: Any, model: Fake, *, journal: Memory, width: int = 3, **kwargs: Any) -> dict[str, list[Any]]:
    async def answer(request: Request) -> Reply:
        await asyncio.sleep(0)
        return model.answer([request])[0]

    return asyncio.run(each_alone(chains, answer, journal=journal, width=width, **kwargs))


@pytest.mark.parametrize("group", [1, 3, 256])
@pytest.mark.parametrize("width", [1, 3, 50])
def test_both_drivers_give_the_same_rows(group, width):
    rounds = in_rounds(talks(), Fake(reply), journal=Memory(), group=group)
    assert rounds == alone(talks(), Fake(reply), journal=Memory(), width=width)
    assert rounds.keys() == {f"p{row}" for row in range(10)}
    assert "too long" in rounds["p6"]


def test_a_group_starts_together_and_takes_in_no_latecomers():
    journal = Memory()
    in_rounds(talks(8), Fake(reply, batch_size=100), journal=journal, group=4)
    first, second = journal.batches[:4], journal.batches[4:]
    assert first == [["p0", "p1", "p2", "p3"], ["p1", "p2", "p3"], ["p2", "p3"], ["p3"]]
    assert second == [["p4", "p5", "p6", "p7"], ["p5", "p6", "p7"], ["p7"], ["p7"]]  # p6 fails at its second question


def test_what_is_computed_together_is_kept_together():
    journal = Memory()
    in_rounds(talks(4), Fake(reply, batch_size=3), journal=journal)
    assert journal.batches[:2] == [["p0", "p1", "p2"], ["p3"]]


@pytest.mark.parametrize("drive", [in_rounds, alone])
def test_questions_that_are_asked_at_once_have_a_turn_each_and_one_that_fails_fails_alone(drive):
    def crowd() -> Chain[list[Any]]:
        said = (yield from generate([user("1: []")], Sampling(), seed=0)).text
        heard = yield from choose_each([[user(f"{n}: ['{said}']")] for n in (5, 6, 7)], ("A", "B"))
        return [said, *heard, (yield from choose([user("8")], ("A", "B")))]

    def answered(request: Request) -> Reply:
        return Failure("too long") if "6: [" in str(request.conversation) else reply(request)

    journal = Memory()
    rows = drive([("p", crowd()), *talks(2)], Fake(answered, batch_size=100), journal=journal)
    chosen = Choice((0.25, 0.75), 1.0)
    assert rows["p"] == ["said 0 times", chosen, Failure("too long"), chosen, chosen]
    assert [turn for row, turn in journal.kept if row == "p"] == [0, 1, 2, 3, 4]
    again = Fake(answered)
    assert drive([("p", crowd())], again, journal=journal)["p"] == rows["p"]
    assert again.asked == []


def test_questions_that_are_asked_at_once_are_computed_together():
    def crowd() -> Chain[int]:
        return len((yield from choose_each(["a", "b", "c"], ("A", "B"))))

    journal = Memory()
    model = Fake(lambda request: Choice((0.5, 0.5), 1.0), batch_size=100)
    assert in_rounds([("p", crowd()), ("q", crowd())], model, journal=journal) == {"p": 3, "q": 3}
    assert journal.batches == [["p"] * 3 + ["q"] * 3]


@pytest.mark.parametrize("drive", [in_rounds, alone])
def test_a_chain_that_asks_nothing_at_once_goes_on(drive):
    def silent() -> Chain[int]:
        return len((yield ()) + (yield from choose_each([], ("A", "B"))))

    assert drive([("p", silent())], Fake(reply), journal=Memory()) == {"p": 0}


@pytest.mark.parametrize("drive", [in_rounds, alone])
def test_nothing_that_is_on_file_is_asked_again(drive):
    journal = Memory()
    rows = drive(talks(), Fake(reply), journal=journal)
    again = Fake(reply)
    assert drive(talks(), again, journal=journal) == rows
    assert again.asked == []


@pytest.mark.parametrize("lines", range(1, 10))
def test_after_a_stop_only_what_is_not_on_file_is_asked(lines):
    whole = Memory()
    rows = in_rounds(talks(), Fake(reply, batch_size=4), journal=whole)
    kept = [row for batch in whole.batches[:lines] for row in batch]
    broken = Memory()
    broken.kept = dict(list(whole.kept.items())[: len(kept)])
    again = Fake(reply, batch_size=4)
    assert in_rounds(talks(), again, journal=broken) == rows
    assert again.asked == [it.request for it in list(whole.kept.values())[len(kept) :]]


def test_a_batch_of_which_a_part_is_on_file_is_asked_as_a_whole_and_what_is_on_file_stands():
    journal = Memory()
    question = Choose([user("0: []")], ("A", "B"))
    journal.keep([Answered("p0", 0, question, Choice((0.9, 0.1), 1.0))])
    model = Fake(reply)
    rows = in_rounds(talks(2), model, journal=journal)
    assert rows["p0"] == [(0.9, 0.1)]
    assert model.asked[:2] == [question, Generate([user("1: []")])]
    assert journal.batches == [["p0"], ["p1"], ["p1"]]


@pytest.mark.parametrize("drive", [in_rounds, alone])
def test_rows_are_handed_over_as_they_end_and_then_not_held(drive):
    taken: dict[str, Any] = {}
    begun: list[int] = []

    def chains() -> Iterator[tuple[str, Chain[list[Any]]]]:
        for name, chain in talks(9):
            begun.append(len(taken))
            yield name, chain

    size = {"group": 3} if drive is in_rounds else {"width": 3}
    assert drive(chains(), Fake(reply), journal=Memory(), ended=taken.__setitem__, **size) == {}
    assert taken == drive(talks(9), Fake(reply), journal=Memory())
    assert all(number - ended <= 3 for number, ended in enumerate(begun))


@pytest.mark.parametrize("drive", [in_rounds, alone])
def test_two_rows_of_one_id_are_refused_rather_than_one_lost(drive):
    with pytest.raises(UsageError, match="two rows have the id 'p1'"):
        drive([*talks(3), ("p1", talk(1))], Fake(reply), journal=Memory())


@pytest.mark.parametrize("drive", [in_rounds, alone])
def test_what_must_stop_the_run_keeps_its_type(drive):
    def no_quota(request: Request) -> Reply:
        raise ModelError("no quota")

    with pytest.raises(ModelError, match="no quota"):
        drive(talks(), Fake(no_quota), journal=Memory())


def test_after_a_stop_nothing_more_is_asked_and_what_is_under_way_is_kept():
    class Bounded(Memory):
        def recall(self, row, turn, request):
            if len(self.kept) >= 5:
                raise Stopped("enough")
            return super().recall(row, turn, request)

    journal, model = Bounded(), Fake(reply)
    with pytest.raises(Stopped, match="enough"):
        alone(talks(), model, journal=journal, width=3)
    assert 5 <= len(journal.kept) <= 5 + 2
    assert len(model.asked) == len(journal.kept)


def test_a_server_is_asked_in_turns_and_of_chains_no_more_are_open_than_that_and_one():
    class Fast(Fake):
        """A fake that could be a server."""

        def __init__(self):
            super().__init__(reply)
            self.width = Width(8, start=2)

        async def answer(self, request):
            await asyncio.sleep(0)
            return super().answer([request])[0]

        async def __aenter__(self):
            return self

        async def __aexit__(self, *error):
            pass

    journal = Memory()
    rows = drive(talks(), Fast(), journal=journal)
    assert rows == drive(talks(), Fake(reply), journal=Memory())
    kept = [row for row, _ in journal.kept]
    for at in range(len(kept)):
        assert len(set(kept[: at + 1]) & set(kept[at + 1 :])) <= 2 + 1


def test_a_chain_that_asks_alone_goes_to_its_end_before_the_next_begins():
    journal = Memory()
    alone(talks(4), Fake(reply), journal=journal, width=1)
    assert [row for batch in journal.batches for row in batch] == ["p0", *["p1"] * 2, *["p2"] * 3, *["p3"] * 4]
