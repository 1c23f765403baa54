import io
import time

from rich.console import Console

from solon.cli import terminal
from solon.records import user

ROW = {
    "id": "p1",
    "prompt": [user("How?")],
    "drop_reason": None,
    "kind": "red-team",
    "response": "Sure, like this.",
    "steps": [{"principle": "no-harm", "critique": None, "revision": "No, not like this."}],
    "flaws": [],
}


def printed(text, *, colours):
    out = io.StringIO()
    Console(file=out, force_terminal=colours, color_system="standard" if colours else None).print(text, soft_wrap=True)
    return out.getvalue()


def test_changes_are_marked_where_there_are_no_colours():
    told = printed(terminal.trace(ROW, marks=True), colours=False)
    assert "Revision 1: [-Sure,-]{+No, not+} like this." in told
    assert "Critique" not in told


def test_changes_are_coloured_where_there_are():
    told = printed(terminal.trace(ROW, marks=False), colours=True)
    assert "\x1b[9;31mSure," in told
    assert "[-" not in told


def test_a_dropped_row_shows_why():
    assert "Dropped: critique 1 empty" in str(terminal.trace({**ROW, "drop_reason": "critique 1 empty"}, marks=True))


def test_the_row_shown_first_is_one_that_every_revision_changed():
    same = {**ROW, "id": "same", "steps": [{**ROW["steps"][0], "revision": ROW["response"]}]}
    helpful = {**ROW, "id": "helpful", "steps": []}
    dropped = {**ROW, "id": "dropped", "drop_reason": "empty"}
    assert terminal.most_telling([dropped, helpful, same, ROW])["id"] == "p1"
    assert terminal.most_telling([helpful, same])["id"] == "same"
    assert terminal.most_telling([helpful]) is None


def test_without_a_terminal_progress_is_a_plain_line_now_and_then(capsys, monkeypatch):
    now = iter(range(0, 1000, 2))
    monkeypatch.setattr(time, "monotonic", lambda: next(now))
    with terminal.progress() as report:
        for done in range(21):
            report("01-critique", done, 20)
        report("01-critique", 20, 20)
        report("02-finetune", 0, 0)
    assert capsys.readouterr().err.splitlines() == [
        "01-critique: begins",
        "01-critique: 5 of 20, about 30 s left",
        "01-critique: 10 of 20, about 20 s left",
        "01-critique: 15 of 20, about 10 s left",
        "01-critique: 20 of 20",
        "02-finetune: on file already",
    ]
