import json
from pathlib import Path

import pytest


@pytest.fixture
def run(solon, models):
    few = ["--set", "num_prompts=6", "--set", "num_helpful_prompts=2", "--until", "label"]
    assert solon("demo", *few, "--set", "label.both_orders=false", "--out", "one").exit_code == 0
    return "one"


@pytest.mark.parametrize(
    ("to", "following"),
    [
        ("trl", 'load_dataset("json", data_files="one/export/trl/sft.jsonl", split="train")'),
        ("axolotl", "paste one/export/axolotl/sft.yaml into"),
        ("llama-factory", "dataset_dir=one/export/llama-factory dataset=sft mask_history=true"),
        ("openrlhf", "openrlhf.cli.train_sft --data.dataset one/export/openrlhf/sft.jsonl --data.input_key prompt"),
        ("hub", "hf upload OWNER/NAME one/export/hub . --repo-type dataset"),
    ],
)
def test_export_says_what_was_written_what_was_left_out_and_what_to_do_with_it(solon, run, to, following):
    done = solon("export", run, "--to", to)
    assert done.exit_code == 0
    assert "ai_preferences: 8 rows from the 8 of 04-label" in done.stdout
    assert "left out: 2 (helpful, not revised)" in done.stdout
    assert following in done.stdout.splitlines()[-1]
    written = next(line for line in done.stdout.splitlines() if line.startswith("Written into "))
    names = written.partition(": ")[2].split(", ")
    assert all((Path(run) / "export" / to / name).is_file() for name in names)


def test_export_takes_a_stage_and_a_folder_and_prints_json(solon, run):
    done = solon("export", run, "--to", "trl", "--stage", "04-label", "--out", "mine/data", "--json")
    told = json.loads(done.stdout)
    assert (told["out"], told["files"]) == ("mine/data", ["ai_preferences.jsonl"])
    assert (told["data"][0]["rows"], told["data"][0]["of"], told["data"][0]["left_out"]) == (8, 8, {})


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["one", "--to", "trll"], "there is no such format; did you mean 'trl'?"),
        (["none", "--to", "trl"], "none is no run folder"),
        (["one", "--to", "trl", "--stage", "evaluate"], "--to hub only"),
        (["one", "--to", "trl", "--out", "one"], "one is there already and is left as it is"),
    ],
)
def test_export_says_what_cannot_be(solon, run, words, told):
    done = solon("export", *words)
    assert done.exit_code == 2
    assert told in done.stderr
    assert not (Path("one") / "export").exists()


def test_a_run_that_has_no_rows_yet_cannot_be_exported(solon, models):
    Path("new").mkdir()
    Path("new/run.json").write_text("{}")
    Path("new/recipe.yaml").write_text("constitution: sandbox\nprompts: sandbox\nhelpful_model: sandbox\n")
    done = solon("export", "new", "--to", "hub")
    assert done.exit_code == 2
    assert "has no data yet: 01-critique and 04-label and 07-evaluate are not complete" in done.stderr
