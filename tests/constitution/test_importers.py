import json
import random
import re

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from solon.constitution.exemplars import ExemplarsConfig, comparisons, reasonings, revisions
from solon.constitution.importers import import_constitution
from solon.constitution.importers.lists import TEMPLATE
from solon.constitution.lint import lint
from solon.constitution.load import load
from solon.errors import UsageError
from solon.prompts import transcript
from solon.records import assistant, user

SHARED = ExemplarsConfig(of="shared")
CRITIQUE_AND_REVISION = {
    "kind0": {
        "prompt": ["\n\nCritiqueRequest: Say what is unkind: {x}\n\nCritique:"],
        "edit_request": "\n\nRevisionRequest: Make it kind,\n\n  with care.\n\nRevision:",
    },
    "Kind One": {"prompt": ["Say what is rude."], "edit_request": "\n\nRevisionRequest: Be polite.\n\nRevision:"},
}
EXAMPLE = (
    "\n\nHuman: Hi.\n\nAssistant: Hello.\n\nHuman: Are  you\nthere?\n\nAssistant: Yes: {}.\n\nCritiqueRequest: Rude?"
    "\n\nCritique: No.\n\nRevisionRequest: Mend it.\n\nRevision: Yes: {}.\n\nHuman:"
)
REASONED = (
    "\n\nHuman: Consider the following conversation between a human (H) and an assistant (A):\n\nH: Hi.\n\nA: Hello."
    "\n\nH: Bye.\n\n{}\n (A) [[[No [yes]]]]\n (B) [[[So long.]]]\n\nAssistant: Let's think step by step: One is rude."
    "\n\nIt is (A).\n\nHuman:\nSo the answer is: (B)"
)
CHAT = [
    {"role": role, "content": content}
    for role, content in zip(
        ["user", "assistant"] * 3, ["Hi.", "Go away.", "Is it rude?", "Yes.", "Mend it.", "Hello."], strict=True
    )
]


@pytest.fixture
def imports(tmp_path):
    """Import files of these contents, and give what `load` makes of them, the notes as one text, and the rest."""

    def import_(*contents, name="mine"):
        paths = []
        for number, content in enumerate(contents, 1):
            paths.append(tmp_path / f"file {number}")
            paths[-1].write_text(content if isinstance(content, str) else json.dumps(content), encoding="utf-8")
        imported = import_constitution(paths, name=name)
        out = tmp_path / "out.yaml"
        out.write_text(imported.text, encoding="utf-8")
        return load(out), "\n".join(imported.notes), imported

    return import_


def complaint(imports, *contents):
    with pytest.raises(UsageError) as caught:
        imports(*contents)
    return str(caught.value)


def test_tags_around_the_papers_requests_are_cut_off_and_what_lacks_them_is_told(imports):
    constitution, notes, _ = imports(CRITIQUE_AND_REVISION)
    first, second = constitution.principles
    assert (first.id, second.id) == ("kind0", "kind-one")
    assert first.critique_request == "Say what is unkind: {x}"
    assert first.revision_request == "Make it kind,\n\n  with care."
    assert (second.critique_request, second.revision_request) == ("Say what is rude.", "Be polite.")
    assert first.source.model_dump() == {"work": "file 1", "licence": None}
    assert "2 principles with a critique" in notes
    assert "for want of the tags: Kind One" in notes
    assert "named anew, as an id is lower-case letters, digits and hyphens: Kind One" in notes
    assert "no licence is set" in notes


def test_files_given_together_make_one_constitution_whose_ids_differ(imports):
    asked = ["\nWhich is kinder? Options:", "\nWhich is ruder? Options:"]
    constitution, notes, _ = imports(CRITIQUE_AND_REVISION, asked, CRITIQUE_AND_REVISION, [EXAMPLE])
    ids = ["kind0", "kind-one", "comparison-0", "comparison-1", "kind0-2", "kind-one-2"]
    assert [principle.id for principle in constitution.principles] == ids
    assert "file 3: 2 ids taken already and numbered: kind0-2, kind-one-2" in notes
    assert [principle.comparison_request for principle in constitution.for_comparison] == [
        "Which is kinder?",
        "Which is ruder?",
    ]
    assert len(constitution.exemplars.revisions) == 1
    assert [finding for finding in lint(constitution) if finding.severity == "error"] == []


def test_a_dialogue_of_the_papers_becomes_an_example_of_several_turns(imports):
    constitution, notes, _ = imports([EXAMPLE], CRITIQUE_AND_REVISION)
    [example] = constitution.exemplars.revisions
    assert example.conversation == [user("Hi."), assistant("Hello."), user("Are  you\nthere?")]
    assert (example.response, example.critique, example.unchanged, example.revision) == ("Yes: {}.", "No.", True, None)
    assert (example.critique_request, example.revision_request) == ("Rude?", "Mend it.")
    assert "1 of several turns, 1 with nothing to revise" in notes
    assert "1 ended in a stop marker" in notes


def test_better_responses_are_as_often_a_as_b_and_the_same_every_time(imports):
    items = [{"prompt": f"\n\nHuman: {n}?\n\nAssistant:", "corrects": ["yes"], "incorrects": ["no"]} for n in range(40)]
    constitution, notes, first = imports(items, CRITIQUE_AND_REVISION)
    letters = [example.better for example in constitution.exemplars.comparisons]
    assert letters.count("A") == letters.count("B") == 20
    assert letters[::2] != [letters[0]] * 20
    for example in constitution.exemplars.comparisons:
        assert example.responses["AB".index(example.better)] == "yes"
    assert constitution.exemplars.comparisons[7].conversation == [user("7?")]
    assert " ".join(letters) in notes
    assert imports(items, CRITIQUE_AND_REVISION)[2].text == first.text


def test_a_reasoned_comparison_is_kept_as_it_stands_and_taken_apart(imports):
    odd = REASONED.replace(" (H)", "").removeprefix("\n").replace("A: Hello", "A:  Hello").replace("step: ", "step:\n")
    constitution, notes, _ = imports(
        [{"prompt": text} for text in (REASONED, odd, "\n\nHuman: Other.  {}\n")], CRITIQUE_AND_REVISION
    )
    assert constitution.exemplars.transcripts == (REASONED, odd, "\n\nHuman: Other.  {}\n")
    [example, same] = constitution.exemplars.comparisons
    assert example == same
    assert example.conversation == [user("Hi."), assistant("Hello."), user("Bye.")]
    assert example.responses == ("No [yes]", "So long.")
    assert (example.reasoning, example.better) == ("One is rude.\n\nIt is (A).", "B")
    assert "item 1 " not in notes
    for slip in ("begins with 1 line break", "does not say that", "1 turn with irregular", "around the reasoning"):
        assert re.search(f"item 2 .*{slip}", notes)
    assert "item 3 cannot be taken apart" in notes


def test_hugging_faces_requests_and_chats_become_principles_and_examples(imports):
    longer = [*CHAT[:2], *CHAT[:2], *CHAT[2:-1], CHAT[1]]
    data = {
        "constitutions": [{"critic": "Is it\n\n rude?", "revision": "Mend it. ", "by": "me"}],
        "system_chat": [CHAT, longer, CHAT[:4], [{"role": "system", "content": "Be kind."}, *CHAT]],
        "version": 2,
    }
    constitution, notes, _ = imports(data)
    [principle] = constitution.principles
    assert principle.id == "is-it-rude"
    assert (principle.critique_request, principle.revision_request) == ("Is it\n\n rude?", "Mend it.")
    short, long, told = constitution.exemplars.revisions
    assert (short.critique_request, short.critique, short.revision_request, short.revision) == (
        "Is it rude?", "Yes.", "Mend it.", "Hello.",
    )  # fmt: skip
    assert long.conversation == [user("Hi."), assistant("Go away."), user("Hi.")]
    assert long.unchanged
    assert [turn["role"] for turn in told.conversation] == ["system", "user"]
    for note in ("chat 3 is left out: it is user assistant user assistant", "no place for it: by", "left out: version"):
        assert note in notes
    assert "around 1 text" in notes


def test_the_older_form_of_hugging_faces_list_is_known_too(imports):
    constitution, _, _ = imports([{"critic": "Is it rude?", "revision": "Mend it."}])
    assert constitution.principles[0].revision_request == "Mend it."


def test_traits_become_principles_and_their_questions_are_not_lost(imports):
    items = [
        {"trait": "I am kind.", "questions": ["Hi?", " ", "Who?"], "clarification": "Always.", "mood": 1},
        {"trait": "I joke.", "additional_questions": ["Why?"]},
    ]
    lines = "\n".join(map(json.dumps, items)) + "\n"
    for content in (items, lines):
        constitution, notes, imported = imports(content)
        assert [principle.id for principle in constitution.principles] == ["i-am-kind", "i-joke"]
        assert constitution.principles[0].comparison_request == TEMPLATE["comparison_request"].replace(
            "{}", "I am kind."
        )
        assert [principle.rationale for principle in constitution.principles] == ["Always.", ""]
        assert imported.questions == ["Hi?", "Who?", "Why?"]
        assert "3 questions" in notes
        assert "1 question left out" in notes
        assert "no place for it: mood" in notes
        assert all(template in notes for template in TEMPLATE.values())


def test_a_single_trait_in_json_lines_is_a_list_of_one(imports):
    assert len(imports('{"trait": "I am kind.", "questions": []}\n')[0].principles) == 1


def test_markdown_gives_a_principle_a_line(imports):
    text = (
        "\ufeff# Rules\r\n\r\n- Be kind.\r\n* Be **fair**, {always}.\r\n  2) Help,\r\n     and gladly.\r\n"
        "10. Say no: politely\r\n---\r\nBe kind.\r\n\r\n    Être juste.\r\n今日は\r\n"
    )
    constitution, notes, _ = imports(text)
    sentences = [
        "Be kind.",
        "Be **fair**, {always}.",
        "Help, and gladly.",
        "Say no: politely",
        "Be kind.",
        "Être juste.",
    ]
    assert [principle.title for principle in constitution.principles] == [*sentences, "今日は"]
    ids = ["be-kind", "be-fair-always", "help-and-gladly", "say-no-politely", "be-kind-2", "etre-juste", "principle"]
    assert [principle.id for principle in constitution.principles] == ids
    for note in ("heading (`#`) left out: 1", "joined to the bullet above: 1", "bullet or number cut off: 4"):
        assert note in notes
    assert "without a letter or digit left out: 1" in notes
    assert "1 sentence said again" in notes


@pytest.mark.parametrize(
    ("content", "told"),
    [
        ("", ["is empty"]),
        ("# only\n\n", ["holds no sentence"]),
        ("name: mine\nprinciples:\n  - id: no-harm\n", ["Solon's already", "no importing"]),
        ("extends: sandbox\n", ["Solon's already"]),
        ({"name": "mine", "principles": [{"id": "a"}]}, ["Solon's already"]),
        ("base_model: sandbox\nlabel:\n  shuffle: true\n", ["looks like YAML", "base_model, label", "Known are"]),
        ("<html>\n<p>Be kind.</p>", ["looks like HTML", "<html>"]),
        ({"rules": ["Be kind."], "by": "me"}, ["a mapping with the keys rules, by", "Known are", '"trait"']),
        ({}, ["an empty mapping"]),
        ([], ["an empty list"]),
        ([1, 2], ["a list of 2, the first of which is 1"]),
        (["Be kind.", 2], ["a list of 2"]),
        ([{"prompt": "Hi?"}], ["the first of which has the keys prompt"]),
        ('[\n"Be kind."\n"Be fair."]', [":3: is no JSON at column 1", "delimiter", '"- "']),
        ('{"trait": "I"}\n{"trait": }\n', [":2: is no JSON"]),
        ("[" * 5000, ["nested too deeply"]),
        ('["Be kind \\ud83d"]', ["half a character"]),
        ('[{"trait": "I", "trait": "you"}]', ["the key 'trait' stands twice"]),
        (["Be kind.", "  "], ["item 2: the sentence is empty"]),
        ([{"trait": 3}], ["item 1: the trait is not text"]),
        ([{"trait": "I", "questions": "Hi?"}], ["item 1: questions is not a list of texts"]),
        ({"constitutions": ["Be kind."]}, ['"constitutions" is not a list of {"critic"']),
        ([{"critic": "Rude?", "revision": ""}], ["item 1: revision_request is empty"]),
        ([{"critic": "Rude?", "revision": ["a"]}], ["item 1: revision_request is not text"]),
        ({"a": {"prompt": [], "edit_request": "b"}}, ["a: prompt is empty"]),
        ([EXAMPLE.replace("Critique: No.", "")], ["item 1 has Human, Assistant, Human,"]),
        ([{"prompt": "{} {}"}], ["item 1 has `{}` 2 times"]),
        ([{"prompt": "Hi.", "corrects": ["a"], "incorrects": []}], ["item 1 lacks a better or a worse"]),
        ([{"prompt": "Hi.", "corrects": ["a"], "incorrects": ["a"]}], ["item 1: compares a response with itself"]),
        ([EXAMPLE], ["no principle is given, only examples"]),
    ],
)  # fmt: skip
def test_what_cannot_be_imported_is_told_with_what_was_seen(imports, tmp_path, content, told):
    said = complaint(imports, content)
    assert said.startswith(str(tmp_path / "file 1"))
    assert [words for words in told if words not in said] == []


def test_a_file_given_twice_and_a_name_that_is_none_are_mistakes(imports, tmp_path):
    (tmp_path / "a").write_text("Be kind.")
    with pytest.raises(UsageError, match="given twice"):
        import_constitution([tmp_path / "a", tmp_path / "a"], name="mine")
    with pytest.raises(UsageError, match="name is empty"):
        import_constitution([tmp_path / "a"], name=" ")
    with pytest.raises(UsageError, match="there is no such file"):
        import_constitution([tmp_path / "b"], name="mine")


@pytest.mark.parametrize("text", ["1e3", "oN", "09", "null", "a\u2028b", "a\x85 b", "x\r\n  y\t", "- {}: #", "\x00&a"])
def test_texts_that_yaml_would_read_as_something_else_survive(imports, text):
    constitution, _, _ = imports([{"critic": text, "revision": text}], name=text)
    [principle] = constitution.principles
    assert constitution.name == principle.critique_request == principle.revision_request == text.strip()


printable = st.text(st.characters(exclude_categories=["C", "Zl", "Zp"]), min_size=1).filter(str.strip)
any_text = st.text(st.characters(exclude_categories=["Cs"]), min_size=1).filter(str.strip)


def loaded(folder, content):
    (folder / "given").write_text(content, encoding="utf-8", newline="")
    (folder / "out.yaml").write_text(import_constitution([folder / "given"], name="mine").text, encoding="utf-8")
    return load(folder / "out.yaml")


@settings(deadline=None)
@given(sentences=st.lists(st.one_of(printable, any_text), min_size=1, max_size=6))
def test_any_list_of_sentences_loads_and_keeps_every_one(tmp_path_factory, sentences):
    assume(not all(text.endswith(" Options:") for text in sentences))
    assume(not any("\n\nRevisionRequest:" in text for text in sentences))  # these are the paper's examples
    constitution = loaded(tmp_path_factory.mktemp("sentences"), json.dumps(sentences))
    assert len(constitution.principles) == len(sentences)
    for principle, sentence in zip(constitution.principles, sentences, strict=True):
        assert principle.title == sentence.strip()
        for field, template in TEMPLATE.items():
            before, after = template.split("{}")
            assert getattr(principle, field) == before + sentence.strip() + after


@settings(deadline=None)
@given(sentences=st.lists(printable.filter(lambda text: any(map(str.isalnum, text))), min_size=1, max_size=6))
def test_any_markdown_list_loads_and_keeps_every_item(tmp_path_factory, sentences):
    given = "".join(f"- {sentence}\n" for sentence in sentences)
    constitution = loaded(tmp_path_factory.mktemp("markdown"), given)
    assert [principle.title for principle in constitution.principles] == [sentence.strip() for sentence in sentences]


PAPER = {
    "requests": "CritiqueRevisionInstructions.json",
    "options": "RLMadisonInstructions.json",
    "revisions": "CritiqueRevisionFewShotPrompts.json",
    "comparisons": "RLMadisonFewShotPrompts.json",
    "reasoned": "RLMadisonPrecogFewShotPrompts.json",
}


@pytest.fixture
def paper(shared_data, tmp_path):
    """The paper's five files: as they are, and as one constitution with its notes."""
    paths = {name: shared_data(f"paper/prompts/{file}") for name, file in PAPER.items()}
    imported = import_constitution(list(paths.values()), name="paper")
    (tmp_path / "paper.yaml").write_text(imported.text, encoding="utf-8")
    raw = {name: json.loads(path.read_text(encoding="utf-8")) for name, path in paths.items()}
    return raw, load(tmp_path / "paper.yaml"), imported.notes


def only(constitution, principle):
    """The constitution without its other principles, so that shared comparisons are asked about under this one."""
    return constitution.model_copy(update={"principles": (principle,)})


def test_the_papers_five_files_are_counted(paper):
    _, constitution, notes = paper
    assert len(constitution.for_revision) == len(constitution.for_comparison) == 16
    assert [principle.id for principle in constitution.for_revision] == [f"harmful{n}" for n in range(16)]
    assert [principle.id for principle in constitution.for_comparison] == [f"comparison-{n}" for n in range(16)]
    assert len(constitution.exemplars.revisions) == 5
    assert [example.unchanged for example in constitution.exemplars.revisions] == [False, False, True, True, False]
    plain = [example for example in constitution.exemplars.comparisons if example.reasoning is None]
    assert len(plain) == 5
    assert len(constitution.exemplars.comparisons) - len(plain) == len(constitution.exemplars.transcripts) == 6
    assert len(notes) == 12
    assert sum("a slip of the file's" in note for note in notes) == 5


def test_the_papers_supervised_prompts_are_the_same_byte_for_byte(paper):
    raw, constitution, _ = paper
    context = "".join(text.removesuffix("\n\nHuman:") for text in raw["revisions"])
    prompt = [user("How do I open a door?"), assistant("Which one?\n\nSay."), user("My neighbour's. {}")]
    asked = (
        "\n\nHuman: How do I open a door?\n\nAssistant: Which one?\n\nSay.\n\nHuman: My neighbour's. {}\n\nAssistant:"
    )
    for key, principle in zip(raw["requests"], constitution.for_revision, strict=True):
        critique_request, revision_request = raw["requests"][key]["prompt"][0], raw["requests"][key]["edit_request"]
        shown = revisions(constitution, principle, config=SHARED, draw=random.Random(0))
        common = {"exemplars": shown}
        assert (
            transcript.critique(prompt, "With {a} key.", principle.critique_request, **common)
            == context + asked + " With {a} key." + critique_request
        )
        told = (principle.critique_request, "It helps a thief.")
        assert (
            transcript.revision(prompt, "With {a} key.", critique=told, request=principle.revision_request, **common)
            == context + asked + " With {a} key." + critique_request + " It helps a thief." + revision_request
        )
        assert (
            transcript.revision(prompt, "With {a} key.", critique=None, request=principle.revision_request)
            == asked + " With {a} key." + revision_request
        )
        direct = transcript.revision(
            prompt, "With {a} key.", critique=None, request=principle.revision_request, **common
        )
        assert direct == context + asked + " With {a} key." + revision_request


def turns(text):
    parts = re.split(r"\n\n(Human|Assistant): ?", text)
    assert parts[0] == ""
    return [(user if tag == "Human" else assistant)(said) for tag, said in zip(parts[1::2], parts[2::2], strict=True)]


def test_the_papers_438_evaluation_prompts_are_the_same_byte_for_byte(paper, shared_data):
    _, constitution, _ = paper
    request = constitution.for_comparison[1].comparison_request
    lines = shared_data("paper/evals/438HHHEvaluations.jsonl").read_text(encoding="utf-8").splitlines()
    rows = [json.loads(line) for line in lines]
    assert len(rows) == 438
    for row in rows:
        *prompt, right = turns(row["text_correct"])
        wrong = turns(row["text_incorrect"])[-1]
        order = (right, wrong) if row["corrects"] == [" (A)"] else (wrong, right)
        responses = (order[0]["content"], order[1]["content"])
        assert transcript.comparison(prompt, responses, request) == row["prompt"]


def test_the_papers_reasoned_comparisons_are_shown_byte_for_byte(paper):
    raw, constitution, _ = paper
    for option, principle in zip(raw["options"], constitution.for_comparison, strict=True):
        shown = reasonings(
            only(constitution, principle), principle, config=SHARED, draw=random.Random(0), verbatim=True
        )
        asked = transcript.reasoning([user("Hi?")], ("a", "b"), principle.comparison_request, exemplars=shown)
        preamble = "".join(item["prompt"].replace("{}", option, 1) for item in raw["reasoned"])
        bare = transcript.reasoning([user("Hi?")], ("a", "b"), principle.comparison_request)
        assert asked == preamble + bare


def test_the_papers_reasoned_comparisons_taken_apart_differ_from_it_only_where_a_slip_is_told(paper):
    raw, constitution, notes = paper
    principle = constitution.for_comparison[0]
    shown = reasonings(only(constitution, principle), principle, config=SHARED, draw=random.Random(0), verbatim=False)
    bare = transcript.reasoning([user("Hi?")], ("a", "b"), "Which?")
    for number, (item, example) in enumerate(zip(raw["reasoned"], shown, strict=True), 1):
        asked = transcript.reasoning([user("Hi?")], ("a", "b"), "Which?", exemplars=[example])
        is_same = asked == item["prompt"].replace("{}", raw["options"][0], 1) + bare
        assert is_same != any(f"item {number} " in note for note in notes)


def test_the_papers_comparisons_are_shown_with_their_answers(paper):
    raw, constitution, _ = paper
    principle = constitution.for_comparison[0]
    shown = comparisons(only(constitution, principle), principle, config=SHARED, draw=random.Random(0))
    for item, example in zip(raw["comparisons"], shown[:5], strict=True):
        asked = transcript.comparison([user("Hi?")], ("a", "b"), "Which?", exemplars=[example])
        answered = asked.removesuffix(transcript.comparison([user("Hi?")], ("a", "b"), "Which?"))
        right, wrong = item["corrects"][0], item["incorrects"][0]
        a, b = (right, wrong) if answered.endswith(" (A)") else (wrong, right)
        quoted = item["prompt"].removesuffix("\n\nAssistant:")
        assert answered == (
            f"\n\nConsider the following conversation between a human and an assistant:{quoted}\n\n"
            f"{raw['options'][0]}\n (A) [[[{a}]]]\n (B) [[[{b}]]]\n\nThe answer is: ({'A' if a is right else 'B'})"
        )
    assert {example.better for example in shown} == {"A", "B"}
