"""What is seen before a run."""

import shutil

import pytest

from solon import sandbox

FEW = ["-n", "2"]


def test_a_preview_shows_prompts_answers_labels_and_what_is_learned_and_writes_nothing(solon, models, tmp_path):
    done = solon("preview", "demo", *FEW)
    assert done.exit_code == 0, done.output
    for words in (
        "red-team-00000, question 1",
        "red-team-00001, question 5",
        "helpful-00000, question 1",
        "→ Answer ",
        "→ A 0.800, B 0.200 (together they have 0.900)",
        "⟦Answer ",
        "Nothing was written.",
    ):
        assert words in done.stdout, words
    assert "red-team-00002" not in done.stdout
    assert done.stdout.splitlines()[-1] == "Next: solon demo"
    assert list(tmp_path.iterdir()) == []


def test_a_preview_shows_control_tokens_of_what_is_learned(solon, models):
    told = solon("preview", "demo", "-n", "1").stdout
    assert "<|user|>" in told
    assert "<|end|>⟧" in told


def test_a_preview_shows_the_transcript_that_a_model_without_a_chat_template_learns(solon, models, tmp_path):
    shutil.copytree(sandbox.model_path(), "base")
    (tmp_path / "base" / "chat_template.jinja").unlink()
    told = solon("preview", "demo", "-n", "1", "--set", "base_model=base").stdout
    assert "\n\nAssistant:⟦ Answer " in told
    assert "<|end|>⟧" in told


def test_what_a_model_wrote_cannot_command_the_terminal_from_a_preview(solon, models):
    told = solon("preview", "demo", "-n", "1").stdout
    assert "\x1b" not in told
    assert "\u202e" not in told


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["preview", "nothing.yaml"], "there is no such recipe"),
        (["preview", "demo", "-n", "0"], "or equal to 1"),
        (["preview", "demo", "--set", "critique.flaws.cut=trim"], "critique.flaws.cut is the text 'trim'"),
        (
            ["preview", "demo", "--set", "critique.exemplars.most=0"],
            "critique.exemplars.most is 0; it must be at least 1",
        ),
    ],
)
def test_a_mistake_is_told_in_plain_words(solon, models, words, message):
    done = solon(*words)
    assert done.exit_code == 2
    assert message in done.output
