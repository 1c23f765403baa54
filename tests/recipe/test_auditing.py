"""A run that asks for an audit of its feedback model first, and the pairs that it is asked about."""

import json
import re

import pytest

from solon.chains import Choice, Choose, Completion
from solon.constitution import load as constitutions
from solon.errors import ModelError, UsageError
from solon.recipe import apply_settings, run
from solon.recipe.auditing import FOLDER, asking
from solon.recipe.known_pairs import known_pairs
from solon.runs import read_rows, read_summary
from solon.stages.label import LabelConfig

CONSTITUTION = """
name: mine
exemplars:
  comparisons:
  - {prompt: "Shared?", responses: ["Bad.", "Good."], better: B}
principles:
- id: kind
  comparison_request: Which is kinder?
  critique_request: What is unkind?
  revision_request: Make it kind.
  exemplars:
    comparisons:
    - {prompt: "Mine?", responses: ["Good one.", "Bad one."], better: A}
    revisions:
    - {prompt: "Revised?", response: "Bad.", critique: "It is bad.", revision: "Good."}
    - {prompt: "Fine?", response: "Good.", critique: "It is fine.", unchanged: true}
- id: safe
  comparison_request: Which is safer?
"""
SHOWN = re.compile(r"Here are two responses\.\n\n\(A\) (.*?)\n\n\(B\) (.*)\n\n[^\n]*\Z", re.DOTALL)


@pytest.fixture
def mine(tmp_path):
    path = tmp_path / "mine.yaml"
    path.write_text(CONSTITUTION)
    return str(path)


def good(request):
    """Prefers what its prompt's better response is, told by the word "Good" in a short text."""
    if not isinstance(request, Choose):
        return Completion(f"Rather not {request.seed % 1000}.", tokens=5)
    first, second = SHOWN.search(request.conversation[-1]["content"]).groups()
    share = {True: 0.9, False: 0.1}.get(is_good(first) and not is_good(second), 0.5)
    return Choice((share, 1 - share), mass=0.9)


def is_good(text):
    return text in ("Good.", "Good one.")


def test_known_pairs_are_the_examples_of_a_constitution_that_mend_or_tell_something(mine):
    found = {each.id: each for each in known_pairs(None, constitutions.load(mine), most=50, seed=0)}
    assert {id: (it.better, it.worse, it.principle) for id, it in found.items()} == {
        "shared-comparison-1": ("Good.", "Bad.", None),
        "kind-comparison-1": ("Good one.", "Bad one.", "kind"),
        "kind-revision-1": ("Good.", "Bad.", "kind"),
    }
    assert len(known_pairs(None, constitutions.load(mine), most=2, seed=0)) == 2


def test_known_pairs_are_of_people_or_of_the_sandbox(tmp_path):
    sandbox = constitutions.load("sandbox")
    path = tmp_path / "people.jsonl"
    path.write_text('{"prompt": "Hi.", "chosen": "Hello.", "rejected": "What?"}\n' * 2)
    (one,) = known_pairs(str(path), sandbox, most=50, seed=0)
    assert (one.better, one.worse, one.principle) == ("Hello.", "What?", None)
    many = known_pairs("sandbox", sandbox, most=40, seed=0)
    assert len({each.prompt[0]["content"] for each in many}) == len(many) == 40
    assert {each.principle for each in many} == {each.id for each in sandbox.for_comparison}


def test_a_constitution_without_examples_has_no_known_pairs(tmp_path):
    path = tmp_path / "bare.yaml"
    path.write_text("name: bare\nprinciples:\n- id: a\n  comparison_request: Which is kinder?\n")
    with pytest.raises(UsageError, match="the constitution bare has no pair of responses"):
        known_pairs(None, constitutions.load(str(path)), most=50, seed=0)


def test_an_example_is_not_shown_before_a_question_about_itself(mine):
    constitution = constitutions.load(mine)
    asked = asking(constitution, config=LabelConfig(form="chat"), source=None, most=50)
    for row in asked.rows:
        (question,) = next(asked.chain(row, config=asked.config))
        turns = [turn["content"] for turn in question.conversation if turn["role"] == "user"]
        assert row["prompt"][0]["content"] in turns[-1]
        assert not any(row["prompt"][0]["content"] in turn for turn in turns[:-1])
    assert any(len(next(asked.chain(row, config=asked.config))[0].conversation) > 1 for row in asked.rows)


def test_all_probes_of_a_pair_are_asked_under_one_principle(mine):
    asked = asking(constitutions.load(mine), config=LabelConfig(form="chat"), source=None, most=50)
    by_pair = {}
    for row in asked.rows:
        (question,) = next(asked.chain(row, config=asked.config))
        request = question.conversation[-1]["content"].rsplit("\n\n", 1)[-1]
        by_pair.setdefault(row["prompt_id"], set()).add(request)
    assert {len(requests) for requests in by_pair.values()} == {1}
    assert by_pair["kind-revision-1"] == {"Which is kinder?"}


def test_a_run_that_requires_an_audit_stops_before_it_asks_anything_else(tmp_path, recipe, kitchen):
    settings = ["audit.require=true", "audit.num_pairs=20"]
    with pytest.raises(ModelError, match="should not be believed") as stopped:  # the kitchen's model likes (A)
        run(apply_settings(recipe, settings), out=tmp_path / "one")
    assert "order: the two orders of a pair disagree in 1.00 (0.84 to 1.00) of 20 pairs, at most 0.4 may be: fail" in (
        str(stopped.value)
    )
    assert "label.chain_of_thought" in str(stopped.value)
    assert not (tmp_path / "one" / "01-critique").exists()
    assert read_summary(tmp_path / "one" / FOLDER)["audit"][0]["verdict"] == "fail"
    asked = kitchen.asked
    with pytest.raises(ModelError):  # nothing is asked again to say it again
        run(apply_settings(recipe, settings), out=tmp_path / "one")
    assert kitchen.asked == asked


def test_a_model_that_passes_goes_on_and_the_rest_is_that_of_a_run_without_it(tmp_path, recipe, kitchen, mine):
    pairs = tmp_path / "pairs.jsonl"
    pairs.write_text(
        "".join(json.dumps({"prompt": f"Ask {i}?", "chosen": "Good.", "rejected": "Bad."}) + "\n" for i in range(60))
    )
    kitchen.reply = good
    settings = [f"constitution={mine}"]
    run(apply_settings(recipe, settings), out=tmp_path / "plain", until="label")
    settings += ["audit.require=true", f"audit_pairs={pairs}"]
    run(apply_settings(recipe, settings), out=tmp_path / "audited", until="label")
    verdicts = {each["name"]: each["verdict"] for each in read_summary(tmp_path / "audited" / FOLDER)["audit"]}
    assert "fail" not in verdicts.values()
    assert read_rows(tmp_path / "audited" / "04-label") == read_rows(tmp_path / "plain" / "04-label")


def test_a_killed_audit_is_gone_on_with(tmp_path, recipe, kitchen):
    def stop(event):
        if event.stage == FOLDER and event.done > event.total / 2:
            raise KeyboardInterrupt

    settings = ["audit.require=true", "audit.num_pairs=40"]
    with pytest.raises(KeyboardInterrupt):
        run(apply_settings(recipe, settings), out=tmp_path / "one", progress=stop)
    first = kitchen.asked
    with pytest.raises(ModelError):
        run(apply_settings(recipe, settings), out=tmp_path / "one")
    both = kitchen.asked
    with pytest.raises(ModelError):
        run(apply_settings(recipe, settings), out=tmp_path / "whole")
    assert 0 < first < both
    assert kitchen.asked - both == both
    tables = [(tmp_path / name / FOLDER / "00000.parquet").read_bytes() for name in ("one", "whole")]
    assert tables[0] == tables[1]


def test_every_feedback_model_and_constitution_is_audited_in_a_folder_of_its_own(tmp_path, recipe, kitchen):
    settings = ["audit.require=true", "audit.num_pairs=5", "audit_pairs=sandbox", "feedback_model=[a/one, a/two]"]
    with pytest.raises(ModelError, match="a/two: order"):
        run(apply_settings(recipe, settings), out=tmp_path / "one")
    assert sorted(path.name for path in (tmp_path / "one").glob(f"{FOLDER}*")) == [
        f"{FOLDER}-1-one-sandbox", f"{FOLDER}-2-two-sandbox",
    ]  # fmt: skip
