import re
from pathlib import Path

import pytest
import yaml

from solon.errors import UsageError
from solon.models.base import ModelSpec
from solon.recipe import apply_settings, load
from solon.recipe.named_model import NamedModel, named
from solon.recipe.schema import LABELLED_BY, copies_of, settled, to_yaml
from solon.stages.lora import LoraConfig

SMALL = "constitution: sandbox\nprompts: sandbox\nhelpful_model: sandbox\n"


def written(tmp_path, text=SMALL):
    path = tmp_path / "recipe.yaml"
    path.write_text(text)
    return path


def complaint(path):
    with pytest.raises(UsageError) as caught:
        load(path)
    return str(caught.value).replace(str(path), "recipe.yaml")


def test_the_demo_is_a_recipe_like_any_other():
    demo = load("demo")
    assert demo.constitution == demo.prompts == demo.eval_prompts == demo.helpful_model.name == "sandbox"
    assert demo.critique.max_tokens == 64


def test_three_lines_are_enough_and_the_rest_has_defaults(tmp_path):
    recipe = load(written(tmp_path))
    assert recipe.critique.num_revisions == 4
    assert recipe.eval_prompts is None


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("critique: {num_revision: 3}", ["unknown key critique.num_revision", "'num_revisions'"]),
        ("critiqe: {num_revisions: 3}", ["unknown key critiqe", "'critique'"]),
        ("critique: {num_revisions: three}", ["critique.num_revisions is the text 'three'; a whole number"]),
        ("critique: {num_revisions: 0}", ["critique.num_revisions is 0; it must be at least 1"]),
        ("critique: {critique: 1}", ["critique.critique is 1; `true` or `false`"]),
        ("critique: {critique: off}", ["`off`", "`true` or `false`"]),
        ("critique: 3", ["critique is 3; a mapping"]),
        ("critique: {temperature: -1}", ["critique.temperature is -1; it must be at least 0"]),
        ("critique: {temperature: .nan}", ["critique.temperature is nan"]),
        ("finetune: {revisions: first}", ["finetune.revisions is the text 'first'; it must be 'all' or 'last'"]),
        ("label: {clamp: [0.4, 1.6]}", ["label.clamp is 1.6; it must be from 0 to 1"]),
        ("label: {clamp: 0.4}", ["label.clamp is 0.4; a list"]),
        ("rl: {samples_per_prompt: 1}", ["rl.samples_per_prompt is 1; it must be at least 2"]),
        ("rl: {lora: {rnk: 8}}", ["unknown key rl.lora.rnk", "'rank'"]),
        ("rl: {lora: {rank: 0}}", ["rl.lora.rank is 0; it must be at least 1"]),
        ("rl: {lora: {dropout: 1}}", ["rl.lora.dropout is 1; it must be from 0 to 0.9"]),
        ("rl: {lora: {target_modules: all}}", ["rl.lora.target_modules is the text 'all'; a list"]),
        ("rl: {lora: true}", ["rl.lora is `true`; a mapping"]),
        ("models: {batch_size: 0}", ["models.batch_size is 0; it must be at least 1"]),
        ("num_prompts: 0", ["num_prompts is 0; it must be at least 1"]),
        ("seed: -1", ["seed is -1; it must be at least 0"]),
        ("feedback_model: 3", ["feedback_model is 3; a list"]),
        ("feedback_model: ''", ["feedback_model cannot be loaded: '' names no model"]),
        ("feedback_model: {dtype: auto}", ["feedback_model.name is missing; add it"]),
        ("feedback_model: {name: a, dtyp: auto}", ["unknown key feedback_model.dtyp; did you mean 'dtype'"]),
        ("feedback_model: {name: a, batch_size: 0}", ["feedback_model.batch_size is 0; it must be at least 1"]),
        ("feedback_model: {name: a, batch_size: '8'}", ["feedback_model.batch_size is the text '8'; a whole number"]),
        ("feedback_model: {name: a, dtype: int4}", ["feedback_model.dtype is the text 'int4'; it must be 'auto'"]),
        ("feedback_model: [b, {name: a, dtype: 4}]", ["feedback_model[2].dtype is 4; it must be 'auto'"]),
        ("feedback_model: {name: a, form: chat}", ["a has no option form; there are batch_size"]),
        ("feedback_model: {name: 'openai:http://h/v1#m', dtype: auto}", ["has no option dtype; there are concurrency"]),
        ("feedback_model: {name: a.b:C, batch_size: 2}", ["a.b:C has no option batch_size; there are options"]),
        ("base_model: {name: 'openai:http://h/v1#m', adapter: b}", ["as a model of its own: give the name"]),
        ("base_model: {name: a.b:C, adapter: b}", ["a class of your own is given what it takes by `options`"]),
        ("base_model: [a]", ["base_model is [\"a\"]; give the name of a model, or a mapping"]),
        ("base_model: llama:8b", ["base_model cannot be loaded: llama:8b: there is no backend 'llama'"]),
        ("models: {options: {a: 1}}", ["unknown key models.options"]),
        ("feedback_model: []", ["feedback_model is empty"]),
        ("feedback_model: [a, 3]", ["feedback_model[2] is 3; give the name of a model, or a mapping"]),
        ("helpful_constitution: {a: b}", ["helpful_constitution is a mapping"]),
        ("pairs: {num_responses: 1}", ["pairs.num_responses is 1; it must be at least 2"]),
        ("label: {votes: 0}", ["label.votes is 0; it must be at least 1"]),
        ("label: {keep: best}", ["label.keep is the text 'best'; it must be 'all' or 'best-worst'"]),
        ("prompts: other", ["'prompts' stands here again, after line 2"]),
    ],
)  # fmt: skip
def test_a_mistake_is_told_with_its_line_and_its_mending(tmp_path, line, words):
    told = complaint(written(tmp_path, SMALL + line + "\n"))
    assert told.startswith("recipe.yaml:4: ")
    assert [word for word in words if word not in told] == []
    assert len(told.splitlines()) == 1, told


def test_all_mistakes_are_told_at_once(tmp_path):
    told = complaint(written(tmp_path, "constitution: sandbox\nseeds: 1\nrl:\n  kl: -1\n"))
    assert [line.split(": ")[0] for line in told.splitlines()] == [
        "recipe.yaml:1", "recipe.yaml:1", "recipe.yaml:2", "recipe.yaml:4"
    ]  # fmt: skip
    assert "prompts is missing; add it" in told
    assert "helpful_model is missing; add it" in told


def test_a_missing_recipe_says_how_to_begin():
    with pytest.raises(UsageError, match="there is no such recipe; did you mean 'demo'"):
        load("demmo")


def test_scientific_notation_is_a_number(tmp_path):
    assert load(written(tmp_path, SMALL + "rl: {learning_rate: 1e-4}\n")).rl.learning_rate == 1e-4


def test_paths_are_taken_from_the_folder_of_the_recipe(tmp_path):
    (tmp_path / "weights").mkdir()
    text = "constitution: mine.yaml\nprompts: red.jsonl\nhelpful_model: weights\nfeedback_model: Qwen/Qwen3-8B\n"
    recipe = load(written(tmp_path, text + "human_comparisons: people.jsonl\n"))
    assert recipe.human_comparisons == str(tmp_path / "people.jsonl")
    assert recipe.constitution == str(tmp_path / "mine.yaml")
    assert recipe.prompts == str(tmp_path / "red.jsonl")
    assert recipe.helpful_model == named(tmp_path / "weights")
    assert recipe.feedback_model == (named("Qwen/Qwen3-8B"),)


def test_several_names_are_a_list_and_paths_among_them_are_taken_from_the_folder_of_the_recipe(tmp_path):
    (tmp_path / "weights").mkdir()
    text = (
        "pairs_model: [sl-cai, weights]\nfeedback_model: [sandbox, weights]\n"
        "feedback_constitution: [harmless, a.yaml]\n"
    )
    recipe = load(written(tmp_path, SMALL + text))
    assert recipe.pairs_model == (named("sl-cai"), named(tmp_path / "weights"))
    assert recipe.feedback_model == (named("sandbox"), named(tmp_path / "weights"))
    assert recipe.feedback_constitution == ("harmless", str(tmp_path / "a.yaml"))


def test_a_mistake_in_a_mapping_of_several_lines_is_told_with_the_line_of_its_key(tmp_path):
    told = complaint(written(tmp_path, SMALL + "feedback_model:\n  name: a\n  dtype: int4\n"))
    assert told.startswith("recipe.yaml:6: feedback_model.dtype is the text 'int4'")
    told = complaint(written(tmp_path, SMALL + "pairs_model:\n- sl-cai\n- name: a\n  bach_size: 4\n"))
    assert told.startswith("recipe.yaml:7: unknown key pairs_model[2].bach_size; did you mean 'batch_size'")


def test_options_beside_a_name_go_before_those_of_all_models(tmp_path):
    text = (
        "feedback_model: [{name: a, batch_size: 16, device: null}, b]\n"
        "models: {batch_size: 4, dtype: float16, device: cpu}\n"
    )
    recipe = load(written(tmp_path, SMALL + text))
    one, other = (model.spec(recipe.models) for model in recipe.feedback_model)
    assert one == ModelSpec("transformers", "a", {"batch_size": 16, "dtype": "float16"})
    assert other == ModelSpec("transformers", "b", {"batch_size": 4, "dtype": "float16", "device": "cpu"})
    assert NamedModel(name="a", batch_size=128) != named("a") == NamedModel(name="a")
    server = named("openai:http://h/v1#m").spec(recipe.models)
    assert server.options.keys() == {"form", "timeout", "api_key_env", "extra_body"}


def test_the_recipes_on_the_page_of_models_can_be_read(tmp_path):
    page = Path(__file__).parent.parent.parent / "docs" / "models.md"
    blocks = re.findall(r"```yaml\n(.*?)```", page.read_text(), re.DOTALL)
    assert len(blocks) > 2
    for block in blocks:
        load(written(tmp_path, block if "constitution" in block else SMALL.replace("helpful_model: sandbox\n", block)))


def test_a_path_in_a_mapping_is_taken_from_the_folder_of_the_recipe(tmp_path):
    (tmp_path / "weights").mkdir()
    (tmp_path / "lora").mkdir()
    model = "{name: weights, batch_size: 2, adapter: lora}"
    recipe = load(written(tmp_path, SMALL + f"feedback_model: [{model}, {{name: sandbox, adapter: owner/lora}}]\n"))
    first, second = recipe.feedback_model
    assert first.given == {"batch_size": 2, "adapter": str(tmp_path / "lora")}
    assert first.name == str(tmp_path / "weights")
    assert (second.name, second.given) == ("sandbox", {"adapter": "owner/lora"})
    (tmp_path / "run").mkdir()
    told = yaml.safe_load(to_yaml(recipe, folder=tmp_path / "run"))["feedback_model"]
    assert told[0] == {"name": "../weights", "batch_size": 2, "adapter": "../lora"}


def test_options_of_one_model_are_set_by_their_key_also_where_there_were_none():
    recipe = apply_settings(load("demo"), ["feedback_model.batch_size=8", "helpful_model.dtype=bfloat16"])
    assert recipe.feedback_model == (NamedModel(name="sandbox", batch_size=8),)
    recipe = apply_settings(recipe, ["feedback_model.threads=1", "helpful_model=other"])
    assert recipe.feedback_model[0].given == {"batch_size": 8, "threads": 1}
    assert recipe.helpful_model == named("other")
    with pytest.raises(UsageError, match=r"--set feedback_model\.batch_size: feedback_model has no keys"):
        apply_settings(load("demo"), ["feedback_model=[a, b]", "feedback_model.batch_size=8"])


def test_settings_change_a_recipe_and_are_read_as_yaml():
    recipe = apply_settings(load("demo"), ["label.shuffle=true", "rl.learning_rate=1e-4", "label.clamp=[0.3, 0.7]"])
    assert recipe.label.shuffle is True
    assert recipe.rl.learning_rate == 1e-4
    assert recipe.label.clamp == (0.3, 0.7)
    assert apply_settings(recipe, ["label.clamp=null"]).label.clamp is None


def test_what_is_none_by_default_can_be_set_whole_or_by_a_key(tmp_path):
    assert load(written(tmp_path, SMALL + "finetune: {lora: {}}\n")).finetune.lora == LoraConfig()
    recipe = apply_settings(
        load("demo"), ["rl.lora={}", "finetune.lora.rank=8", "finetune.lora.target_modules=[q_proj]"]
    )
    assert recipe.rl.lora == LoraConfig()
    assert recipe.finetune.lora == LoraConfig(rank=8, target_modules=("q_proj",))
    assert recipe.preference_model.lora is None


@pytest.mark.parametrize(
    ("setting", "words"),
    [
        ("label.shufle=true", "unknown key label.shufle; did you mean 'shuffle'"),
        ("lable.shuffle=true", "unknown key lable; did you mean 'label'"),
        ("label.shuffle=maybe", "label.shuffle is the text 'maybe'; `true` or `false` is needed"),
        ("label.shuffle=on", "`on` can be read as a truth value"),
        ("label.shuffle", "is no setting; write it as key=value"),
        ("label.shuffle=", "is no setting; write it as key=value"),
        ("=3", "is no setting; write it as key=value"),
        ("rl.steps=0", "rl.steps is 0; it must be at least 1"),
        ("seed.x=3", "seed has no keys"),
        ("rl.steps.x=3", "rl.steps has no keys"),
        ("label.clamp=[", "cannot be read"),
    ],
)
def test_a_wrong_setting_is_named_as_it_was_typed(setting, words):
    with pytest.raises(UsageError) as caught:
        apply_settings(load("demo"), [setting])
    assert str(caught.value).startswith("--set ")
    assert words in str(caught.value)


def test_a_seed_is_added_to_those_of_all_sections():
    recipe = settled(apply_settings(load("demo"), ["seed=5", "rl.seed=2"]))
    assert recipe.rl.seed == 7
    assert {recipe.critique.seed, recipe.label.seed, recipe.evaluate.seed} == {5}


def test_a_plain_name_stays_one_in_the_copy_and_of_a_server_is_kept_what_is_asked_of_it(tmp_path):
    text = (
        "pairs_model: [sl-cai, {name: a, batch_size: 3}]\n"
        "feedback_model: {name: 'openai:http://h/v1#m', form: chat, timeout: 5.0, api_key_env: KEY}\n"
        "base_model: {name: 'openai:http://h/v1#m', concurrency: 3}\n"
    )
    told = yaml.safe_load(to_yaml(load(written(tmp_path, SMALL + text)), folder=tmp_path))
    assert told["helpful_model"] == "sandbox"
    assert told["pairs_model"] == ["sl-cai", {"name": "a", "batch_size": 3}]
    assert told["feedback_model"] == {"name": "openai:http://h/v1#m", "form": "chat"}
    assert told["base_model"] == "openai:http://h/v1#m"


def test_the_copy_in_a_run_folder_is_a_recipe_that_gives_the_same_run(tmp_path):
    for name in ("mine.yaml", "one.yaml", "two.yaml"):
        (tmp_path / name).write_text("anything")
    (tmp_path / "red.jsonl").write_text("{}")
    (tmp_path / "weights").mkdir()
    text = (
        "constitution: mine.yaml\nprompts: red.jsonl\nhelpful_model: sandbox\nseed: 3\n"
        "feedback_model: [{name: weights, dtype: float16}, sandbox]\n"
        "feedback_constitution: [mine.yaml, harmless, one.yaml]\n"
        "helpful_constitution: two.yaml\n"
    )
    recipe = load(written(tmp_path, text))
    run = tmp_path / "runs" / "one"
    run.mkdir(parents=True)
    (run / "recipe.yaml").write_text(to_yaml(recipe, folder=run))
    again = load(run / "recipe.yaml")
    assert again.constitution == str(run / "constitution.yaml")
    assert again.feedback_constitution == (again.constitution, "harmless", str(run / "feedback_constitution-3.yaml"))
    assert again.helpful_constitution == (str(run / "helpful_constitution.yaml"),)
    assert Path(again.prompts).resolve() == tmp_path / "red.jsonl"
    assert again.feedback_model[0].given == {"dtype": "float16"}
    assert Path(again.feedback_model[0].name).resolve() == tmp_path / "weights"
    elsewhere = dict.fromkeys(("constitution", "prompts", "feedback_model", *LABELLED_BY))
    assert again.model_copy(update=elsewhere) == recipe.model_copy(update=elsewhere)
    assert list(copies_of(recipe).values()) == [
        "constitution.yaml",
        "feedback_constitution-2.yaml",
        "feedback_constitution-3.yaml",
        "helpful_constitution.yaml",
    ]
