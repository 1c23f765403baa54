import json
from pathlib import Path

import pytest

from solon.constitution.load import load
from solon.recipe import model_name

FEW = ["--set", "num_prompts=6", "--set", "num_helpful_prompts=2", "--set", "num_eval_prompts=20"]


@pytest.fixture
def run(solon, models):
    assert solon("demo", *FEW, "--out", "one").exit_code == 0
    return "one"


def test_init_writes_a_recipe_that_runs_and_never_over_a_file(solon, models):
    done = solon("init", "mine")
    assert done.exit_code == 0
    assert done.stdout.splitlines()[-1].endswith("solon run mine/recipe.yaml")
    assert "constitution: constitution.yaml" in Path("mine/recipe.yaml").read_text()
    assert solon("run", "mine/recipe.yaml", *FEW, "--until", "critique").exit_code == 0
    Path("mine/constitution.yaml").write_text("my own")
    Path("mine/recipe.yaml").unlink()
    again = solon("init", "mine")
    assert again.exit_code == 2
    assert "is there already" in again.stderr
    assert Path("mine/constitution.yaml").read_text() == "my own"
    assert not Path("mine/recipe.yaml").exists()


def test_check_reads_everything_and_writes_nothing(solon, models):
    done = solon("check", "demo", "--limit", "5", "--constitution", "harmless-only")
    assert "red-team prompts: 5" in done.stdout
    assert "held-out prompts that are trained on: 0" in done.stdout
    assert "warning: the constitution: no comparison_request" in done.stdout
    assert done.stdout.splitlines()[-1] == "Next: solon demo --constitution harmless-only --limit 5"
    assert list(Path().iterdir()) == []
    assert json.loads(solon("check", "demo", "--json").stdout)["constitution"] == "sandbox"


def test_check_says_what_each_stage_would_take(solon, models, monkeypatch):
    monkeypatch.setattr("solon.recipe.work.model_name", model_name)
    done = solon("check", "demo")
    lines = [line.split() for line in done.stdout.splitlines()]
    assert ["│", "02-finetune", "│", "2,500", "│", "158", "steps", "│", "│", "│"] in lines
    assert next(line for line in lines if "01-critique" in line)[3:9] == ["1,500", "│", "≤", "5,500", "│", "≤"]
    assert next(line for line in lines if "04-label" in line)[-2:] == ["0", "│"]
    assert "counted by the model's tokenizer" in done.stdout
    assert models == []
    asked = solon("check", "demo", "--ask", "2").stdout
    assert "≈ 27,500, ≤ 352,000" in asked  # 5 tokens an answer
    assert "time" in asked


def test_show_goes_from_stages_to_ids_to_one_row(solon, run):
    assert "04-label" in solon("show", run).stdout
    ids = solon("show", run, "label").stdout
    assert "red-team-00003" in ids
    assert ids.splitlines()[-1] == "Next: solon show one label red-team-00000"
    row = solon("show", run, "04-label", "red-team-00003").stdout
    request = next(p for p in load("sandbox").principles if f"({p.id})" in row).comparison_request
    told = ("Probability that A is better: 0.500", "Both orders agree: no", f"Comparison request: {request}")
    for words in ("Response A: ", "Response B: ", *told):
        assert words in row


def test_show_asks_the_runs_own_copy_of_the_constitution(solon, run):
    copy = Path("one/constitution.yaml")
    copy.write_text(copy.read_text().replace("Rewrite the response", "Write the response again"))
    told = [solon("show", run, "critique", f"red-team-0000{n}").stdout for n in range(6)]
    assert any("Write the response again" in each for each in told)
    copy.unlink()
    assert "Revision request" not in solon("show", run, "critique", "red-team-00000").stdout


def test_show_keeps_each_row_of_a_list_to_a_line(solon, run):
    lines = solon("show", run, "evaluate").stdout.splitlines()[:-1]
    assert len(lines) == 20
    assert max(map(len, lines)) <= 120


def test_show_marks_what_a_revision_changed(solon, run):
    told = solon("show", run, "critique", "red-team-00000").stdout
    assert "[-" in told
    assert "{+" in told


def test_show_gives_every_models_answer_to_a_held_out_prompt(solon, run):
    told = solon("show", run, "evaluate", "evaluate-00000").stdout
    assert [told.count(f"Response of {model}: ") for model in ("helpful-only", "sl-cai", "rl-cai")] == [1, 1, 1]
    assert told.count("Behaviour: garbled") == 3
    assert len(json.loads(solon("show", run, "evaluate", "evaluate-00000", "--json").stdout)) == 3


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["critique", "red-team-9"], "has no row 'red-team-9' in critique; did you mean 'red-team-"),
        (["finetune", "x"], "holds no rows"),
        (["revise"], "there is no such stage"),
    ],
)
def test_show_says_what_is_not_there(solon, run, words, told):
    done = solon("show", run, *words)
    assert done.exit_code == 2
    assert told in done.stderr


@pytest.mark.parametrize(
    ("settings", "id", "told"),
    [
        (["feedback_model=[one, two]", "label.num_principles=2"], "red-team-00003", "Feedback model: two"),
        (["feedback_constitution=[harmless, sandbox]"], "red-team-00003", "Constitution: harmless"),
        (["pairs_model=[sl-cai, other]", "label.votes=2"], "red-team-00003", "unparsed: none of 2 votes is A or B"),
        (["pairs.num_responses=3", "label.keep=best-worst"], "red-team-00003/1-3", "Both orders agree: no"),
        (["pairs.source=revisions", "label.assume_revisions=true"], "red-team-00003", "a revision of the other"),
    ],
)
def test_whatever_the_pairs_and_labels_they_are_shown_reported_and_exported(solon, models, settings, id, told):
    given = [word for setting in [*settings, "critique.flaws.copied_critique=keep"] for word in ("--set", setting)]
    done = solon("demo", *FEW, *given, "--until", "label", "--out", "one")
    assert done.exit_code == 0, done.output
    assert "judgements: " in solon("show", "one").stdout
    assert told in solon("show", "one", "label", id).stdout
    assert f"{id} " in solon("show", "one", "pairs").stdout
    assert solon("report", "one").exit_code == 0
    assert "judgements: " in Path("one/report.html").read_text()
    exported = solon("export", "one", "--to", "hub")
    assert exported.exit_code == 0, exported.output


def test_report_makes_the_page(solon, run):
    Path("one/report.html").unlink()
    assert "The report: one/report.html" in solon("report", run).stdout
    assert Path("one/report.html").exists()


def test_constitutions_are_listed_shown_and_linted(solon, models):
    assert "harmless-only" in solon("constitution", "show").stdout
    assert "principles:" in solon("constitution", "show", "sandbox").stdout
    fine = solon("constitution", "lint", "sandbox")
    assert fine.exit_code == 0
    assert "sandbox: 0 findings" in fine.stdout
    Path("half.yaml").write_text("name: half\nprinciples:\n- id: a\n  revision_request: Rewrite it.\n")
    broken = solon("constitution", "lint", "half.yaml", "--json")
    assert broken.exit_code == 2
    assert json.loads(broken.stdout)[0]["severity"] == "error"


def test_a_principle_in_words_that_the_sandbox_does_not_know_is_warned_of(solon, models):
    Path("free.yaml").write_text(
        "name: free\nprinciples:\n- id: kind\n  revision_request: Be a dear.\n"
        "  comparison_request: Which response is less preachy?\n"
    )
    told = solon("check", "demo", "--constitution", "free.yaml")
    assert "warning: kind.revision_request: the sandbox's model has no words for this" in told.stdout
    assert "kind.comparison_request" not in told.stdout
    assert "Warning: kind.revision_request" in solon("demo", *FEW, "--constitution", "free.yaml").stderr
    assert "no words" not in solon("check", "demo").stdout
    compared = solon("check", "demo", "--set", "feedback_constitution=free.yaml").stdout
    assert "principles for comparison: 1" in compared
    assert "no words" not in compared
