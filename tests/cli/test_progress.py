"""How far a run is, in lines, in JSON, and on a real screen."""

import io
import json
from dataclasses import replace

import pytest
from rich.console import Console
from screen import Terminal

from solon.cli.progress import Bars, Figures, Lines, Meter, json_line, plain_line, sample
from solon.recipe.progress import Event

BEGINS = Event("01-critique", "begins", total=100, rows=20)
GOES_ON = replace(BEGINS, state="goes on")


class Clock:
    """A clock that a test sets."""

    now = 0.0

    def __call__(self):
        return self.now


@pytest.fixture
def clock():
    return Clock()


def measured(clock, events):
    """The figures after events, each with its time."""
    meter = Meter(clock)
    for clock.now, event in events:
        meter.take(event)
    return meter.figures(event)


def at(done, **known):
    return replace(GOES_ON, done=done, tokens=10 * (done - known.get("recalled", 0)), **known)


def test_time_left_is_that_of_the_questions_left_at_the_rate_so_far(clock):
    found = measured(clock, [(0, BEGINS), (10, at(0)), (14, at(20))])
    assert found == Figures(seconds=14, tokens_per_second=50, seconds_left=16)


def test_loading_the_model_does_not_count(clock):
    slow = measured(clock, [(0, BEGINS), (1000, at(0)), (1004, at(20))])
    assert slow.seconds_left == 16


def test_what_was_on_file_is_no_speed(clock):
    told = [(0, BEGINS), *((0.01 * done, at(done, recalled=done)) for done in range(1, 51)), (4.5, at(60, recalled=50))]
    found = measured(clock, told)
    assert found.seconds_left == pytest.approx(16)
    assert found.tokens_per_second == pytest.approx(25)


def test_at_the_beginning_nothing_is_foretold(clock):
    assert measured(clock, [(0, BEGINS)]).seconds_left is None
    assert measured(clock, [(0, BEGINS), (1, at(0)), (2, at(5))]).seconds_left is None


def test_only_the_last_minute_counts(clock):
    told = [(0, BEGINS), *((second, at(2 * second)) for second in range(31)), *((s, at(60 + s)) for s in range(40, 41))]
    assert measured(clock, told).seconds_left is not None
    slower = [(0, BEGINS), (0, at(0)), (1, at(40)), *((1 + 10 * n, at(40 + n)) for n in range(1, 21))]
    assert measured(clock, slower).seconds_left == pytest.approx(400)


def test_large_batches_that_come_seldom_are_a_rate_too(clock):
    told = [(0, BEGINS), (0, at(0)), (300, at(20)), (600, at(40))]
    assert measured(clock, told).seconds_left == pytest.approx(900)


def test_between_two_batches_the_time_goes_on(clock):
    meter = Meter(clock)
    for clock.now, event in [(0, BEGINS), (0, at(0)), (10, at(20)), (20, at(40))]:
        meter.take(event)
    clock.now = 25
    assert meter.figures(event).seconds_left == pytest.approx(25)


def test_a_server_that_stalls_has_more_time_left_every_minute(clock):
    meter = Meter(clock)
    for clock.now, event in [(0, BEGINS), (0, at(0)), (10, at(50))]:
        meter.take(event)
    clock.now = 100
    assert meter.figures(event).seconds_left == pytest.approx(100)


def test_a_plain_line_comes_at_the_start_the_end_and_when_it_is_time(clock, capsys):
    lines = Lines(plain_line, clock)
    lines.tick()
    lines.tell(BEGINS)
    for clock.now, done in ((10, 0), (20, 10), (30, 20)):
        lines.tell(at(done, ended=done // 5, dropped=1, in_flight=4, cost=0.01 * done))
    lines.tick()
    lines.tell(replace(at(90, ended=20, dropped=2, cost=1234.5), state="ends"))
    lines.tick()
    lines.tell(replace(BEGINS, stage="02-finetune", state="on file"))
    assert capsys.readouterr().err.splitlines() == [
        "01-critique: begins",
        "01-critique: 20 of 100 questions, 4 of 20 rows, 1 dropped, 4 in flight, 10 tokens/s, $0.2000, 1:20 left",
        "01-critique: 90 questions, 20 rows, 2 dropped, 900 tokens, $1,234.50, 0:30",
        "02-finetune: on file already",
    ]


def test_json_has_all_that_is_known_but_for_the_row(clock, capsys):
    lines = Lines(json_line, clock)
    lines.tell(BEGINS)
    lines.tell(replace(at(5), row={"prompt": "secret"}, measures={"loss": 0.5}))
    lines.tick()
    begins, goes_on = map(json.loads, capsys.readouterr().err.splitlines())
    assert begins["state"] == "begins"
    assert goes_on.keys() == {field for field in Event.__slots__ if field != "row"} | set(Figures.__annotations__)
    assert (goes_on["done"], goes_on["seconds_left"], goes_on["measures"]) == (5, None, {"loss": 0.5})


HOSTILE = "I\x1b[2J would\u202e not [bold]say[/]\n\nso " + "日本" * 300
ROW = {"prompt": [{"role": "user", "content": HOSTILE}], "response": HOSTILE, "drop_reason": None}


@pytest.mark.parametrize(
    ("row", "titles"),
    [
        (None, []),
        ({**ROW, "steps": []}, ["prompt", "answer"]),
        ({**ROW, "steps": [{"revision": HOSTILE}]}, ["prompt", "revised"]),
        ({**ROW, "responses": [HOSTILE, ""]}, ["prompt", "answer"]),
        ({**ROW, "responses": ["", HOSTILE], "probability": 0.2}, ["prompt", "p 0.80"]),
    ],
)
def test_a_row_is_shown_in_a_line_each_and_commands_nothing(row, titles):
    told = sample(row)
    assert list(told) == titles
    for text in told.values():
        assert text.isprintable()
        assert text.startswith("I⟨U+001B⟩[2J would⟨U+202E⟩ not [bold]say[/] so 日本")


@pytest.mark.parametrize("columns", [30, 40, 80, 200])
def test_a_frame_fits_the_terminal(clock, columns):
    console = Console(file=io.StringIO(), width=columns, force_terminal=True, color_system=None)
    bars = Bars(console, clock)
    bars.tell(replace(BEGINS, stage="05-preference_model"))
    event = at(50, ended=10, dropped=3, in_flight=64, cost=12.3, row={**ROW, "steps": []})
    bars.tell(replace(event, stage="05-preference_model", total=123456, measures={"loss": 0.123}))
    console.print(bars.frame())
    lines = console.file.getvalue().splitlines()
    assert all(console.measure(line).maximum <= columns for line in lines)
    assert len(lines) <= 7
    assert "[bold]say" in lines[-1] or columns <= 40
    assert "$12.30" in "\n".join(lines)


SLOW_DEMO = """
import sys, time
from solon.chains import Choice, Choose, Completion
from solon.cli import main
from solon.models.fake import Fake
from solon.recipe import comparing, paper, work

def reply(request):
    time.sleep(0.02)
    if isinstance(request, Choose):
        return Choice((0.8, 0.2), mass=0.9)
    return Completion(f"Not \\x1b[31m[bold], {{request.seed % 1000}}.", tokens=25)

work.models.load = lambda spec: Fake(reply)
paper.model_name = comparing.model_name = lambda name: name
sys.argv = ["solon", "demo", "--until", "critique", "--out", {out!r}, "--set", "num_prompts={prompts}",
            "--set", "num_helpful_prompts=2", "--set", "num_eval_prompts=2", *{words}]
main()
"""


def demo(tmp_path, *words, prompts=20):
    return SLOW_DEMO.format(out=str(tmp_path / "one"), words=list(words), prompts=prompts)


def test_a_screen_shows_a_bar_figures_and_a_row_and_then_one_line_of_the_stage(tmp_path):
    with Terminal(demo(tmp_path), columns=80) as terminal:
        terminal.until("01-critique ━.* questions ")
        assert terminal.screen.hides_cursor
        terminal.until(r"answer +Not ⟨U\+001B⟩\[31m\[bold\], \d+")
        terminal.until(r"\d tokens/s")
        assert terminal.to_its_end() == 0
    told = terminal.screen.text
    assert told.count("01-critique") == 1 + 1  # its line, and its row in the table of what is complete
    assert "01-critique: 102 questions, 22 rows, 2,550 tokens, 0:0" in told
    assert "━" not in told.replace("━━┳", "").split("stage")[0].splitlines()[1]
    assert not terminal.screen.hides_cursor
    assert terminal.screen.has_colours


def test_an_interruption_leaves_the_terminal_as_it_was_and_the_last_frame_above_the_message(tmp_path):
    with Terminal(demo(tmp_path, prompts=500), columns=80) as terminal:
        terminal.until("in flight")
        terminal.interrupt()
        assert terminal.to_its_end() == 130
    assert not terminal.screen.hides_cursor
    assert terminal.screen.column == 0
    *frame, stopped, _ = [line for line in terminal.screen.text.splitlines() if line]
    assert "in flight" in "\n".join(frame)
    assert "Stopped; no answer is lost" in stopped


def test_a_terminal_that_becomes_narrow_gets_narrow_frames(tmp_path):
    with Terminal(demo(tmp_path, prompts=500), columns=120) as terminal:
        terminal.until("01-critique ━")
        terminal.resize(40)
        terminal.until(r"01-critique \d+ % ")
        terminal.interrupt()
        terminal.to_its_end()


@pytest.mark.parametrize(("environment", "words"), [({"TERM": "dumb"}, ()), ({}, ("--progress", "plain"))])
def test_a_terminal_without_a_cursor_gets_plain_lines(tmp_path, environment, words):
    with Terminal(demo(tmp_path, *words, prompts=2), **environment) as terminal:
        assert terminal.to_its_end() == 0
    assert "01-critique: begins\n01-critique: 12 questions, 4 rows, 300 tokens" in terminal.screen.text


def test_without_colours_there_are_none(tmp_path):
    with Terminal(demo(tmp_path, prompts=2), NO_COLOR="1") as terminal:
        assert terminal.to_its_end() == 0
    assert not terminal.screen.has_colours


FEW = ["--set", "num_prompts=6", "--set", "num_helpful_prompts=2", "--until", "critique"]


def test_json_lines_are_all_there_is_of_progress_on_stderr(solon, models):
    done = solon("demo", *FEW, "--out", "one", "--progress", "json")
    folder, *lines = done.stderr.splitlines()
    told = [json.loads(line) for line in lines]
    assert folder == "Run folder: one"
    ends = [(each["state"], each["done"]) for each in told if each["state"] != "goes on"]
    assert ends == [("begins", 0), ("ends", 6 * 5 + 2)]


def test_none_says_nothing_and_bars_are_refused_where_none_can_be_drawn(solon, models):
    assert solon("demo", *FEW, "--out", "one", "--progress", "none").stderr == "Run folder: one\n"
    refused = solon("demo", *FEW, "--out", "one", "--progress", "bars")
    assert refused.exit_code == 2
    assert "--progress bars needs a terminal" in refused.stderr
    assert solon("demo", *FEW, "--progress", "baars").exit_code == 2
