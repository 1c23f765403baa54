"""Each trainer's own rules of what it reads; those whose loaders are here read what was written."""

import json

import pytest
import yaml
from datasets import load_dataset
from small_run import HOSTILE, RECIPE, TALK

from solon import sandbox
from solon.errors import UsageError
from solon.export import FORMATS, export
from solon.recipe import load
from solon.records import assistant
from solon.stages import training
from solon.stages.finetune import _examples

TRAINERS = [to for to in FORMATS if to != "hub"]


def rows(exported, name):
    return [json.loads(line) for line in (exported.out / name).read_text(encoding="utf-8").splitlines()]


def loaded(path, tmp_path):
    return load_dataset("json", data_files=str(path), split="train", cache_dir=str(tmp_path / "cache"))


def contents(folder):
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.mark.parametrize("to", FORMATS)
def test_an_export_is_the_same_bytes_again_and_never_written_over(written, to):
    run = written()
    out = run / "export" / to
    assert export(run, to=to).out == out
    first = contents(out)
    with pytest.raises(UsageError, match="is there already and is left as it is"):
        export(run, to=to)
    assert contents(out) == first
    out.rename(run / "aside")
    export(run, to=to)
    assert contents(out) == first


@pytest.mark.parametrize("to", TRAINERS)
def test_every_file_is_read_by_datasets_as_it_was_written(written, tmp_path, to):
    exported = export(written(), to=to)
    names = [name for name in exported.files if name.endswith(".jsonl")]
    assert {f"{data.name}.jsonl" for data in exported.data} <= set(names)
    for name in names:
        assert list(loaded(exported.out / name, tmp_path)) == rows(exported, name)


def test_text_goes_out_as_it_is_and_can_neither_hide_nor_end_a_line(written):
    exported = export(written(), to="trl")
    raw = (exported.out / "sft.jsonl").read_text(encoding="utf-8")
    assert "é 漢" in raw
    assert all(line.isprintable() for line in raw.split("\n"))
    assert rows(exported, "sft.jsonl")[2]["completion"] == [assistant(HOSTILE)]


@pytest.mark.parametrize("to", ["trl", "openrlhf"])
def test_a_prompt_its_completion_and_two_responses_are_lists_of_messages(written, to):
    exported = export(written(), to=to)
    text = rows(exported, "sft.jsonl")[3]
    assert (text["prompt"], text["completion"]) == (TALK, [assistant("Wait.")])
    preference = rows(exported, "ai_preferences.jsonl")[1]
    assert preference["prompt"] == TALK
    assert (preference["chosen"], preference["rejected"]) == ([assistant("Wait.")], [assistant(HOSTILE)])


def test_trl_is_given_whole_conversations_too(written):
    assert rows(export(written(), to="trl"), "sft_messages.jsonl")[3]["messages"] == [*TALK, assistant("Wait.")]


def test_trl_takes_the_files_for_what_they_are(written, tmp_path):
    from transformers import AutoTokenizer
    from trl.data_utils import is_conversational, maybe_apply_chat_template

    tokenizer = AutoTokenizer.from_pretrained(sandbox.model_path())
    exported = export(written(), to="trl")
    for name, columns in (
        ("sft", {"prompt", "completion"}),
        ("sft_messages", {"text"}),
        ("revision_preferences", {"prompt", "chosen", "rejected"}),
        ("ai_preferences", {"prompt", "chosen", "rejected"}),
    ):
        for row in loaded(exported.out / f"{name}.jsonl", tmp_path):
            assert is_conversational(row)
            assert all(isinstance(text, str) for text in map(maybe_apply_chat_template(row, tokenizer).get, columns))


def test_trl_learns_of_the_export_what_finetuning_learns(written, tmp_path):
    run = written()
    path = export(run, to="trl").out / "sft.jsonl"
    from datasets import Dataset
    from small_run import REVISIONS

    own = Dataset.from_list(_examples(REVISIONS, load(run / "recipe.yaml").finetune))
    assert _learned(loaded(path, tmp_path), tmp_path) == _learned(own, tmp_path)


def _learned(dataset, tmp_path):
    from trl import SFTConfig, SFTTrainer

    with training.quiet():
        args = SFTConfig(output_dir=str(tmp_path / "out"), report_to="none", use_cpu=True, bf16=False, max_length=None)
        trainer = SFTTrainer(str(sandbox.model_path()), args=args, train_dataset=dataset)
    return list(trainer.train_dataset["input_ids"]), list(trainer.train_dataset["labels"])


def test_trl_compares_the_two_responses(written, tmp_path):
    from transformers import AutoModelForSequenceClassification, AutoTokenizer
    from trl import RewardConfig, RewardTrainer

    tokenizer = AutoTokenizer.from_pretrained(sandbox.model_path())
    exported = export(written(), to="trl")
    dataset = loaded(exported.out / "ai_preferences.jsonl", tmp_path)
    with training.quiet():
        model = AutoModelForSequenceClassification.from_pretrained(sandbox.model_path(), num_labels=1)
        args = RewardConfig(output_dir=str(tmp_path / "out"), report_to="none", use_cpu=True, bf16=False)
        trainer = RewardTrainer(model, args=args, train_dataset=dataset, processing_class=tokenizer)
    for row, ids in zip(rows(exported, "ai_preferences.jsonl"), trainer.train_dataset, strict=True):
        for which in ("chosen", "rejected"):
            told = tokenizer.apply_chat_template([*row["prompt"], *row[which]], tokenize=False)
            assert tokenizer.decode(ids[f"{which}_ids"]) == tokenizer.decode(tokenizer(told)["input_ids"])


def test_axolotl_learns_the_last_turn_alone(written):
    exported = export(written(), to="axolotl")
    turns = rows(exported, "sft.jsonl")[3]["messages"]
    assert [(turn["role"], turn["train"]) for turn in turns] == [
        ("system", False),
        ("user", False),
        ("assistant", False),
        ("user", False),
        ("assistant", True),
    ]


def test_axolotl_is_given_the_lines_of_its_configuration(written):
    exported = export(written(), to="axolotl")
    [entry] = yaml.safe_load((exported.out / "sft.yaml").read_text())["datasets"]
    assert (entry["type"], entry["message_field_training"]) == ("chat_template", "train")
    assert entry["path"] == str(exported.out / "sft.jsonl")
    config = yaml.safe_load((exported.out / "ai_preferences.yaml").read_text())
    assert (config["rl"], config["datasets"][0]["type"]) == ("dpo", "chat_template.default")
    preference = rows(exported, "ai_preferences.jsonl")[0]
    assert {"messages", "chosen", "rejected"} < preference.keys()
    assert preference["chosen"] == assistant("Ask.")


def test_llama_factory_is_told_which_files_rank(written):
    info = json.loads((export(written(), to="llama-factory").out / "dataset_info.json").read_bytes())
    assert {name: entry.get("ranking", False) for name, entry in info.items()} == {
        "sft": False,
        "revision_preferences": True,
        "ai_preferences": True,
    }
    assert {entry["formatting"] for entry in info.values()} == {"sharegpt"}
    assert info["ai_preferences"]["columns"] == {"messages": "messages", "chosen": "chosen", "rejected": "rejected"}


def test_llama_factory_is_given_turns_that_alternate_and_the_others_are_counted(written):
    exported = export(written(), to="llama-factory")
    for name, after in (("sft", 0), ("revision_preferences", 1), ("ai_preferences", 1)):
        for row in rows(exported, f"{name}.jsonl"):
            roles = [turn["role"] for turn in row["messages"]]
            roles = roles[1:] if roles[0] == "system" else roles
            assert len(roles) % 2 == after
            assert all(role == ("user", "assistant")[i % 2] for i, role in enumerate(roles))
    for data in exported.data:
        assert data.left_out["turns do not alternate, which LLaMA-Factory needs"] == 1
        assert len({row["id"] for row in data.rows}) + sum(data.left_out.values()) == data.total


def test_a_run_whose_labels_are_all_ties_has_no_preferences_and_says_so(written):
    from small_run import comparison

    run = written(comparisons=[comparison("r0", 0.5)])
    with pytest.raises(UsageError, match=r"nothing to export.*1 \(a tie"):
        export(run, to="trl", stage="label")
    exported = export(run, to="trl")
    assert [(data.name, len(data.rows)) for data in exported.data][-1] == ("ai_preferences", 0)
    assert "ai_preferences.jsonl" not in exported.files


def test_an_export_that_fails_leaves_nothing_behind(written, monkeypatch):
    def full(path, data):
        raise OSError(28, "No space left on device")

    run = written(recipe=RECIPE)
    monkeypatch.setattr("solon.export.write_whole", full)
    with pytest.raises(OSError, match="the disk is full"):
        export(run, to="trl")
    assert list((run / "export").iterdir()) == []
    (run / "export" / "trl.partial").mkdir()
    with pytest.raises(UsageError, match="another export writes it, or one was killed; delete it"):
        export(run, to="trl")


def test_llama_factorys_own_loader_reads_every_row(written, tmp_path, monkeypatch):
    monkeypatch.setenv("DISABLE_VERSION_CHECK", "1")
    parser = pytest.importorskip("llamafactory.data.parser", exc_type=ImportError)
    converter = pytest.importorskip("llamafactory.data.converter", exc_type=ImportError)
    exported = export(written(), to="llama-factory")
    for entry in parser.get_dataset_list([data.name for data in exported.data], str(exported.out)):
        convert = converter.get_dataset_converter(entry.formatting, entry, None)
        for row in loaded(exported.out / entry.dataset_name, tmp_path):
            read = convert(row)
            assert read["_system"] == (row["messages"][0]["content"] if row["messages"][0]["role"] == "system" else "")
            assert len(read["_response"]) == 1 + entry.ranking
            assert read["_prompt"][-1]["role"] == "user"


def test_openrlhfs_own_loader_reads_every_row(written, tmp_path):
    sft = pytest.importorskip("openrlhf.datasets.sft_dataset", exc_type=ImportError)
    reward = pytest.importorskip("openrlhf.datasets.reward_dataset", exc_type=ImportError)
    from transformers import AutoTokenizer

    template = AutoTokenizer.from_pretrained(sandbox.model_path()).apply_chat_template
    exported = export(written(), to="openrlhf")
    for row in loaded(exported.out / "sft.jsonl", tmp_path):
        prompt, response = sft.preprocess_data(row, None, "prompt", "completion", template)
        assert prompt + response == template(row["prompt"] + row["completion"], tokenize=False)
    for row in loaded(exported.out / "ai_preferences.jsonl", tmp_path):
        prompt, chosen, rejected, _ = reward.preprocess_data(row, prompt_key="prompt", apply_chat_template=template)
        assert prompt + chosen == template(row["prompt"] + row["chosen"], tokenize=False)
        assert prompt + rejected == template(row["prompt"] + row["rejected"], tokenize=False)


def test_axolotls_own_loader_reads_every_row(written, tmp_path):
    dpo = pytest.importorskip("axolotl.prompt_strategies.dpo.chat_template", exc_type=ImportError)
    from axolotl.utils.dict import DictDefault
    from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(sandbox.model_path())
    exported = export(written(), to="axolotl")
    config = yaml.safe_load((exported.out / "ai_preferences.yaml").read_text())
    read, _ = dpo.default(DictDefault({**config, "chat_template": "tokenizer_default"}))
    for row in loaded(exported.out / "ai_preferences.jsonl", tmp_path):
        told = read(row, tokenizer=tokenizer)
        assert told["prompt"] == tokenizer.apply_chat_template(
            row["messages"], tokenize=False, add_generation_prompt=True
        )
        assert told["chosen"].startswith(row["chosen"]["content"])
        assert told["rejected"].startswith(row["rejected"]["content"])
