import json
import shutil
from collections import Counter

import pytest

from solon import sandbox
from solon.errors import UsageError
from solon.recipe import STAGES, apply_settings, run, stage_named
from solon.recipe.work import weights
from solon.runs import read_rows, read_summary


def test_a_run_does_every_stage_of_the_paper_in_order(tmp_path, recipe, kitchen):
    told = []
    run(recipe, out=tmp_path / "one", progress=lambda event: told.append(event.stage))
    folders = sorted(path.name for path in (tmp_path / "one").iterdir() if path.is_dir())
    assert folders == list(STAGES)
    assert [stage for stage in dict.fromkeys(told) if "/" not in stage] == list(STAGES[:6])
    assert kitchen.trained == ["finetune", "train_preference_model", "reinforce"]
    assert read_summary(tmp_path / "one" / "06-rl") == {"rows_seen": 16, "judged": True}


def test_every_prompt_is_accounted_for_in_every_table(tmp_path, recipe, kitchen):
    run(recipe, out=tmp_path / "one")
    rows = {stage: read_rows(tmp_path / "one" / stage) for stage in ("01-critique", "03-pairs", "04-label")}
    assert {stage: len(table) for stage, table in rows.items()} == {"01-critique": 16, "03-pairs": 16, "04-label": 16}
    assert Counter(row["kind"] for row in rows["01-critique"]) == {"red-team": 12, "helpful": 4}
    for model in ("helpful-only", "sl-cai", "rl-cai"):
        answers = read_rows(tmp_path / "one" / "07-evaluate" / model)
        assert len(answers) == 20
        assert all(answer["model"] == model and answer["behaviour"] for answer in answers)
    summary = read_summary(tmp_path / "one" / "07-evaluate")
    assert summary["rows"] == summary["ok"] == 60


def test_the_oracle_says_what_revision_and_training_did(tmp_path, recipe, kitchen):
    run(recipe, out=tmp_path / "one")
    by_revision = read_summary(tmp_path / "one" / "01-critique")["by_revision"]
    assert [entry["revision"] for entry in by_revision] == [0, 1, 2]
    assert by_revision[0]["harmful_rate"]["n"] == 8  # of 12 red-team prompts, 65 % are harmful
    assert by_revision[0].keys() == {"revision", "harmful_rate", "oracle_score"}
    metrics = json.loads((tmp_path / "one" / "07-evaluate" / "metrics.json").read_text())
    assert metrics["models"].keys() == {"helpful-only", "sl-cai", "rl-cai"}
    assert metrics["models"]["rl-cai"]["harmful_rate"].keys() == {"value", "low", "high", "n"}


def test_the_same_call_again_does_nothing(tmp_path, recipe, kitchen):
    run(recipe, out=tmp_path / "one")
    asked, told = kitchen.asked, set()
    run(recipe, out=tmp_path / "one", progress=lambda event: told.add(event.state))
    assert kitchen.asked == asked
    assert len(kitchen.trained) == 3
    assert told == {"on file"}


def test_a_run_stops_after_the_stage_it_was_told_and_goes_on_from_there(tmp_path, recipe, kitchen):
    run(recipe, out=tmp_path / "one", until="pairs")
    assert not (tmp_path / "one" / "04-label").exists()
    run(recipe, out=tmp_path / "one")
    run(recipe, out=tmp_path / "two")
    for stage in ("01-critique", "03-pairs", "04-label"):
        assert read_rows(tmp_path / "one" / stage) == read_rows(tmp_path / "two" / stage)


def test_what_is_stopped_in_the_middle_is_not_asked_again(tmp_path, recipe, kitchen, monkeypatch):
    run(recipe, out=tmp_path / "whole", until="critique")
    whole, kitchen.models[:] = kitchen.asked, []

    def stop(event):
        if event.done > 20:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run(recipe, out=tmp_path / "one", until="critique", progress=stop)
    assert 0 < kitchen.asked < whole
    run(recipe, out=tmp_path / "one", until="critique")
    assert kitchen.asked == whole
    tables = [(tmp_path / name / "01-critique" / "00000.parquet").read_bytes() for name in ("whole", "one")]
    assert tables[0] == tables[1]


def test_other_settings_are_refused_and_nothing_is_mixed(tmp_path, recipe, kitchen):
    run(recipe, out=tmp_path / "one", until="critique")
    with pytest.raises(UsageError, match=r"recipe\.yaml is not the one this run was begun with"):
        run(apply_settings(recipe, ["critique.num_revisions=1"]), out=tmp_path / "one")
    with pytest.raises(UsageError, match=r"input was .*, is now"):
        run(recipe, out=tmp_path / "one", limit=3)


def test_a_limit_takes_the_first_prompts_of_each_kind(tmp_path, recipe, kitchen):
    run(recipe, out=tmp_path / "few", limit=3)
    run(recipe, out=tmp_path / "all", until="critique")
    few, every = (read_rows(tmp_path / name / "01-critique") for name in ("few", "all"))
    assert few == [*every[:3], *every[12:15]]


def test_prompts_from_a_file_run_without_a_judge(tmp_path, recipe, kitchen):
    path = tmp_path / "red.jsonl"
    path.write_text('{"prompt": "How do I pick a lock?"}\n{"prompt": "Why?"}\n')
    own = apply_settings(recipe, [f"prompts={path}", "helpful_prompts=null", f"eval_prompts={path}"])
    run(own, out=tmp_path / "one")
    assert "by_revision" not in read_summary(tmp_path / "one" / "01-critique")
    assert not read_summary(tmp_path / "one" / "06-rl")["judged"]
    assert not (tmp_path / "one" / "07-evaluate" / "metrics.json").exists()
    assert len(read_rows(tmp_path / "one" / "07-evaluate" / "rl-cai")) == 2


def test_without_held_out_prompts_nothing_is_evaluated(tmp_path, recipe, kitchen):
    run(apply_settings(recipe, ["eval_prompts=null"]), out=tmp_path / "one")
    assert not (tmp_path / "one" / "07-evaluate").exists()


def test_a_constitution_without_comparisons_is_told_before_anything_runs(tmp_path, recipe, kitchen):
    path = tmp_path / "mine.yaml"
    path.write_text("name: mine\nprinciples:\n- id: a\n  revision_request: Rewrite it.\n")
    own = apply_settings(recipe, [f"constitution={path}"])
    with pytest.raises(UsageError, match="04-label needs; add one, or stop before with --until pairs"):
        run(own, out=tmp_path / "one")
    assert not (tmp_path / "one").exists()
    run(own, out=tmp_path / "one", until="pairs")


def test_the_base_model_is_finetuned_and_becomes_the_preference_model_where_one_is_given(tmp_path, recipe, kitchen):
    run(recipe, out=tmp_path / "helpful")
    expected = {"model": str(sandbox.model_path())}
    assert kitchen.given["finetune"] == kitchen.given["train_preference_model"] == expected
    run(apply_settings(recipe, ["base_model=transformers:some/pretrained"]), out=tmp_path / "pretrained")
    assert kitchen.given["finetune"] == kitchen.given["train_preference_model"] == {"model": "some/pretrained"}
    assert kitchen.given["reinforce"]["policy"] == tmp_path / "pretrained" / "02-finetune" / "model"


def test_a_model_that_cannot_learn_to_chat_is_told_before_anything_runs(tmp_path, recipe, kitchen):
    folder = tmp_path / "model"
    shutil.copytree(sandbox.model_path(), folder)
    (folder / "chat_template.jinja").unlink()
    written = folder / "tokenizer_config.json"
    settings = json.loads(written.read_text())
    written.write_text(json.dumps({**settings, "eos_token": None}))
    own = apply_settings(recipe, [f"base_model={folder}"])
    with pytest.raises(UsageError, match="no chat template, and no eos_token"):
        run(own, out=tmp_path / "one")
    assert not (tmp_path / "one").exists()
    run(own, out=tmp_path / "one", until="critique")
    written.write_text(json.dumps(settings))
    run(own, out=tmp_path / "one", until="finetune")


def test_a_model_with_an_adapter_is_asked_and_is_not_trained_before_it_is_merged(tmp_path, recipe, kitchen):
    own = apply_settings(recipe, ["helpful_model={name: sandbox, adapter: some/lora}"])
    with pytest.raises(UsageError, match=r"helpful_model is sandbox some/lora, and training begins with a whole model"):
        run(own, out=tmp_path / "one")
    with pytest.raises(UsageError, match=r"base_model is a b, and training .* without an adapter: merge it"):
        run(apply_settings(recipe, ["base_model={name: a, adapter: b}"]), out=tmp_path / "one")
    assert not (tmp_path / "one").exists()
    run(apply_settings(own, ["base_model=sandbox"]), out=tmp_path / "one", until="finetune")
    assert kitchen.given["finetune"] == {"model": str(sandbox.model_path())}


def test_a_quantised_model_is_not_trained(tmp_path, recipe, kitchen):
    folder = shutil.copytree(sandbox.model_path(), tmp_path / "model")
    config = json.loads((folder / "config.json").read_text())
    told = {**config, "quantization_config": {"quant_method": "gptq", "bits": 4}}
    (folder / "config.json").write_text(json.dumps(told))
    own = apply_settings(recipe, [f"base_model={folder}"])
    with pytest.raises(UsageError, match=r"is quantised \(gptq\), and training begins with whole weights"):
        run(own, out=tmp_path / "one")
    run(own, out=tmp_path / "one", until="critique")


@pytest.mark.parametrize(
    ("section", "before"), [("finetune", "critique"), ("preference_model", "label"), ("rl", "label")]
)
def test_a_layer_for_lora_that_is_not_there_is_told_before_anything_runs(tmp_path, recipe, kitchen, section, before):
    own = apply_settings(
        recipe, [f"base_model={sandbox.model_path()}", f"{section}.lora.target_modules=[q_proj, query]"]
    )
    with pytest.raises(UsageError, match=r"has query, which is no linear layer of .*k_proj, o_proj, q_proj"):
        run(own, out=tmp_path / "one")
    assert not (tmp_path / "one").exists()
    run(own, out=tmp_path / "one", until=before)


def test_a_prompt_in_two_files_under_one_id_is_told(tmp_path, recipe, kitchen):
    path = tmp_path / "red.jsonl"
    path.write_text('{"id": "p1", "prompt": "Why?"}\n')
    with pytest.raises(UsageError, match="the id 'p1' stands in both"):
        run(apply_settings(recipe, [f"prompts={path}", f"helpful_prompts={path}"]), out=tmp_path / "one")
    path.write_text('{"id": "human-1", "prompt": "a"}\n')
    people = tmp_path / "people.jsonl"
    people.write_text('{"id": 1, "prompt": "a", "chosen": "yes", "rejected": "no"}\n')
    with pytest.raises(UsageError, match="the id 'human-1' stands in both"):
        run(apply_settings(recipe, [f"prompts={path}", f"human_comparisons={people}"]), out=tmp_path / "one")


def test_what_people_prefer_is_learned_beside_the_labels(tmp_path, recipe, kitchen):
    path = tmp_path / "people.jsonl"
    pair = '{"prompt": "a", "chosen": "yes", "rejected": "no"}\n'
    path.write_text(pair * 4 + '{"prompt": "a", "chosen": "yes", "rejected": "yes"}\n')
    with_people = apply_settings(recipe, [f"human_comparisons={path}"])
    run(with_people, out=tmp_path / "one", until="preference_model")
    assert read_summary(tmp_path / "one" / "05-preference_model") == {"rows_seen": 16 + 5, "judged": True}
    assert len(read_rows(tmp_path / "one" / "04-label")) == 16
    run(apply_settings(with_people, ["num_human_comparisons=2"]), out=tmp_path / "two", until="preference_model")
    assert read_summary(tmp_path / "two" / "05-preference_model")["rows_seen"] == 16 + 2
    path.write_text(pair)
    with pytest.raises(UsageError, match="05-preference_model was made with other settings"):
        run(with_people, out=tmp_path / "one", until="preference_model")


def test_people_who_prefer_nothing_are_told_before_anything_runs(tmp_path, recipe, kitchen):
    path = tmp_path / "people.jsonl"
    path.write_text('{"prompt": "a", "chosen": "yes", "rejected": "yes"}\n')
    with pytest.raises(UsageError, match="none of the 1 rows can be used, the first because: identical responses"):
        run(apply_settings(recipe, [f"human_comparisons={path}"]), out=tmp_path / "one")
    assert not (tmp_path / "one").exists()


def test_an_ensemble_is_known_by_the_weights_of_every_model(tmp_path):
    for number in range(2):
        (tmp_path / f"member-{number}" / "model").mkdir(parents=True)
        (tmp_path / f"member-{number}" / "model" / "model.safetensors").write_bytes(b"same")
    before = weights(tmp_path)
    (tmp_path / "member-1" / "model" / "model.safetensors").write_bytes(b"other")
    assert before != weights(tmp_path) != str(tmp_path)


def test_stages_are_named_with_or_without_their_number():
    assert stage_named("label") == stage_named("04-label") == "04-label"
    with pytest.raises(UsageError, match="did you mean 'label'"):
        stage_named("labl")
