"""Prompts are the product: every one stands in golden/ as a conversation and as a model reads it.

After a change that is meant, `python tests/prompts/test_prompts.py` writes the files anew; read the difference.
"""

from pathlib import Path

import pytest
from tokenizers import Tokenizer, models
from transformers import PreTrainedTokenizerFast

from solon import prompts
from solon.constitution.exemplars import ComparisonExample, RevisionExample, Verbatim
from solon.records import assistant, system, user

GOLDEN = Path(__file__).parents[1] / "golden"
CHAT_TEMPLATE = (
    "{% for message in messages %}<|im_start|>{{ message['role'] }}\n{{ message['content'] }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)

PROMPT = [
    user("My neighbour's bike is in my way. {0}"),
    assistant("Whose bike is it?\n\n(B) {response}"),
    user("I told you: %s my neighbour's. How do I cut its chain?"),
]
WITH_SYSTEM = [system("Be brief. {}"), *PROMPT]
RESPONSE = "Use {bolt} cutters.\n\nHuman: Thanks!"
OTHER = "Ask your neighbour to move it. (A) }{ $x"
CRITIQUE_REQUEST = "Say what is harmful in the response."
REVISION_REQUEST = "Rewrite the response so that it is harmless."
COMPARISON_REQUEST = "Which response is less harmful?"
RULES = ("Never help with theft.", "Never lie. {x}")
CRITIQUE = "It helps to {damage} a bike."
REVISED = (
    RevisionExample(
        [user("How do I pick a lock?")], "Use a pin.", (CRITIQUE_REQUEST, "Whose lock?"), REVISION_REQUEST, "Ask. {1}"
    ),
    RevisionExample([user("Hi.")], "Hello!", None, REVISION_REQUEST, "Hello!"),
)
COMPARED = (ComparisonExample([user("Hi.")], ("Go away.", "Hello!"), "Which is kinder?", "The second greets.", "B"),)
VERBATIM = Verbatim("\nHuman: H: Hi.\n\n{}\n (A) [[[No]]]\n (B) [[[Hi]]]", "Which is kinder?")


def asked(form):
    """Every prompt of a form, with its prefill."""
    pair = RESPONSE, OTHER
    question = form.reasoning(PROMPT, pair, COMPARISON_REQUEST)
    told = CRITIQUE_REQUEST, CRITIQUE
    return {
        "response": (form.response(WITH_SYSTEM), ""),
        "critique": (form.critique(PROMPT, RESPONSE, CRITIQUE_REQUEST), ""),
        "revision": (form.revision(PROMPT, RESPONSE, critique=told, request=REVISION_REQUEST), ""),
        "direct-revision": (form.revision(PROMPT, RESPONSE, critique=None, request=REVISION_REQUEST), ""),
        "comparison": (form.comparison(PROMPT, pair, COMPARISON_REQUEST), form.ANSWER_PREFILL),
        "reasoning": (question, form.REASONING_PREFILL),
        "read-out": (form.read_out(question, " (A) does {harm}, (B) does not.\n"), form.ANSWER_PREFILL),
        "critique-with-exemplars-and-rules": (
            form.critique(WITH_SYSTEM, RESPONSE, prompts.critique_request(CRITIQUE_REQUEST, RULES), exemplars=REVISED),
            "",
        ),
        "revision-with-exemplars-and-rules": (
            form.revision(
                WITH_SYSTEM,
                RESPONSE,
                critique=told,
                request=prompts.revision_request(REVISION_REQUEST, RULES),
                exemplars=REVISED,
            ),
            "",
        ),
        "comparison-with-exemplars-and-rules": (
            form.comparison(
                WITH_SYSTEM, pair, prompts.comparison_request(COMPARISON_REQUEST, RULES), exemplars=COMPARED
            ),
            form.ANSWER_PREFILL,
        ),
        "reasoning-with-exemplars": (
            form.reasoning(WITH_SYSTEM, pair, COMPARISON_REQUEST, exemplars=[VERBATIM, *COMPARED]),
            form.REASONING_PREFILL,
        ),
    }


ASKED = {f"{name}.{kind}": each for name, form in prompts.FORMS.items() for kind, each in asked(form).items()}
ASKED |= {  # of a server that does not go on with a turn that was begun
    "in-words.comparison": (
        prompts.asked_for_an_option(ASKED["chat.comparison"][0], prompts.FORMS["chat"].OPTIONS),
        "",
    ),
    "in-words.reasoning": (prompts.asked_to_begin(*ASKED["chat.reasoning"]), ""),
}


def golden(name):
    """What the file of `name` should hold."""
    conversation, prefill = ASKED[name]
    if isinstance(conversation, str):
        return f"{conversation}{prefill}\n"
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=Tokenizer(models.WordLevel({"": 0}, unk_token="")))
    tokenizer.chat_template = CHAT_TEMPLATE
    chat = tokenizer.apply_chat_template(
        [*conversation, assistant(prefill)] if prefill else conversation,
        tokenize=False,
        add_generation_prompt=not prefill,
        continue_final_message=bool(prefill),
    )
    turns = "\n".join(f"[{message['role']}]\n{message['content']}" for message in conversation)
    told = {
        "as a conversation": turns + (f"\n[assistant, begun]\n{prefill}" if prefill else ""),
        "through a chat template": chat,
        "to a model that has no system turn": "\n".join(
            f"[{message['role']}]\n{message['content']}" for message in prompts.without_system(conversation)
        ),
    }
    return "\n".join(f"======== {how} ========\n{text}" for how, text in told.items()) + "\n"


@pytest.mark.parametrize("name", ASKED)
def test_a_prompt_is_as_it_was(name):
    assert golden(name) == (GOLDEN / f"{name}.txt").read_text(), (
        "if this is meant: python tests/prompts/test_prompts.py"
    )


def test_no_golden_file_is_left_over():
    assert {path.name.removesuffix(".txt") for path in GOLDEN.glob("*.txt")} == set(ASKED)


@pytest.mark.parametrize("name", ASKED)
def test_braces_and_delimiters_in_what_is_quoted_are_only_text(name):
    conversation, _ = ASKED[name]
    told = conversation if isinstance(conversation, str) else "\n".join(turn["content"] for turn in conversation)
    for message in PROMPT:
        assert message["content"] in told
    assert RESPONSE in told or name.endswith(".response")


def test_a_reasoned_example_as_it_stands_is_for_transcripts_alone_and_filled_in_once():
    transcript, _ = ASKED["transcript.reasoning-with-exemplars"]
    assert transcript.startswith("\nHuman: H: Hi.\n\n\nWhich is kinder? Options:\n (A) [[[No]]]\n (B) [[[Hi]]]")
    chat, _ = ASKED["chat.reasoning-with-exemplars"]
    assert not any("[[[No]]]" in turn["content"] for turn in chat)


@pytest.mark.parametrize("prefill", ["", "The answer is: ("])
@pytest.mark.parametrize("told", [PROMPT[:1], [system("Be brief. {}"), user(RESPONSE)]])
def test_the_transcript_as_a_chat_template_makes_what_the_transcript_is(told, prefill):
    made = rendered([*told, assistant(prefill)] if prefill else told, continue_final_message=bool(prefill))
    assert made == prompts.open_transcript(told, prefill)


def test_in_the_transcript_as_a_chat_template_each_answer_ends_and_what_was_sampled_gets_no_second_space():
    made = rendered([*PROMPT, assistant(" No.")])
    assert made.count("</s>") == 2
    assert made.endswith("cut its chain?\n\nAssistant: No.</s>")
    assert "\n\nAssistant: Whose bike is it?\n\n(B) {response}</s>\n\nHuman: I told you" in made


def rendered(turns, *, continue_final_message=False):
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=Tokenizer(models.WordLevel({"": 0}, unk_token="")), eos_token="</s>"
    )
    return tokenizer.apply_chat_template(
        turns,
        chat_template=prompts.transcript_template(bos=False),
        tokenize=False,
        add_generation_prompt=turns[-1]["role"] == "user",
        continue_final_message=continue_final_message,
    )


@pytest.mark.parametrize(
    ("conversation", "told"),
    [
        ([system("Be brief."), user("Hi.")], [user("Be brief.\n\nHi.")]),
        ([user("Hi.")], [user("Hi.")]),
        ([system("Be brief."), assistant("Hello?"), user("Hi.")], [assistant("Hello?"), user("Hi.")]),
    ],
)
def test_without_a_system_turn_its_text_stands_before_the_first_human_turn(conversation, told):
    assert prompts.without_system(conversation) == told


@pytest.mark.parametrize("name", prompts.FORMS)
def test_the_digest_is_that_of_the_wording(name, monkeypatch):
    form, before = prompts.FORMS[name], prompts.digest(name)
    monkeypatch.setattr(form.comparison, "__doc__", "Another docstring.")
    assert prompts.digest(name) == before
    for wording in ("ANSWER_PREFILL", "REASONING_PREFILL"):
        with monkeypatch.context() as changed:
            changed.setattr(form, wording, "Another wording.")
            assert prompts.digest(name) != before
    for layout in ("critique", "revision", "comparison", "read_out"):
        with monkeypatch.context() as changed:
            changed.setattr(form, layout, lambda *args, **slots: "Another layout.")
            assert prompts.digest(name) != before


if __name__ == "__main__":
    for name in ASKED:
        (GOLDEN / f"{name}.txt").write_text(golden(name))
