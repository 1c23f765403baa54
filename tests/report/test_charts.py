import subprocess
import sys
import xml.etree.ElementTree as ElementTree

import pytest

from solon.report import charts

HALF = {"value": 0.5, "low": 0.4, "high": 0.6, "n": 96}

CHARTS = {
    "one model": lambda: charts.harmlessness_and_helpfulness({"RL-CAI": (HALF, HALF)}),
    "one revision": lambda: charts.harm_after_revisions([{"revision": 0, "harmful_rate": HALF}]),
    "nothing counted once": lambda: charts.harm_after_revisions(
        [{"revision": 0, "harmful_rate": HALF, "oracle_score": None}, {"revision": 1, "harmful_rate": None}]
    ),
    "one step": lambda: charts.reward_and_score([{"step": 1, "reward": 0.5, "oracle_score": 0.5}]),
    "no oracle": lambda: charts.reward_and_score(
        [{"step": n, "reward": 0.5 * n, "oracle_score": None} for n in (1, 2)]
    ),
    "gaps": lambda: charts.loss([{"step": 1, "loss": 1.0}, {"step": 2, "loss": None}, {"step": 3, "loss": 0.5}]),
    "one comparison": lambda: charts.reliability(
        [{"predicted": 1.0, "label": {"value": 1.0, "low": 1.0, "high": 1.0, "n": 1}}]
    ),
}


@pytest.mark.parametrize("name", CHARTS)
def test_little_data_still_makes_a_chart(name):
    drawn = ElementTree.fromstring(charts.to_svg(CHARTS[name]()))
    marks = [path.get("d") for path in drawn.iter("{http://www.w3.org/2000/svg}path")]
    assert not [mark for mark in marks if mark and ("NaN" in mark or "undefined" in mark)]


def test_a_model_keeps_its_colour_whichever_others_are_there():
    alone = charts.to_svg(charts.harmlessness_and_helpfulness({"RL-CAI": (HALF, HALF)}))
    assert charts.RL in alone
    assert charts.HELPFUL not in alone


@pytest.mark.parametrize("length", [799, 10_001])
def test_a_long_history_is_thinned_and_keeps_its_last_step(length):
    history = [{"step": n, "loss": 1 / (n + 1)} for n in range(length)]
    values = charts.loss(history).to_dict()["data"]["values"]
    assert 200 < len(values) <= charts.MOST_POINTS + 1
    assert values[-1]["x"] == length - 1


def test_every_colour_of_a_chart_has_one_for_dark_pages():
    drawn = "".join(charts.to_svg(make()) for make in CHARTS.values())
    colours = {part[:7] for part in drawn.split('"') if part.startswith("#")}
    assert colours <= charts.DARK.keys()


def test_importing_the_report_draws_in_no_heavy_library():
    heavy = "{'altair', 'vl_convert', 'torch', 'transformers', 'trl', 'datasets', 'scipy', 'pandas'}"
    code = f"import sys, solon.report; print({heavy} & sys.modules.keys())"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout == "set()\n"
