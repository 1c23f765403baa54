"""Who samples the pairs, who compares them and by which constitution: every way through a whole run folder."""

import json

import pytest

from solon.chains import Choice, Choose, Completion
from solon.errors import UsageError
from solon.recipe import apply_settings, run
from solon.report.read import read
from solon.runs import read_rows, read_summary

OTHER = "name: {0}\nprinciples:\n- id: kind\n  comparison_request: Which is {0}?\n"


def labels(folder, recipe, *settings, until="label"):
    run(apply_settings(recipe, settings), out=folder, until=until)
    return read_rows(folder / "04-label") if until == "label" else None


def written(tmp_path, *names):
    paths = [tmp_path / f"{name}.yaml" for name in names]
    for path in paths:
        path.write_text(OTHER.format(path.stem))
    return [str(path) for path in paths]


def test_one_model_of_each_is_a_stage_like_any_other(tmp_path, recipe, kitchen):
    rows = labels(tmp_path / "one", recipe)
    assert {path.name for path in (tmp_path / "one" / "04-label").iterdir()} == {
        "stage.json", "journal.jsonl", "00000.parquet", "summary.json",
    }  # fmt: skip
    assert kitchen.loaded == ["sandbox", str(tmp_path / "one" / "02-finetune" / "model"), "sandbox"]
    assert [row["id"] for row in rows] == [row["prompt_id"] for row in rows]
    assert read_summary(tmp_path / "one" / "04-label")["states"] == {
        "rows": {"labelled": 16}, "judgements": {"labelled": 16},
    }  # fmt: skip


def test_several_feedback_models_judge_in_folders_of_their_own_and_the_label_is_their_mean(tmp_path, recipe, kitchen):
    settings = ["feedback_model=[one/judge, two/judge]", "label.num_principles=2"]
    rows = labels(tmp_path / "two", recipe, *settings)
    parts = [tmp_path / "two" / "04-label" / part for part in ("1-judge", "2-judge")]
    assert kitchen.loaded[-2:] == ["one/judge", "two/judge"]
    for number, row in enumerate(rows):
        told = [it for part in parts for it in read_rows(part)[number]["judgements"]]
        assert [{**it, "model": None} for it in row["judgements"]] == told
        assert [it["model"] for it in row["judgements"]] == ["one/judge"] * 2 + ["two/judge"] * 2
    assert len(read(tmp_path / "two").labels) == len(rows) == 16
    asked = kitchen.asked
    labels(tmp_path / "two", recipe, *settings)
    assert kitchen.asked == asked


def test_a_kill_between_two_feedback_models_costs_nothing(tmp_path, recipe, kitchen):
    settings = ["feedback_model=[one, two]", "label.num_principles=3", "label.chain_of_thought=true"]
    whole = labels(tmp_path / "whole", recipe, *settings)
    every, kitchen.models[:] = kitchen.asked, []

    for stop_in in ("04-label/1-one", "04-label/2-two"):

        def stop(event, stop_in=stop_in):
            if event.stage == stop_in and event.done > event.total / 2:
                raise KeyboardInterrupt

        with pytest.raises(KeyboardInterrupt):
            run(apply_settings(recipe, settings), out=tmp_path / "one", until="label", progress=stop)
    assert 0 < kitchen.asked < every
    assert labels(tmp_path / "one", recipe, *settings) == whole
    assert kitchen.asked == every
    tables = [(tmp_path / name / "04-label" / "00000.parquet").read_bytes() for name in ("whole", "one")]
    assert tables[0] == tables[1]


def test_pairs_are_compared_by_other_constitutions_helpful_ones_by_their_own(tmp_path, recipe, kitchen):
    one, two, helpful = written(tmp_path, "kinder", "safer", "better")
    rows = labels(tmp_path / "own", recipe, f"feedback_constitution=[{one}, {two}]", f"helpful_constitution={helpful}")
    asked = {row["kind"]: [it["constitution"] for it in row["judgements"]] for row in rows}
    assert asked == {"red-team": ["kinder", "safer"], "helpful": ["better"]}
    copies = {path.stem for path in (tmp_path / "own").glob("*.yaml")}
    assert copies == {
        "recipe", "constitution", "feedback_constitution", "feedback_constitution-2", "helpful_constitution",
    }  # fmt: skip
    assert [each.name for each in read(tmp_path / "own").others] == ["safer", "kinder", "better"]


def test_a_constitution_that_only_labels_must_compare_and_have_a_name_of_its_own(tmp_path, recipe, kitchen):
    path = tmp_path / "mine.yaml"
    path.write_text("name: mine\nprinciples:\n- id: a\n  revision_request: Rewrite it.\n")
    with pytest.raises(UsageError, match="constitution mine has no principle with a comparison_request"):
        labels(tmp_path / "one", recipe, f"helpful_constitution={path}")
    path.write_text(OTHER.format("sandbox"))
    with pytest.raises(UsageError, match="two of these constitutions have the name sandbox; change one"):
        labels(tmp_path / "one", recipe, f"feedback_constitution={path}")
    assert not (tmp_path / "one").exists()


def test_of_more_responses_all_pairs_are_labelled_and_the_best_beside_the_worst_can_be_kept(tmp_path, recipe, kitchen):
    def by_digits(request):
        if isinstance(request, Choose):
            told = request.conversation[-1]["content"]
            first, second = (int(told.split(mark)[1].split(".")[0].split()[-1]) for mark in ("(A) ", "(B) "))
            share = first / (first + second)
            return Choice((share, 1 - share), mass=0.9)
        return Completion(f"I would rather not {1 + request.seed % 1000}.", tokens=5)

    kitchen.reply = by_digits
    settings = ["pairs.num_responses=4", "label.keep=best-worst"]
    rows = labels(tmp_path / "many", recipe, *settings)
    assert len(rows) == 16 * 6
    by_prompt = {}
    for row in rows:
        by_prompt.setdefault(row["prompt_id"], []).append(row)
    for of_prompt in by_prompt.values():
        said = {int(text.split()[-1][:-1]) for row in of_prompt for text in row["responses"]}
        [kept] = [row for row in of_prompt if row["drop_reason"] is None]
        assert {int(text.split()[-1][:-1]) for text in kept["responses"]} == {min(said), max(said)}
    asked = kitchen.asked
    assert labels(tmp_path / "many", recipe, *settings) == rows
    assert kitchen.asked == asked


def test_revisions_are_set_against_first_responses_and_may_be_taken_for_better(tmp_path, recipe, kitchen):
    usual = kitchen.reply
    kitchen.reply = lambda asked: usual(asked) if isinstance(asked, Choose) else Completion(str(asked.seed))
    settings = ["pairs.source=revisions"]
    rows = {row["id"]: row for row in labels(tmp_path / "asked", recipe, *settings)}
    for revised in read_rows(tmp_path / "asked" / "01-critique"):
        row = rows[revised["id"]]
        if revised["kind"] == "helpful":
            assert row["revision"] is None
        else:
            assert row["responses"][row["revision"] - 1] == revised["steps"][-1]["revision"]
            assert row["responses"][2 - row["revision"]] == revised["response"]
    taken = labels(tmp_path / "taken", recipe, *settings, "label.assume_revisions=true")
    assert {(row["kind"], row["known_by"], len(row["judgements"])) for row in taken} == {
        ("red-team", "assumed", 0), ("helpful", "exact", 1),
    }  # fmt: skip
    assert all(row["probability"] == (row["revision"] == 1) for row in taken if row["revision"])


def test_pairs_may_come_from_another_model_or_one_response_from_each(tmp_path, recipe, kitchen):
    labels(tmp_path / "other", recipe, "pairs_model=own/model")
    assert kitchen.loaded[1] == "own/model"
    plain = labels(tmp_path / "plain", recipe)
    settings = ["pairs_model=[sl-cai, own/model]"]
    mixed = labels(tmp_path / "mixed", recipe, *settings)
    folder = tmp_path / "mixed" / "03-pairs"
    assert kitchen.loaded[-3:] == [str(tmp_path / "mixed" / "02-finetune" / "model"), "own/model", "sandbox"]
    assert {path.name for path in folder.iterdir() if path.is_dir()} == {"1-sl-cai", "2-model"}
    assert [row["responses"] for row in mixed] == [row["responses"] for row in plain]  # fakes answer by the seed alone
    asked = kitchen.asked
    labels(tmp_path / "mixed", recipe, *settings)
    assert kitchen.asked == asked


@pytest.mark.parametrize(
    ("setting", "told"),
    [
        ("pairs_model=[a, b, c]", "pairs_model has 3 names for 2 responses; give one, or one for each"),
        ("feedback_model=[a, b, a]", "feedback_model has a name twice, a, b, a"),
        ("feedback_model=[{name: a, adapter: b}, {name: a, adapter: b, batch_size: 2}]", "has a name twice, a b, a b"),
        ("label.num_reasonings=5", "needs label.chain_of_thought: true"),
    ],
)
def test_settings_that_do_not_go_together_are_told_before_anything_runs(tmp_path, recipe, kitchen, setting, told):
    with pytest.raises(UsageError, match=told):
        labels(tmp_path / "one", recipe, setting)
    assert not (tmp_path / "one").exists()


def test_whatever_the_pairs_a_run_stops_after_them_and_goes_on(tmp_path, recipe, kitchen):
    for settings in (["pairs.num_responses=3"], ["pairs_model=[sl-cai, other]"], ["pairs.source=revisions"]):
        folder = tmp_path / settings[0].replace("/", "-")
        labels(folder, recipe, *settings, until="pairs")
        assert not (folder / "04-label").exists()
        labels(folder, recipe, *settings)
        assert json.loads((folder / "run.json").read_text())["stages"]["04-label"]["status"] == "complete"
