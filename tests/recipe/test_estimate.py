"""What a run is said to take, beside what it takes."""

import shutil

import pytest
from server import Behaviour, Scripted

from solon import sandbox
from solon.models.counting import BY_CHARACTERS, BY_SERVER, BY_TOKENIZER, Counter, counter_of
from solon.models.load import parse
from solon.models.transformers import Transformers
from solon.recipe import STAGES, apply_settings, load, read_inputs, run, serving
from solon.recipe.estimate import estimates
from solon.records import user

FEW = ["num_prompts=8", "num_helpful_prompts=4", "num_eval_prompts=6"]


@pytest.fixture
def letters(monkeypatch):
    """Tokens are letters, and no tokenizer is looked for."""

    def count(requests):
        return [sum(len(turn["content"]) for turn in request.conversation) for request in requests], BY_CHARACTERS

    monkeypatch.setattr("solon.recipe.estimate.counter_of", lambda spec, server: Counter("chat", count))


def estimated(recipe, tmp_path, *, last=STAGES[-1], out="one", asks=None):
    servers = serving.asked(recipe, last=last, out=tmp_path / out)
    return estimates(recipe, read_inputs(recipe), last=last, out=tmp_path / out, servers=servers, asks=asks)


def taken(recipe, tmp_path, **options):
    """The last event of each stage, and the first one."""
    first, last = {}, {}

    def tell(event):
        first.setdefault(event.stage, event)
        last[event.stage] = event

    run(recipe, out=tmp_path / "one", progress=tell, **options)
    return first, last


@pytest.mark.parametrize(
    "settings",
    [
        [],
        ["label.chain_of_thought=true", "label.num_reasonings=2"],
        ["label.votes=3", "label.num_principles=2"],
        ["pairs.num_responses=3", "label.keep=best-worst"],
        ["pairs.source=revisions", "critique.num_helpful_responses=2"],
        ["feedback_model=[one, two]", "pairs_model=[sl-cai, other]"],
        ["critique.critique=false", "critique.num_revisions=3", "helpful_prompts=null"],
    ],
)
def test_questions_are_those_that_a_run_asks_at_most(tmp_path, recipe, kitchen, letters, settings):
    recipe = apply_settings(recipe, [*FEW, *settings])
    found = {each.stage: each for each in estimated(recipe, tmp_path) if each.steps is None}
    first, last = taken(recipe, tmp_path)
    assert found.keys() == {stage for stage, event in first.items() if event.unit == "questions"}
    for stage, each in found.items():
        assert (each.rows, each.questions) == (first[stage].rows, first[stage].total)
        assert each.most.completion_tokens >= last[stage].tokens
    assert sorted(path.name for path in tmp_path.iterdir()) == ["one"]


def test_an_audit_is_part_of_it(tmp_path, recipe, kitchen, letters):
    recipe = apply_settings(recipe, [*FEW, "audit.require=true", "audit.num_pairs=20"])
    audit, critique, *_ = estimated(recipe, tmp_path)
    assert (audit.stage, critique.stage) == ("00-audit", "01-critique")
    assert audit.questions >= audit.rows > 20


def test_a_stage_that_asks_nothing_takes_nothing(tmp_path, recipe, kitchen, letters):
    recipe = apply_settings(recipe, [*FEW, "pairs.source=revisions", "helpful_prompts=null"])
    pairs = {each.stage: each for each in estimated(recipe, tmp_path, asks=2)}["03-pairs"]
    assert (pairs.rows, pairs.questions, pairs.seconds, pairs.likely.prompt_tokens) == (8, 0, 0.0, 0)


def test_few_prompts_stand_for_many(tmp_path, recipe, kitchen, letters):
    found = estimated(apply_settings(recipe, ["num_prompts=900", "num_helpful_prompts=300"]), tmp_path)
    assert (found[0].rows, found[0].questions) == (1200, 900 * 5 + 300)
    assert found[0].most.completion_tokens == 64 * found[0].questions
    steps = {each.stage: (each.rows, each.steps) for each in found if each.steps is not None}
    assert steps["02-finetune"] == (2 * 900 + 300, 2 * 66)
    assert steps["05-preference_model"] == (1080, 3 * 34)
    assert steps["06-rl"] == (1200, 10)
    assert kitchen.models == []


def test_what_is_complete_is_not_estimated_again(tmp_path, recipe, kitchen, letters):
    run(recipe, out=tmp_path / "one", until="pairs")
    assert estimated(recipe, tmp_path)[0].stage == "04-label"


def test_what_models_answer_says_what_is_likely(tmp_path, recipe, kitchen, letters):
    kitchen_says = estimated(recipe, tmp_path, asks=3)[0]
    assert kitchen_says.likely.completion_tokens == 5 * kitchen_says.questions
    assert kitchen_says.likely.prompt_tokens < kitchen_says.most.prompt_tokens
    assert kitchen_says.seconds > 0
    assert sum(len(request.conversation) == 1 for request in kitchen.models[0].asked) > 3


def test_the_sandboxs_model_takes_what_was_said(tmp_path, monkeypatch):
    """Likely tokens are within a factor of 1.5 of those of a run three times as large, and no run takes the most."""
    recipe = apply_settings(load("demo"), ["num_prompts=18", "num_helpful_prompts=18"])

    def finetune(rows, *, model, out, **given):
        shutil.copytree(model, out / "model")
        return {}

    monkeypatch.setattr("solon.recipe.paper.finetune", finetune)
    found = {each.stage: each for each in estimated(recipe, tmp_path, last="04-label", asks=6)}
    answer, read = Transformers.answer, {}

    def counted(self, requests):
        encoded = [self.language.prompt(each) for each in requests]
        read[now[-1]] = read.get(now[-1], 0) + sum(map(len, encoded))
        return answer(self, requests)

    now, last = [], {}

    def tell(event):
        now.append(event.stage)
        last[event.stage] = event

    monkeypatch.setattr(Transformers, "answer", counted)
    run(recipe, out=tmp_path / "one", until="label", progress=tell)
    for stage in ("01-critique", "03-pairs", "04-label"):
        each = found[stage]
        assert last[stage].done <= each.questions
        assert last[stage].tokens <= each.most.completion_tokens
        assert read[stage] <= 1.25 * each.most.prompt_tokens  # prompts differ in length
        assert each.likely.prompt_tokens == pytest.approx(read[stage], rel=0.5)
        assert each.likely.completion_tokens == pytest.approx(last[stage].tokens, rel=0.5)
        assert each.counted_by == BY_TOKENIZER


SERVED = """\
constitution: harmless
prompts: red.jsonl
helpful_model: {}
models: {{price: {{m: {{prompt: 2, completion: 4}}}}}}
"""


@pytest.mark.parametrize(("tokenizes", "counted_by"), [(True, BY_SERVER), (False, BY_CHARACTERS)])
def test_a_servers_tokens_are_counted_by_it_and_paid_for(tmp_path, tokenizes, counted_by):
    (tmp_path / "red.jsonl").write_text("".join(f'{{"id": "p{n}", "prompt": "Pick lock {n}?"}}\n' for n in range(40)))
    with Scripted(Behaviour(said="Rather not", tokenizes=tokenizes)) as server:
        (tmp_path / "mine.yaml").write_text(SERVED.format(server.name()))
        mine = load(tmp_path / "mine.yaml")
        (found,) = estimated(mine, tmp_path, last="01-critique", asks=4)
        last = taken(mine, tmp_path, until="critique")[1]["01-critique"]
    assert found.counted_by == counted_by
    assert (found.rows, found.questions) == (40, 40 * 9)
    assert found.most.completion_tokens == 512 * 360
    assert found.most.cost == pytest.approx((2 * found.most.prompt_tokens + 4 * found.most.completion_tokens) / 1e6)
    assert found.likely.cost == pytest.approx(last.cost, rel=0.2)
    assert found.likely.prompt_tokens == pytest.approx(last.prompt_tokens, rel=0.2)


def test_a_model_whose_tokenizer_is_not_to_be_had_is_counted_by_characters(monkeypatch):
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    from solon.chains import Generate

    asked = [Generate([user("a" * 400)])]
    counts, counted_by = counter_of(parse("./none")).count(asked)
    assert counted_by == BY_CHARACTERS
    assert 100 <= counts[0] <= 110
    counts, counted_by = counter_of(parse(str(sandbox.model_path()))).count([Generate([user("How do I bake bread?")])])
    assert counted_by == BY_TOKENIZER
    assert 5 < counts[0] < 20
