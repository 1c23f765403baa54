"""A feedback model asked about comparisons whose answer is known: what is asked, and what comes of it."""

import json

import pytest

from solon.chains import Choice, Choose, Completion
from solon.constitution import load as constitutions
from solon.constitution.importers import import_constitution
from solon.errors import UsageError
from solon.recipe import hhh
from solon.recipe.hhh import HHHConfig, contaminated, judge_hhh
from solon.recipe.hhh_file import read_items
from solon.recipe.judgement_file import read_judgements
from solon.runs import read_rows

H, A = "\n\nHuman:", "\n\nAssistant:"
REASONED = (
    f"{H} Consider the following conversation between a human (H) and an assistant (A):"
    "\n\nH: Is it {0}?\n\n{{}}"
    "\n (A) [[[good 0]]]\n (B) [[[bad 0]]]"
    "\n\nAssistant: Let's think step by step: One.\n\nHuman:\nSo the answer is: (A)"
)


def row(number, context=None, right="good", wrong="bad"):
    asked = f"{H} Is it {number if context is None else context}?"
    return {"text_correct": f"{asked}{A} {right} {number}", "text_incorrect": f"{asked}{A} {wrong} {number}"}


def written(path, rows):
    path.write_text("".join(json.dumps(each) + "\n" for each in rows))
    return path


def prefers(word):
    """A judge that likes the response with a word in it, whatever its place."""

    def reply(request):
        if not isinstance(request, Choose):
            return Completion("One is better.", tokens=5)
        said = request.conversation[-3 if "So which" in request.conversation[-1]["content"] else -1]["content"]
        first = word in said[said.rindex("(A)") : said.rindex("(B)")]
        return Choice((0.9, 0.1) if first else (0.2, 0.8), mass=0.7)

    return reply


@pytest.fixture
def judge(kitchen, tmp_path, monkeypatch):
    """Judge a file by a fake model that likes what is good; `kitchen.reply` is another."""
    kitchen.reply = prefers("good")

    def judge_(rows, *, out="out", limit=None, progress=lambda event: None, **settings):
        path = written(tmp_path / "hhh.jsonl", rows)
        config = HHHConfig("fake", **settings)
        return judge_hhh(path, config, out=tmp_path / out, limit=limit, batch_size=8, progress=progress)

    return judge_


def values(summary):
    return {name: figure["value"] for name, figure in summary["figures"].items()}


def constitution(tmp_path, examples):
    path = tmp_path / "mine.yaml"
    asked = {"id": "kind", "comparison_request": "Which is kinder?"}
    path.write_text(json.dumps({"name": "mine", "principles": [asked], "exemplars": examples}))
    return path


def test_a_judge_that_knows_is_right_and_its_figures_are_those_of_its_labels(judge):
    summary = judge([row(number) for number in range(20)])
    found = values(summary)
    assert (found["accuracy"], found["consistency"], found["share_a"]) == (1.0, 1.0, 0.5)
    assert found["mass"] == pytest.approx(0.7)
    assert found["calibration_error"] == pytest.approx(0.15)
    assert summary["figures"]["accuracy"]["n"] == summary["rows"] == 20
    assert summary["beside"] == {"longer_is_right": {"value": 1.0, "n": 20}, "contexts": 20}
    assert summary["states"]["rows"] == {"labelled": 20}


def test_a_judge_that_says_the_first_letter_is_told_by_its_consistency(judge, kitchen):
    kitchen.reply = lambda request: Choice((0.9, 0.1), mass=0.9)
    found = values(judge([row(number) for number in range(20)]))
    assert (found["accuracy"], found["consistency"], found["share_a"]) == (0.5, 0.0, 1.0)
    once = judge([row(number) for number in range(20)], out="once", both_orders=False)
    assert once["figures"]["consistency"]["n"] == 0
    assert once["figures"]["share_a"]["value"] == 1.0


def test_the_model_is_asked_what_a_run_asks_and_never_told_the_truth(judge, kitchen):
    judge([row(1)])
    assert kitchen.asked == 2
    first, second = (request.conversation[0]["content"] for model in kitchen.models for request in model.asked)
    assert first.startswith("Consider this conversation between a human and an assistant:\n\nHuman: Is it 1?")
    assert first != second
    assert "truth" not in first


def test_reasonings_are_as_many_as_asked_for_and_not_clamped(judge, kitchen):
    summary = judge([row(number) for number in range(3)], chain_of_thought=True, num_reasonings=5)
    assert kitchen.asked == 3 * 2 * 5 * 2
    assert values(summary)["log_loss"] == pytest.approx(0.1625, abs=0.001)  # -ln 0.85


def test_what_is_not_labelled_is_counted_apart_and_is_in_no_figure(judge, kitchen):
    knows = prefers("good")

    def reply(request):
        number = int(request.conversation[-1]["content"].partition("Is it ")[2].partition("?")[0])
        return Choice((0.5, 0.5), mass=0.01) if number < 4 else knows(request)

    kitchen.reply = reply
    summary = judge([row(number) for number in range(10)])
    assert summary["states"]["rows"] == {"abstained": 4, "labelled": 6}
    assert summary["dropped"] == {"abstained: the options have a mass of 0.01, under 0.1": 4}
    assert (values(summary)["accuracy"], summary["figures"]["accuracy"]["n"]) == (1.0, 6)
    assert summary["beside"]["longer_is_right"]["n"] == 10


def test_items_among_the_examples_and_those_of_their_context_are_not_asked_about(judge, tmp_path, kitchen):
    shown = {"prompt": "Is it  0?", "responses": ["bad 0", "good 0"], "better": "B"}
    path = constitution(tmp_path, {"comparisons": [shown]})
    longer = {key: f"{H} Is it 0?{A} Yes.{H} Sure?{A} {said}" for key, said in zip(row(0), "xy", strict=True)}
    rows = [row(0), row(1), row(9, context=0), longer]
    summary = judge(rows, constitution=str(path), few_shot=True)
    assert summary["excluded"] == {"shown": ["hhh-001"], "share": ["hhh-003", "hhh-004"]}
    assert [each["id"] for each in read_rows(tmp_path / "out" / hhh.STAGE)] == ["hhh-002"]
    assert judge(rows, out="bare", constitution=str(path))["excluded"] == {"shown": [], "share": []}
    with pytest.raises(UsageError, match="all 1 items stand among the examples"):
        judge(rows[:1], out="none", constitution=str(path), few_shot=True)


def test_items_within_a_transcript_that_is_shown_are_not_asked_about_either(judge, tmp_path):
    path = constitution(tmp_path, {"transcripts": [REASONED.format(0), "An odd one. {}"]})
    rows = [row(0), row(1), row(9, context=0)]
    config = {"constitution": str(path), "few_shot": True, "chain_of_thought": True}
    assert judge(rows, **config)["excluded"] == {"shown": ["hhh-001"], "share": ["hhh-003"]}


def test_the_papers_examples_give_away_six_items_and_fourteen_share_a_context(shared_data, tmp_path):
    names = ("RLMadisonInstructions", "RLMadisonFewShotPrompts", "RLMadisonPrecogFewShotPrompts")
    paths = [shared_data(f"paper/prompts/{name}.json") for name in names]
    (tmp_path / "paper.yaml").write_text(import_constitution(paths, name="paper").text, encoding="utf-8")
    paper = constitutions.load(tmp_path / "paper.yaml")
    items = read_items(shared_data("paper/evals/438HHHEvaluations.jsonl"), first=None, seed=0)
    reasoned = HHHConfig("model", few_shot=True, chain_of_thought=True)
    found = contaminated(items, paper, reasoned.label)
    assert [int(id[4:]) - 1 for id in found["shown"]] == [1, 30, 74, 92, 185, 375]
    assert len(found["shown"]) + len(found["share"]) == 20
    assert contaminated(items, paper, HHHConfig("model", few_shot=True).label) == {"shown": [], "share": []}
    assert contaminated(items, paper, HHHConfig("model").label) == {"shown": [], "share": []}


def test_what_is_stopped_is_not_asked_again_and_ends_as_if_it_was_not(judge, tmp_path, kitchen):
    rows = [row(number) for number in range(20)]
    whole = judge(rows, out="whole")
    every, kitchen.models[:] = kitchen.asked, []

    def stop(event):
        if event.done > 20:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        judge(rows, progress=stop)
    assert 0 < kitchen.asked < every
    assert judge(rows) == whole
    assert kitchen.asked == every == 40
    tables = [(tmp_path / name / hhh.STAGE / "00000.parquet").read_bytes() for name in ("whole", "out")]
    assert tables[0] == tables[1]
    assert judge(rows) == whole
    assert kitchen.asked == every


def test_other_settings_or_items_in_one_folder_are_refused(judge):
    rows = [row(number) for number in range(3)]
    judge(rows)
    with pytest.raises(UsageError, match=r"judge\.json is not the one this run was begun with"):
        judge(rows, both_orders=False)
    with pytest.raises(UsageError, match=r"input was .*, is now"):
        judge([row(0), row(1), row(7)])


def test_its_table_is_one_of_judgements_in_two_orders_with_a_truth(judge, tmp_path):
    judge([row(number, context=number % 4) for number in range(8)])
    found = read_judgements(tmp_path / "out" / hhh.STAGE)
    assert (len(found.rows), len({each.group for each in found.rows})) == (8, 4)
    assert {each.truth for each in found.rows} <= {0.0, 1.0}
    assert all((each.label > 0.5) == (each.truth == 1.0) for each in found.rows)


def test_settings_that_do_not_go_together_are_told_before_anything_is_asked(judge, tmp_path):
    with pytest.raises(UsageError, match=r"--samples 5 are of reasoning.*add --chain-of-thought"):
        judge([row(0)], num_reasonings=5)
    with pytest.raises(UsageError, match="has no examples of comparisons for --few-shot to show"):
        judge([row(0)], constitution=str(constitution(tmp_path, {})), few_shot=True)
    plain = {"comparisons": [{"prompt": "Hi.", "responses": ["a", "b"], "better": "B"}]}
    with pytest.raises(UsageError, match="no examples of comparisons with their reasoning"):
        judge([row(0)], constitution=str(constitution(tmp_path, plain)), few_shot=True, chain_of_thought=True)
    path = tmp_path / "sl.yaml"
    path.write_text("name: sl\nprinciples:\n- id: a\n  revision_request: Rewrite it.\n")
    with pytest.raises(UsageError, match="has no principle with a comparison_request"):
        judge([row(0)], constitution=str(path))
    assert not (tmp_path / "out").exists()
