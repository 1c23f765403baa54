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
