"""What is sent, and what is made of what comes back."""

import math

import pytest

from solon import prompts
from solon.chains import Choice, Choose, Completion, Failure, Generate, Sampling
from solon.models.client import Again
from solon.models.completions import Abilities, read_choice, read_completion, request_of
from solon.records import assistant, system, user

CHAT = Abilities("chat")
UNABLE = Abilities("chat", takes_system=False, continues=False, top_logprobs=5)
TEXT = Abilities("transcript")
ASKED = [user("Which is better?")]
CHOOSE = Choose(ASKED, ("A", "B"), "The answer is: (")


def sent(request, abilities=CHAT, **extra):
    return request_of(request, model="m", abilities=abilities, extra=extra)


def test_a_question_is_sent_with_its_sampling_and_its_seed():
    sampling = Sampling(max_tokens=7, temperature=0.5, top_p=0.9, stop=("x",))
    path, body = sent(Generate([system("Be kind."), user("Why?")], sampling, seed=2**40 + 5), top_k=3)
    assert path == "/chat/completions"
    assert body == {
        "model": "m",
        "messages": [system("Be kind."), user("Why?")],
        "max_tokens": 7,
        "temperature": 0.5,
        "top_p": 0.9,
        "seed": 5,
        "stop": ["x"],
        "top_k": 3,
    }


def test_a_server_that_continues_a_turn_is_given_the_prefill_as_one():
    _, body = sent(CHOOSE)
    assert body["messages"] == [*ASKED, assistant("The answer is: (")]
    assert (body["continue_final_message"], body["add_generation_prompt"]) == (True, False)
    assert (body["logprobs"], body["top_logprobs"], body["max_tokens"]) == (True, 20, 1)


def test_one_that_does_not_is_told_in_words():
    _, chosen = sent(CHOOSE, UNABLE)
    assert chosen["messages"][-1]["content"].endswith("\n\nReply with one letter and nothing else: A or B.")
    assert chosen["top_logprobs"] == 5
    _, begun = sent(Generate(ASKED, prefill="Let's think:"), UNABLE)
    assert begun["messages"][-1]["content"].endswith("\n\nBegin your reply with: Let's think:")
    assert "continue_final_message" not in begun


def test_a_system_prompt_stands_in_the_first_turn_where_there_is_none():
    _, body = sent(Generate([system("Be kind."), user("Why?")]), UNABLE)
    assert body["messages"] == [user("Be kind.\n\nWhy?")]


def test_a_transcript_goes_to_completions_and_its_prefill_is_text():
    path, body = sent(Generate(ASKED, prefill="Well"), TEXT)
    assert (path, body["prompt"]) == ("/completions", "\n\nHuman: Which is better?\n\nAssistant: Well")
    assert body["stop"] == [prompts.NEXT_TURN]
    path, body = sent(Choose("The answer is:", ("A", "B"), " ("), CHAT)
    assert (path, body["prompt"], body["logprobs"]) == ("/completions", "The answer is: (", 20)


def test_four_stops_are_sent_and_the_text_is_cut_at_all():
    request = Generate("x", Sampling(stop=("\n\nHuman:", "\n\nAssistant:", "\n\nCritique:", "\n\nRevision:", ")")))
    _, body = sent(request)
    assert len(body["stop"]) == 4
    assert ")" in body["stop"]
    for stop in request.sampling.stop:
        read = read_completion(text(f"one{stop} two", finish="length"), request, abilities=CHAT)
        assert read == Completion("one")


def text(said, *, finish="stop", **usage):
    return {"choices": [{"text": said, "finish_reason": finish}], "usage": usage}


def message(finish="stop", **fields):
    return {"choices": [{"message": fields, "finish_reason": finish}]}


@pytest.mark.parametrize(
    ("answer", "read"),
    [
        (message(content="Yes."), Completion("Yes.")),
        (message("length", content="Ye"), Completion("Ye", "length")),
        (message(content="Yes.", reasoning_content="Hm."), Completion("Yes.", thinking="Hm.")),
        (message(content="Yes.", reasoning="Hm."), Completion("Yes.", thinking="Hm.")),
        (message(content="<think>\nHm.\n</think>\n\nYes."), Completion("Yes.", thinking="Hm.")),
        (message(content="Hm.</think>Yes."), Completion("Yes.", thinking="Hm.")),
        (message("length", content="<think>Hm"), Completion("", "length", thinking="Hm")),
        (message("length", content=None, reasoning="Hm"), Completion("", "length", thinking="Hm")),
        (message(content=None, refusal="I can't."), Completion("I can't.")),
        (message(content=None), Completion("")),
        (message("content_filter", content=""), Failure("the server ended the answer by 'content_filter'")),
        (message("tool_calls", content=None), Failure("the server ended the answer by 'tool_calls'")),
        (message(content=["Yes."]), Again("an answer whose text is none")),
        (message("eos_token", content="Yes."), Completion("Yes.")),
        (message("abort", content="Ye"), Again("an answer that ended by 'abort'")),
        (message(None, content="Ye"), Again("an answer that ended by 'None'")),
        ({"choices": []}, Again("an answer without choices")),
        ({"choices": [{"finish_reason": "stop"}]}, Again("an answer without a message")),
        ({"choices": "none"}, Again("an answer without choices")),
        ({}, Again("an answer without choices")),
        ([], Again("an answer without choices")),
        (None, Again("an answer without choices")),
    ],
)
def test_an_answer_is_read_or_is_none(answer, read):
    assert read_completion(answer, Generate(ASKED), abilities=CHAT) == read


def test_tokens_are_those_that_the_server_counts():
    usage = {"completion_tokens": 4, "prompt_tokens": 9}
    assert read_completion(text("x", **usage), Generate("?"), abilities=CHAT) == Completion(
        "x", tokens=4, prompt_tokens=9
    )
    for wrong in (-1, True, "4", None, 2**60, 1.5):
        assert read_completion(text("x", completion_tokens=wrong), Generate("?"), abilities=CHAT).tokens == 0


def test_a_space_before_an_answer_in_a_transcript_is_not_part_of_it():
    assert read_completion(text(" Yes."), Generate(ASKED), abilities=TEXT).text == "Yes."
    assert read_completion(text(" Yes."), Generate("as it stands"), abilities=TEXT).text == " Yes."


@pytest.mark.parametrize("said", ["The answer is: (A", "A"])
def test_a_beginning_that_was_asked_for_in_words_is_taken_away(said):
    request = Generate(ASKED, prefill="The answer is: (")
    assert read_completion(message(content=said), request, abilities=UNABLE).text == "A"


def told(**likely):
    tops = [{"token": token, "logprob": value} for token, value in likely.items()]
    return {"choices": [{"logprobs": {"content": [{**tops[0], "top_logprobs": tops}]}}]} if tops else {"choices": [{}]}


def test_after_a_prefill_a_choice_is_exact():
    choice = read_choice(told(A=math.log(0.6), B=math.log(0.2), C=math.log(0.1)), CHOOSE, abilities=CHAT)
    assert choice.probabilities == pytest.approx((0.75, 0.25))
    assert choice.mass == pytest.approx(0.8)
    assert choice.source == "exact"
    spelled = read_choice(told(**{"A": math.log(0.5), " A": math.log(0.2), "B": math.log(0.1)}), CHOOSE, abilities=CHAT)
    assert spelled.mass == pytest.approx(0.6)


def test_the_spellings_of_an_option_count_together_where_the_reply_is_free():
    likely = {
        "A": 0.1,
        " A": 0.1,
        "(A": 0.2,
        "A)": 0.05,
        "**A": 0.05,
        "B": 0.2,
        "(B)": 0.1,
        "An": 0.1,
        "a": 0.05,
        "AB": 0.05,
    }
    answer = told(**{token: math.log(p) for token, p in likely.items()})
    choice = read_choice(answer, CHOOSE, abilities=UNABLE)
    assert choice.probabilities == pytest.approx((0.5 / 0.8, 0.3 / 0.8))
    assert choice.mass == pytest.approx(0.8)
    assert choice.source == "top_logprobs"


def test_an_option_that_is_not_told_is_taken_for_as_likely_as_can_be():
    choice = read_choice(told(A=math.log(0.6), The=math.log(0.2)), CHOOSE, abilities=CHAT)
    assert choice.probabilities == pytest.approx((0.75, 0.25))
    assert choice.mass == pytest.approx(0.6)
    neither = read_choice(told(The=math.log(0.9), It=math.log(0.01)), CHOOSE, abilities=CHAT)
    assert (neither.probabilities, neither.mass) == ((0.5, 0.5), 0.0)


def test_log_probabilities_of_a_text_are_read_as_well():
    answer = {"choices": [{"logprobs": {"top_logprobs": [{"A": math.log(0.9), "B": math.log(0.1)}]}}]}
    choice = read_choice(answer, Choose("The answer is:", ("A", "B"), " ("), abilities=TEXT)
    assert choice == Choice(pytest.approx((0.9, 0.1)), pytest.approx(1.0))


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (told(A=math.nan, B=-1.0), "impossible log-probability nan of 'A'"),
        (told(A=0.5, B=-1.0), "impossible log-probability 0.5 of 'A'"),
        (told(A=math.inf), "impossible log-probability inf"),
        (told(A=None), "impossible log-probability None"),
        (told(A="-1"), "impossible log-probability -1"),
        (told(A=True), "impossible log-probability True"),
        (told(A=-0.1, B=-0.1), "sum to more than 1"),
        (told(), "no log-probabilities"),
        ({"choices": [{"logprobs": None}]}, "no log-probabilities"),
        ({"choices": [{"logprobs": {"content": []}}]}, "no log-probabilities"),
        ({"choices": [{"logprobs": {"content": [{"top_logprobs": None}]}}]}, "no log-probabilities"),
        ({"choices": [{"logprobs": {"top_logprobs": [None]}}]}, "no log-probabilities"),
    ],
)
def test_what_is_no_log_probability_is_a_failure_and_no_default(answer, reason):
    read = read_choice(answer, CHOOSE, abilities=CHAT)
    assert isinstance(read, Failure)
    assert reason in read.reason


def test_nothing_that_is_likely_at_all_is_no_division_by_zero():
    for nothing in (-9999.0, -math.inf, -(10**400)):
        choice = read_choice(told(A=nothing, B=nothing), CHOOSE, abilities=CHAT)
        assert choice == Choice((0.5, 0.5), pytest.approx(0.0))
