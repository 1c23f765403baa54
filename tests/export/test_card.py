"""The data set for the Hub: `datasets` reads it as a folder, and no text in it breaks its card."""

import re

import pytest
import yaml
from datasets import load_dataset
from huggingface_hub import DatasetCard
from small_run import CONSTITUTION, RECIPE

from solon.export import export
from solon.export.card import fence, span

BREAKING = """name: "kind ``` </code><script>"
# ````````
# ---
description: |
  ```
  # not a heading
  <img src=x>
principles:
- id: kind
  critique_request: Is it kind?
  revision_request: Make it `kind`.
  comparison_request: Which is kinder?
  source: {work: "a `work` | <b>", licence: CC0-1.0}
"""


def card(written, **given):
    return (export(written(**given), to="hub").out / "README.md").read_text(encoding="utf-8")


def test_datasets_reads_every_part_of_the_folder(written, tmp_path):
    exported = export(written(), to="hub")
    for data in exported.data:
        split = "test" if data.name == "responses" else "train"
        read = load_dataset(str(exported.out), data.name, split=split, cache_dir=str(tmp_path / "cache"))
        given = [{**dict.fromkeys(read.column_names), **row} for row in data.rows]
        assert list(read) == given
    assert load_dataset(str(exported.out), split="train", cache_dir=str(tmp_path / "cache")).num_rows == 10


def test_the_card_counts_rows_and_gives_the_reasons_for_what_is_left_out(written):
    text = card(written)
    assert "- **`ai_preferences`**, 3 rows from the 6 of `04-label`." in text
    assert "  - left out: 1, `abstained: the options have a mass of N, under N`" in text
    assert "- Answers, criticises and revises: `owner/helpful`" in text


def test_models_are_named_without_the_folders_of_this_machine(written, tmp_path):
    (tmp_path / "weights").mkdir()
    weights = tmp_path / "weights"
    models = f"helpful_model: {{name: {weights}, adapter: owner/lora}}\npairs_model: [sl-cai, a.b:C]\n"
    text = card(written, recipe=RECIPE.replace("helpful_model: owner/helpful\n", models))
    assert "- Answers, criticises and revises: `weights` with the adapter `owner/lora`\n" in text
    assert "- Writes the pairs of responses: `sl-cai`, `a.b:C`\n" in text


def test_the_constitution_and_the_recipe_are_quoted_as_they_are(written):
    text = card(written)
    assert f"\n```yaml\n{CONSTITUTION}```\n" in text
    assert f"\n```yaml\n{RECIPE}```\n" in text


def test_a_constitution_cannot_end_its_fence(written):
    text = card(written, constitution=BREAKING)
    assert f"\n`````````yaml\n{BREAKING}`````````\n" in text
    outside = text.replace(BREAKING, "")
    for unsafe in ("<img", "# not a heading"):
        assert unsafe not in outside
    assert "under the\nconstitution ```` kind ``` </code><script> ````," in outside
    assert "- `kind`: `` a `work` | <b> ``, licence `CC0-1.0`" in outside


def test_the_front_matter_is_what_the_hub_reads(written):
    text = card(written, constitution=BREAKING)
    front = DatasetCard(text).data.to_dict()
    assert [config["config_name"] for config in front["configs"]] == [
        "sft",
        "revision_preferences",
        "ai_preferences",
        "responses",
    ]
    assert yaml.safe_load(re.match(r"---\n(.*?\n)---\n", text, re.DOTALL)[1]) == front


@pytest.mark.parametrize("text", ["plain", "`", "a ``` b", "x\n\ny", "\x1b[31m\u202e", "", "`` `"])
def test_a_span_is_one_line_that_its_text_cannot_end(text):
    told = span(text)
    ticks, inside = re.fullmatch(r"(`+)((?s:.+?))(?<!`)\1(?!`)", told).groups()
    assert ticks not in re.findall("`+", inside)
    assert "\n" not in told
    assert told.isprintable()


def test_a_fence_is_longer_than_any_run_of_backticks_in_it():
    assert fence("a", "yaml") == "```yaml\na\n```"
    assert fence("````", "") == "`````\n````\n`````"
