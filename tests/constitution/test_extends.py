import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from solon.constitution.load import builtins, load, text_of
from solon.errors import UsageError

BASE = """\
name: base
description: Kind.
hard_constraints: [Never lie.]
exemplars:
  revisions:
  - {prompt: How, response: So., critique: Fine., unchanged: true}
principles:
- id: no-harm
  critique_request: What is harmful?
  revision_request: Rewrite it to help without harm.
- id: kind
  title: Kindness
  comparison_request: Which is kinder?
  weight: 2
"""
MINE = "extends: base.yaml\n"


@pytest.fixture
def files(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)

    def write(**texts):
        for name, text in {"base": BASE, **texts}.items():
            (tmp_path / f"{name}.yaml").write_text(text)
        return "mine.yaml"

    return write


def complaint(path):
    with pytest.raises(UsageError) as caught:
        load(path)
    return str(caught.value)


def test_an_extension_that_says_nothing_is_the_other(files):
    assert load(files(mine=MINE)) == load("base.yaml")


def test_a_key_of_a_principle_is_changed_alone(files):
    changed = load(files(mine=MINE + "principles:\n- {id: kind, weight: 9}\n"))
    kind = load("base.yaml").principles[1]
    assert changed.principles[1] == kind.model_copy(update={"weight": 9.0})
    assert changed.principles[0] == load("base.yaml").principles[0]


def test_a_key_can_be_taken_away_by_null(files):
    changed = load(files(mine=MINE + "principles:\n- {id: no-harm, critique_request: null}\n"))
    assert changed.principles[0].critique_request is None
    assert changed.principles[0].revision_request


def test_principles_are_added_at_the_end_and_left_out(files):
    added = "principles:\n- {id: brief, comparison_request: Which is briefer.}\nwithout: [no-harm]\n"
    assert [principle.id for principle in load(files(mine=MINE + added)).principles] == ["kind", "brief"]


def test_a_principle_that_is_left_out_can_be_written_anew(files):
    anew = "without: [kind]\nprinciples:\n- {id: kind, comparison_request: Which is warmer.}\n"
    (_, kind) = load(files(mine=MINE + anew)).principles
    assert (kind.comparison_request, kind.title, kind.weight) == ("Which is warmer.", "", 1.0)


def test_constraints_are_added_and_shared_examples_and_names_replaced(files):
    path = files(mine=MINE + "name: mine\ndescription: ''\nhard_constraints: [Be brave.]\nexemplars: {}\n")
    mine = load(path)
    assert (mine.name, mine.description) == ("mine", "")
    assert mine.hard_constraints == ("Never lie.", "Be brave.")
    assert mine.exemplars.revisions == ()
    assert load("base.yaml").exemplars.revisions != ()


def test_a_chain_of_two_is_applied_in_order_and_from_each_files_folder(files, tmp_path):
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub" / "middle.yaml").write_text(
        "extends: ../base.yaml\nname: middle\nprinciples:\n- {id: kind, title: Warmth, weight: 3}\n"
    )
    mine = load(files(mine="extends: sub/middle.yaml\nprinciples:\n- {id: kind, weight: 9}\n"))
    assert (mine.name, mine.principles[1].title, mine.principles[1].weight) == ("middle", "Warmth", 9.0)


def test_a_built_in_is_extended_by_its_name(files):
    mine = load(files(mine="extends: sandbox\nname: mine\nwithout: [all-four]\n"))
    assert len(mine.principles) == len(load("sandbox").principles) - 1


@pytest.mark.parametrize(
    ("text", "line", "words"),
    [
        ("extends: nosuch.yaml\n", 1, ["extends nosuch.yaml: there is no such constitution", "built-in names"]),
        ("name: a\nextends: harmles\n", 2, ["did you mean 'harmless'?"]),
        ("extends: 3\n", 1, ["extends is 3, not text"]),
        ("extends: ''\n", 1, ["extends is empty"]),
        ("extends:\n", 1, ["`extends:` has no value"]),
        (MINE + "without: [kind, no-ham]\n", 2, ["base has no principle 'no-ham' to leave out; did", "'no-harm'?"]),
        (MINE + "without:\n- kind\n- x\n", 4, ["no principle 'x'", "its principles are no-harm, kind"]),
        (MINE + "without: [No Harm]\n", 2, ["without[1] is the text 'No Harm'", "lower-case"]),
        (MINE + "without: kind\n", 2, ["without is the text 'kind'", "a list"]),
        (MINE + "without: [kind, no-harm]\n", 2, ["leaves out every principle of base", "keep one"]),
        (MINE + "principles:\n- id: new\n  title: a\n", 3, ["'new' is used by no stage"]),
        (MINE + "principles:\n- id: new\n  revision_request: a\n- id: kind\n  comparison_request: null\n", 5,
         ["'kind' is used by no stage", "give it a revision_request"]),
        (MINE + "principles:\n- id: no-harm\n  revision_request: null\n", 3, ["a critique_request but no revision"]),
        (MINE + "principles:\n- id: kind\n  exemplars:\n    revisions:\n"
         "    - {prompt: a, response: b, unchanged: true}\n", 3, ["'kind' has examples of revisions but no"]),
        (MINE + "principles:\n- {id: kind, weight: 1}\n- {id: kind, weight: 2}\n", 4, ["'kind'", "on line 3"]),
        (MINE + "principles:\n- id: kind\n  wieght: 2\n", 4, ["principles[kind].wieght; did you mean 'weight'?"]),
        (MINE + "principles:\n- weight: 2\n", 3, ["principles[1].id is missing"]),
        (MINE + "witout: [kind]\n", 2, ["unknown key witout; did you mean 'without'?"]),
        (MINE + "principles:\n- id: kind\n  exemplars:\n    comparisons:\n"
         "    - {prompt: [{role: user, text: a}], responses: [a, b], better: A}\n", 6,
         ["comparisons[1].prompt[1].content is missing"]),
    ],
)  # fmt: skip
def test_a_mistake_is_told_with_its_line_and_its_mending(files, text, line, words):
    told = complaint(files(mine=text))
    assert told.startswith(f"mine.yaml:{line}: ")
    assert [word for word in words if word not in told] == []


def test_a_mistake_in_the_other_is_told_with_the_others_name(files):
    assert complaint(files(mine=MINE, base=BASE.replace("weight", "wieght"))).startswith("base.yaml:14: ")


@pytest.mark.parametrize("way", ["mine.yaml", "./mine.yaml", "sub/../mine.yaml"])
def test_a_file_that_extends_itself_is_refused_whatever_the_way(files, tmp_path, way):
    (tmp_path / "sub").mkdir()
    assert complaint(files(mine=f"extends: {way}\n")).startswith("mine.yaml:1: extends itself, by way of mine.yaml > ")
    told = complaint(files(mine="name: a\nextends: sub/../other.yaml\n", other=f"name: b\nextends: {way}\n"))
    assert "other.yaml:2: extends itself, by way of mine.yaml > sub/../other.yaml > " in told


def test_a_file_of_a_built_ins_name_is_not_taken_for_it(files):
    assert load(files(harmless="name: h\nextends: harmless\n", mine="extends: harmless.yaml\n")).name == "h"


@pytest.mark.parametrize("name", builtins())
def test_the_text_of_a_built_in_loads_to_the_same(name, tmp_path):
    path = tmp_path / "copy.yaml"
    path.write_text(text_of(name))
    assert load(path) == load(name)


def test_the_text_of_an_extension_is_whole_and_loads_to_the_same(files, tmp_path):
    path = files(mine=MINE + "name: mine\nprinciples:\n- {id: kind, weight: 9}\n")
    copy = tmp_path / "elsewhere.yaml"
    copy.write_text(text_of(path))
    (tmp_path / "base.yaml").unlink()
    assert "extends" not in copy.read_text()
    assert load(copy).principles[1].weight == 9


HARD_TO_WRITE = """1e-4 09 .5e3 -1e4 007 0o17 +.INF .nan ~ null no On = << 2024-01-01 1:20 %a @a `a *a &a !a |
>- - ? '' "" 'a "a" # {} [] {a} [[[ <| [INST] é 😀"""
WITH_SPACES = [
    "a: b",
    "a #b",
    "a\n\n  b\n",
    "\\n",
    "x " * 500,
    "- a\n- b",
    "a\u2028b",
    "a\u00a0 b",
    "a\x85b",
    "a\tb",
    "a\r\nb",
]


def round_trip(folder, texts):
    quoted = ["".join(f"\\U{ord(character):08x}" for character in text) for text in texts]
    tags = ", ".join(f'"{text}"' for text in quoted)
    (folder / "mine.yaml").write_text(f"extends: sandbox\nprinciples:\n- id: all-four\n  tags: [{tags}]\n")
    (folder / "copy.yaml").write_text(text_of(folder / "mine.yaml"), encoding="utf-8")
    assert load(folder / "copy.yaml") == load(folder / "mine.yaml")
    return next(each.tags for each in load(folder / "copy.yaml").principles if each.id == "all-four")


@pytest.mark.parametrize("text", [*HARD_TO_WRITE.split(), *WITH_SPACES])
def test_text_that_yaml_could_take_for_something_else_stays_text(tmp_path, text):
    assert round_trip(tmp_path, [text]) == (text.strip(),)


@settings(max_examples=50, deadline=None)
@given(texts=st.lists(st.text()))
def test_any_text_stays_as_it_is(tmp_path_factory, texts):
    round_trip(tmp_path_factory.mktemp("any"), texts)
