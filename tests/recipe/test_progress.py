"""What a stage reports while it goes."""

import pytest
from server import Behaviour, Scripted

from solon.chains import Completion
from solon.errors import UsageError
from solon.recipe import apply_settings, load, run
from solon.recipe.price import Price, price_of
from solon.recipe.work import train
from solon.runs import open_run

PRICE = "models.price={m: {prompt: 100, completion: 1000000}}"


def heard(recipe, out, **options):
    events = []
    run(recipe, out=out, progress=events.append, **options)
    return events


def test_a_stage_tells_its_questions_rows_and_tokens_and_shows_a_row(tmp_path, recipe, kitchen):
    events = heard(recipe, tmp_path / "one", until="critique")
    first, last = events[0], events[-1]
    assert (first.state, first.done, first.total, first.rows) == ("begins", 0, 12 * 5 + 4, 16)
    assert (last.state, last.done, last.total, last.ended, last.dropped) == ("ends", 64, 64, 16, 0)
    assert (last.in_flight, last.tokens, last.cost) == (0, 5 * 64, None)
    assert last.row["id"].startswith("red-team-")
    between = [event for event in events if event.state == "goes on"]
    assert max(event.in_flight for event in between) == 16
    assert [event.done for event in between] == sorted(event.done for event in between)


def test_a_row_that_ends_early_takes_its_questions_off_and_is_counted_as_dropped(tmp_path, recipe, kitchen):
    kitchen.reply = lambda request: Completion("cut", "length", tokens=64)
    last = heard(recipe, tmp_path / "one", until="critique")[-1]
    assert (last.done, last.total, last.ended, last.dropped, last.row) == (16, 16, 16, 16, None)


def test_what_was_on_file_is_told_apart_and_its_tokens_are_not_counted_again(tmp_path, recipe, kitchen):
    def stop(event):
        if event.done > 20:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run(recipe, out=tmp_path / "one", until="critique", progress=stop)
    last = heard(recipe, tmp_path / "one", until="critique")[-1]
    assert last.done == 64
    assert 20 < last.recalled < 64
    assert last.tokens == 5 * (64 - last.recalled)


def test_a_training_tells_its_steps_and_how_they_go(tmp_path):
    def training(*, out, progress):
        progress(1, 2, {})
        progress(2, 2, {"loss": 0.5})
        return {}

    events = []
    with open_run(tmp_path / "run", files={}) as folder:
        train(folder, "02-finetune", {}, training, progress=events.append)
    assert [(event.state, event.unit, event.done, event.total, dict(event.measures)) for event in events] == [
        ("begins", "steps", 0, 0, {}),
        ("goes on", "steps", 1, 2, {}),
        ("goes on", "steps", 2, 2, {"loss": 0.5}),
        ("ends", "steps", 2, 2, {"loss": 0.5}),
    ]


def test_of_a_server_what_it_has_is_in_flight_and_what_it_reads_is_paid_for(tmp_path):
    (tmp_path / "red.jsonl").write_text("".join(f'{{"id": "p{n}", "prompt": "Pick lock {n}?"}}\n' for n in range(9)))
    recipe = (
        "constitution: harmless\nprompts: red.jsonl\nhelpful_model: {}\nmodels: {{concurrency: 2, price: {{{}}}}}\n"
    )
    with Scripted(Behaviour(said="Rather not")) as server:
        told = recipe.format(server.name(), "m: {prompt: 1000000, completion: 0}")
        (tmp_path / "mine.yaml").write_text(told)
        events = heard(load(tmp_path / "mine.yaml"), tmp_path / "one", until="critique")
    last = events[-1]
    assert last.cost == last.prompt_tokens > 0
    assert last.tokens == 3 * last.done
    assert 0 < max(event.in_flight for event in events) <= 2


def test_a_price_is_found_by_the_name_on_the_server_and_refused_where_it_names_no_model(recipe):
    prices = {"m": Price(1, 2)}
    assert price_of("openai:http://localhost/v1#m", prices) == Price(1, 2)
    assert price_of("m", prices) is None
    assert Price(0.15, 0.6).of(1_000_000, 500_000) == pytest.approx(0.45)
    settings = [
        "helpful_model=openai:http://localhost/v1#my-model",
        "models.price={my-modl: {prompt: 1, completion: 1}}",
    ]
    with pytest.raises(UsageError, match=r"models\.price names my-modl.*did you mean 'my-model'"):
        run(apply_settings(recipe, settings), out="nowhere", until="critique")


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ("{m: {prompt: 1}}", "models.price.m.completion is missing"),
        ("{m: {prompt: -1, completion: 1}}", "models.price.m.prompt is -1"),
        ("{m: {prompt: .inf, completion: 1}}", "models.price.m.prompt is inf"),
        ("{m: {prompt: '1', completion: 1}}", "a number is needed"),
        ("{m: {prompt: 1, completion: 1, cached: 1}}", "unknown key models.price.m.cached"),
        ("{m: 1}", "a mapping of `key: value` lines is needed"),
    ],
)
def test_a_price_that_is_none_is_refused(recipe, given, told):
    with pytest.raises(UsageError, match=told):
        apply_settings(recipe, [f"models.price={given}"])


def test_a_run_goes_on_with_another_price(tmp_path):
    (tmp_path / "red.jsonl").write_text('{"id": "p", "prompt": "Pick lock?"}\n')
    with Scripted(Behaviour(said="Rather not")) as server:
        (tmp_path / "mine.yaml").write_text(
            f"constitution: harmless\nprompts: red.jsonl\nhelpful_model: {server.name()}\n"
        )
        mine = load(tmp_path / "mine.yaml")
        assert heard(mine, tmp_path / "one", until="critique")[-1].cost is None
        again = heard(apply_settings(mine, [PRICE]), tmp_path / "one", until="critique")
    assert [event.state for event in again] == ["on file"]
