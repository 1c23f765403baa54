"""Whatever a server does, a question is asked again, or ends its row, or ends the run; and never hangs."""

import asyncio
import json
import time
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest
from server import Behaviour, Said, Scripted, error

from solon.chains import Choose, Completion, Failure, Generate
from solon.errors import ModelError, UsageError
from solon.models.client import BUSY, FAULTS, LATE, LONGEST_GIVEN, Client, Pace, seconds_to_wait
from solon.models.completions import Abilities
from solon.models.openai import OpenAI
from solon.models.probe import Probed
from solon.models.width import Width
from solon.records import user

NOW = datetime(2026, 11, 28, tzinfo=UTC)
QUESTION = Generate([user("Why?")])
KEY = "sk-very-secret"


class Clock:
    """Nobody waits; it is known for how long."""

    def __init__(self):
        self.slept = []
        self.pace = Pace(sleep=self.sleep, now=lambda: NOW, draw=lambda: 0.0)

    async def sleep(self, seconds):
        self.slept.append(seconds)


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture(autouse=True)
def key(monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", KEY)


def model(url, clock, *, timeout=5.0, width=None):
    client = Client(url, width=width or Width(64), key_env="OPENAI_API_KEY", timeout=timeout, pace=clock.pace)
    able = Probed(Abilities("chat"), listed=True, context=None, keeps_seed=True, varies=True, thinks=False)
    return OpenAI(client, model="m", probed=able, extra={})


def ask(reply, clock, request=QUESTION, **options):
    """What comes of a question; and the requests that were made for it, without knocks."""

    async def go(url):
        async with model(url, clock, **options) as asked:
            return await asked.answer(request)

    with Scripted(reply) as server:
        found = asyncio.run(go(server.url))
    return found, [body for body in server.questions if "Hello?" not in json.dumps(body)]


def faulty(said, times=10**6):
    """Breaks in this way so often, and for questions that are no knock only."""
    left = iter(range(times))

    def reply(path, body):
        is_knock = "Hello?" in json.dumps(body)
        return said if not is_knock and next(left, None) is not None else Behaviour()(path, body)

    return reply


FAULTY = {
    "500": Said(error("oops"), 500),
    "502": Said("<html>Bad gateway</html>", 502),
    "503": Said("", 503),
    "504": Said("", 504),
    "408": Said("", 408),
    "reset in the body": Said({"choices": [{"message": {"content": "x" * 999}}]}, cut=20),
    "reset before the body": Said(b"x" * 99, cut=0),
    "truncated JSON": Said('{"choices": [{"message": {"content": "Rath'),
    "HTML": Said("<html><body>Welcome</body></html>"),
    "no JSON object": Said("[1, 2]"),
    "nested too deeply": Said("[" * 100_000),
    "empty": Said(b""),
    "empty choices": Said({"choices": []}),
    "an error under a 200": Said({"error": {"message": "overloaded", "code": 502}}),
    "an error in words under a 200": Said({"error": "CUDA out of memory"}),
    "packed": Said(b"\x1f\x8b\x08\x00", headers={"Content-Encoding": "gzip"}),
}


@pytest.mark.parametrize("how", FAULTY)
def test_a_fault_that_passes_costs_nothing(how, clock):
    found, asked = ask(faulty(FAULTY[how], times=2), clock)
    assert isinstance(found, Completion)
    assert len(asked) == 3
    assert clock.slept == [0.25, 0.5]


@pytest.mark.parametrize("how", FAULTY)
def test_a_fault_that_stays_costs_the_row_where_the_server_answers_others(how, clock):
    found, asked = ask(faulty(FAULTY[how]), clock)
    assert isinstance(found, Failure)
    assert found.reason.startswith("the server cannot answer it: ")
    assert len(asked) == FAULTS


@pytest.mark.parametrize("how", FAULTY)
def test_a_fault_of_all_questions_ends_the_run(how, clock):
    with pytest.raises(ModelError, match="does not answer any more"):
        ask(lambda path, body: FAULTY[how], clock)


ENDLESS = {
    "hangs after the headers": Said({"choices": []}, hang=True),
    "hangs in the body": Said({"choices": [{"text": "x" * 99}]}, hang=True, cut=30),
    "drips": Said({"choices": []}, drip=0.1),
}


@pytest.mark.parametrize("how", ENDLESS)
def test_what_does_not_end_is_given_up_at_the_deadline(how, clock):
    began, width = time.monotonic(), Width(64, start=8)
    found, asked = ask(faulty(ENDLESS[how]), clock, timeout=0.3, width=width)
    assert found == Failure("the server cannot answer it: no answer within 0.3 s")
    assert len(asked) == LATE
    assert width.limit < 8
    assert time.monotonic() - began < 5


def test_no_server_is_a_message_and_no_hang(clock):
    with Scripted(Behaviour()) as server:
        url = server.url

    async def go():
        async with model(url, clock) as asked:
            await asyncio.gather(*(asked.answer(QUESTION) for _ in range(8)))

    began = time.monotonic()
    with pytest.raises(ModelError, match="does not answer any more: Cannot connect"):
        asyncio.run(go())
    assert time.monotonic() - began < 5
    assert max(clock.slept) < 10


@pytest.mark.parametrize(
    ("after", "wait"),
    [
        ("7", 7.0),
        ("0", 0.25),
        ("2.5", 2.5),
        (format_datetime(NOW + timedelta(seconds=30), usegmt=True), 30.0),
        (format_datetime(NOW - timedelta(days=1), usegmt=True), 0.25),
        ("86400", LONGEST_GIVEN),
        ("1e999", LONGEST_GIVEN),
        ("-5", 0.25),
        ("nan", 0.25),
        ("soon", 0.25),
        (None, 0.25),
    ],
)
@pytest.mark.parametrize("status", [429, 503])
def test_a_server_without_room_says_when_to_come_back(status, after, wait, clock):
    headers = {} if after is None else {"Retry-After": after}
    width = Width(64, start=8)
    found, asked = ask(faulty(Said(error("slow down"), status, headers), times=1), clock, width=width)
    assert isinstance(found, Completion)
    assert len(asked) == 2
    assert clock.slept == [wait]
    is_told = status == 429 or after not in ("nan", "soon", None)
    assert width.limit == (7 if is_told else 9)


def test_a_server_that_never_has_room_ends_the_run_and_loses_no_row(clock):
    with pytest.raises(ModelError, match=r"has had no room 20 times: 429: slow down"):
        ask(lambda path, body: Said(error("slow down"), 429), clock)
    assert len(clock.slept) == BUSY - 1
    assert 300 < sum(clock.slept) < 900
    assert max(clock.slept) <= 60


def test_tries_are_apart_by_more_and_more_and_a_part_of_that_is_drawn():
    clock = Clock()
    clock.pace = Pace(sleep=clock.sleep, now=lambda: NOW, draw=lambda: 1.0)
    ask(faulty(Said("", 500), times=4), clock)
    assert clock.slept == [0.5, 1.0, 2.0, 4.0]


@pytest.mark.parametrize(
    ("said", "reason"),
    [
        (Said(error("This model's maximum context length is 4096 tokens"), 400), "maximum context length"),
        (Said({"detail": "seed: must be smaller"}, 422), "seed: must be smaller"),
        (Said({"object": "error", "message": "too long", "code": 400}, 400), "too long"),
        (Said({"error": {"message": "too long", "code": 400}}, 200), "400: too long"),
        (Said("too large", 413), "413: too large"),
    ],
)
def test_a_question_that_is_refused_ends_its_row_at_once(said, reason, clock):
    found, asked = ask(faulty(said), clock)
    assert isinstance(found, Failure)
    assert reason in found.reason
    assert len(asked) == 1


def test_an_answer_without_bounds_is_not_read_to_its_end(clock, monkeypatch):
    monkeypatch.setattr("solon.models.client.MAX_BYTES", 2**20)
    found, asked = ask(faulty(Said(b"x" * 2**22)), clock)
    assert found == Failure("the server's answer has more than 1 MB")
    assert len(asked) == 1


@pytest.mark.parametrize(
    ("said", "told"),
    [
        (Said(error(f"Incorrect API key provided: {KEY}", code="invalid_api_key"), 401), "the key in OPENAI_API_KEY"),
        (Said(error("no access"), 403), "api_key_env"),
        (Said(error("You exceeded your quota", code="insufficient_quota"), 429), "The quota is used up"),
        (Said({"error": {"message": "no", "type": "insufficient_quota", "code": 429}}, 429), "The quota is used up"),
        (Said(error("pay"), 402), "The quota is used up"),
        (Said(error("The model `m` does not exist", code="model_not_found"), 404), "the model's name after the #"),
        (Said("not here", 404), "which most often ends in /v1"),
        (Said("", 307, {"Location": "http://elsewhere.example/v1"}), "redirects to http://elsewhere.example/v1"),
    ],
)
def test_what_holds_for_all_questions_ends_the_run_at_once(said, told, clock):
    with Scripted(lambda path, body: said) as server:

        async def go():
            async with model(server.url, clock) as asked:
                await asked.answer(QUESTION)

        with pytest.raises(ModelError) as stopped:
            asyncio.run(go())
    assert told in str(stopped.value)
    assert KEY not in str(stopped.value)
    assert len(server.questions) == 1


def test_without_a_key_none_is_sent_and_that_is_said(clock, monkeypatch):
    monkeypatch.delenv("OPENAI_API_KEY")
    with pytest.raises(ModelError, match="no key, as OPENAI_API_KEY is not set"):
        ask(lambda path, body: Said("", 401), clock)


@pytest.mark.parametrize("wrong", ["sk\nHost: elsewhere", "sk-é", "sk\x1b"])
def test_a_key_that_is_none_is_not_repeated(wrong, clock, monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", wrong)
    with pytest.raises(UsageError) as told:
        ask(Behaviour(), clock)
    assert wrong not in str(told.value)


def test_a_key_that_a_server_repeats_is_taken_out_of_what_it_says(clock):
    def reply(path, body):
        return Behaviour(said=f"Your key is {KEY}")(path, body)

    found, _ = ask(reply, clock)
    assert found.text.startswith("Your key is [key] ")


@pytest.mark.parametrize("likely", [{"A": float("nan")}, {"A": 1.0}, {}])
def test_no_log_probabilities_or_impossible_ones_are_not_asked_for_again(likely, clock):
    def reply(path, body):
        behaviour = Behaviour(likely=likely or {"A": -1.0}, top_logprobs=20 if likely else 0)
        return behaviour(path, body)

    found, asked = ask(reply, clock, Choose([user("Which?")], ("A", "B"), "("))
    assert isinstance(found, Failure)
    assert len(asked) == 1


def test_what_a_server_says_at_length_is_told_in_short(clock):
    found, _ = ask(faulty(Said(error("no " * 9999), 400)), clock)
    assert len(found.reason) < 400


def test_a_date_without_a_zone_is_taken_as_universal_time():
    assert seconds_to_wait("Sat, 28 Nov 2026 00:00:10", now=NOW) == 10
    assert seconds_to_wait("Sat, 99 Nov 2026 00:00:10 GMT", now=NOW) is None
