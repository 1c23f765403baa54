import time

from rich.console import Console

from solon.cli import terminal


def test_a_stages_flaws_stand_beside_its_drop_reasons_and_command_nothing():
    summary = {"rows": 3, "ok": 2, "dropped": {"response empty": 1}, "flaws": {"prompt contains \x1b[2J": {"kept": 1}}}
    console = Console(width=200)
    with console.capture() as told:
        console.print(terminal.stages_table({"01-critique": summary, "02-finetune": {"steps": 8}}))
    assert "1 response empty │ prompt contains ⟨U+001B⟩[2J: 1 kept" in told.get()


def test_how_labels_ended_is_counted_most_first():
    states = {"rows": {"refused": 1, "labelled": 2}, "judgements": {}}
    console = Console(width=200)
    with console.capture() as told:
        console.print(terminal.stages_table({"04-label": {"rows": 3, "ok": 2, "dropped": {}, "states": states}}))
    assert "rows: 2 labelled, 1 refused" in told.get()
    assert "judgements: none" in told.get()


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
