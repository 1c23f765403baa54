"""Servers on the command line: four lines of recipe, what is said of them, and no key anywhere."""

import json
from pathlib import Path

import pytest
from server import Behaviour, Said, Scripted, error

KEY = "sk-very-secret"
RECIPE = """\
constitution: harmless
prompts: red.jsonl
helpful_model: {name}
critique: {{num_revisions: 1}}
"""


@pytest.fixture
def recipe(tmp_path, monkeypatch):
    """Write a recipe of four lines for a server."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    Path("red.jsonl").write_text("".join(f'{{"id": "p{n}", "prompt": "How do I pick lock {n}?"}}\n' for n in range(4)))

    def write(server):
        Path("mine.yaml").write_text(RECIPE.format(name=server.name()))
        return "mine.yaml"

    return write


def test_four_lines_make_revisions_from_a_server(solon, recipe):
    with Scripted(Behaviour(said="Rather not")) as server:
        done = solon("run", recipe(server), "--until", "critique", "--out", "one")
        assert done.exit_code == 0, done.output
        assert json.loads(Path("one/01-critique/summary.json").read_text())["ok"] == 4
        assert "Rather not" in solon("show", "one", "critique", "p1").stdout
        whole = solon("run", "mine.yaml", "--out", "one")
    assert whole.exit_code == 2
    assert "add a `base_model` on this machine" in whole.stderr


def test_check_says_what_a_server_can_and_what_to_do_where_it_cannot(solon, recipe):
    with Scripted(Behaviour(seeds=False, continues=False)) as server:
        done = solon("check", recipe(server), "--until", "critique")
        assert done.exit_code == 0, done.output
        for words in ("context: 4096 tokens", "log-probabilities: of the 20 likeliest tokens", "continues a turn: no"):
            assert f"{server.name()}: {words}" in done.stdout
        assert f"warning: {server.name()}: seeds are ignored" in done.stdout
        told = json.loads(solon("check", "mine.yaml", "--until", "critique", "--json").stdout)
    assert told["servers"][server.name()]["system prompts"] == "yes"
    assert sorted(path.name for path in Path().iterdir()) == ["mine.yaml", "red.jsonl"]


def test_a_run_warns_of_what_a_server_cannot(solon, recipe):
    with Scripted(Behaviour(said="Rather not", seeds=False)) as server:
        done = solon("run", recipe(server), "--until", "critique", "--out", "one")
    assert "Warning: openai:http" in done.stderr
    assert "seeds are ignored" in done.stderr


def test_a_preview_shows_what_a_server_is_sent_and_says(solon, recipe):
    with Scripted(Behaviour(said="Rather not")) as server:
        done = solon("preview", recipe(server), "-n", "1")
    assert done.exit_code == 0, done.output
    for words in (
        "[user]\nHow do I pick lock 0?",
        "→ Rather not",
        "The answer is: ( …",
        "→ A 0.769",
        "Nothing was written",
    ):
        assert words in done.stdout
    assert "Trained on" not in done.stdout


def test_a_key_is_in_no_file_and_in_no_output(solon, recipe):
    said = Behaviour(said=f"Rather {KEY} not")
    replies = [said, lambda path, body: Said(error(f"Incorrect API key: {KEY}"), 401)]
    outputs = []
    for reply in replies:
        with Scripted(reply) as server:
            for command in ("check", "run"):
                out = ["--out", str(len(outputs))] if command == "run" else []
                outputs.append(solon(command, recipe(server), "--until", "critique", *out).output)
    assert "api_key_env" in outputs[-1]
    assert all(headers["authorization"] == f"Bearer {KEY}" for headers in server.headers)
    assert not any(KEY in output for output in outputs)
    files = [path for path in Path().rglob("*") if path.is_file()]
    assert len(files) > 8
    assert not any(KEY.encode() in path.read_bytes() for path in files)


@pytest.mark.parametrize("status", [401, 404])
def test_what_a_server_says_cannot_command_the_terminal(solon, recipe, status):
    with Scripted(lambda path, body: Said(error("no \x1b[31m\u202e access"), status)) as server:
        done = solon("run", recipe(server), "--until", "critique")
    assert done.exit_code == 4
    assert "no ⟨U+001B⟩[31m⟨U+202E⟩ access" in done.stderr
    assert "\x1b" not in done.output


def test_a_reason_of_a_dropped_row_cannot_either(solon, recipe):
    behaviour = Behaviour(said="Rather not")

    def reply(path, body):
        return Said(error("too \x1b[31mlong"), 400) if body.get("max_tokens") == 512 else behaviour(path, body)

    with Scripted(reply) as server:
        done = solon("run", recipe(server), "--until", "critique", "--out", "one")
    shown = solon("show", "one", "critique", "p1")
    assert "too ⟨U+001B⟩[31mlong" in shown.output
    assert "\x1b" not in done.output + shown.output


def test_budgets_stop_a_run_with_3_and_name_the_command_that_goes_on(solon, recipe, monkeypatch):
    with Scripted(Behaviour(said="Rather not")) as server:
        monkeypatch.setattr("sys.argv", ["solon", "run", "mine.yaml", "--max-tokens-total", "40"])
        done = solon("run", recipe(server), "--until", "critique", "--max-tokens-total", "40")
        assert done.exit_code == 3
        assert "--max-tokens-total is 40; a larger one goes on. No answer is lost." in done.stderr
        assert "To go on where it stopped:\n  solon run mine.yaml" in done.stderr
        done = solon("run", "mine.yaml", "--until", "critique", "--max-time", "0")
        assert done.exit_code == 3
        done = solon("run", "mine.yaml", "--until", "critique", "--max-time", "600")
        assert done.exit_code == 0, done.output
        assert done.stdout.splitlines()[-1] == "Next: solon run mine.yaml --max-time 600.0"


def test_no_server_ends_with_4_and_says_so(solon, recipe, monkeypatch):
    monkeypatch.setattr("solon.models.client.Client._wait", lambda *given: 0.0)
    with Scripted(Behaviour()) as server:
        recipe(server)
    for command in ("check", "run"):
        done = solon(command, "mine.yaml", "--until", "critique")
        assert done.exit_code == 4
        assert "is the server running?" in done.stderr


def test_check_says_what_a_stage_would_take_and_cost(solon, recipe):
    with Scripted(Behaviour(said="Rather not", tokenizes=True)) as server:
        recipe(server)
        price = ["--set", "models.price={m: {prompt: 2.5, completion: 10}}"]
        plain = solon("check", "mine.yaml", "--until", "critique").stdout
        asked = solon("check", "mine.yaml", "--until", "critique", "--ask", "2", *price)
        told = json.loads(solon("check", "mine.yaml", "--until", "critique", "--ask", "2", *price, "--json").stdout)
    assert "counted by the server's /tokenize" in plain
    assert "--ask 4 asks about 4 prompts of each kind" in plain
    assert "cost" not in plain.partition("What a run would take")[2]
    assert "≈ $0.0" in asked.stdout
    assert asked.stderr == "Asking about the first 2 prompts of each kind\n"
    (estimate,) = told["estimates"]
    assert (estimate["stage"], estimate["rows"], estimate["questions"]) == ("01-critique", 4, 12)
    assert estimate["likely"]["completion_tokens"] == 3 * 12
    assert 0 < estimate["likely"]["cost"] < estimate["most"]["cost"]


def test_lint_counts_by_a_server_that_counts_and_says_so_of_one_that_does_not(solon, recipe):
    with Scripted(Behaviour(tokenizes=True)) as server:
        recipe(server)
        fits = solon("constitution", "lint", "harmless", "--model", server.name())
        long = "".join(f"- id: p{n}\n  revision_request: {'Mend it well. ' * 1000}\n" for n in range(2))
        Path("long.yaml").write_text(f"name: long\nprinciples:\n{long}")
        over = solon("constitution", "lint", "long.yaml", "--model", server.name())
    assert fits.exit_code == 0, fits.output
    assert "cannot be known" not in fits.output
    assert "more than half of the 4,096 that the model takes" in over.stdout
    with Scripted(Behaviour(tokenizes=False)) as server:
        unknown = solon("constitution", "lint", "harmless", "--model", server.name())
    assert unknown.exit_code == 0
    assert f"warning: {server.name()}: how long prompts are for it cannot be known" in unknown.stdout
