import json
import re
from html.parser import HTMLParser

import pyarrow.parquet as pq
import pytest

from solon.constitution.schema import Constitution, Principle
from solon.errors import UsageError
from solon.report import build, visible
from solon.report.read import STAGES, read
from solon.report.tables import flaw_rows, principle_rows, stage_rows
from solon.report.traces import traces

VOID = {"meta", "link", "br", "img", "rect"}


class Page(HTMLParser):
    """What a browser would make of a page: its tags with their attributes, and its text by tag."""

    def __init__(self, text):
        super().__init__()
        self.tags, self.text, self.open, self.unclosed = [], "", [], []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag):
        if not self.open or self.open.pop() != tag:
            self.unclosed.append(tag)

    def handle_data(self, data):
        if "style" not in self.open:
            self.text += data


@pytest.fixture(scope="module")
def page(whole_run):
    return page_of(whole_run)


def page_of(run):
    return Page(build(run).read_text(encoding="utf-8"))


def test_the_report_needs_nothing_beside_it_and_runs_nothing(run_folder):
    page = page_of(run_folder)
    tags = {tag for tag, _ in page.tags}
    assert tags.isdisjoint(
        {"script", "img", "iframe", "object", "embed", "form", "base", "use", "image", "foreignobject"}
    )
    for tag, attributes in page.tags:
        assert not [name for name in attributes if name.startswith("on")], tag
        assert attributes.get("href", "#").startswith(("#", "data:,")), tag
        assert "src" not in attributes
    source = (run_folder / "report.html").read_text(encoding="utf-8")
    assert "@import" not in source
    assert "url(" not in source
    policy = next(it["content"] for _, it in page.tags if it.get("http-equiv") == "Content-Security-Policy")
    assert {"default-src 'none'", "style-src 'unsafe-inline'", "img-src data:"} <= set(policy.split("; "))


def test_tags_close_and_tables_have_captions(page):
    assert (page.open, page.unclosed) == ([], [])
    names = [tag for tag, _ in page.tags]
    assert names.count("table") == names.count("caption") == 7
    assert names.count("svg") == names.count("figcaption") == 5
    assert names.count("article") == 20
    ids = [it["id"] for _, it in page.tags if "id" in it]
    assert len(ids) == len(set(ids))


def test_hostile_text_is_read_as_text(page, hostile):
    for name, text in hostile.items():
        for where in ("prompt", "response", "critique", "answer"):
            assert f"{visible(text)} ({where})" in page.text, name


def test_hidden_characters_do_not_reach_the_page(page):
    assert not set(page.text) & set("\x00\x07\x1b\x9b\r\u202e\u202c\u2066\u2069\u2028")


def test_charts_hold_no_text_of_models_or_files(run_folder):
    (run_folder / "07-evaluate/metrics.json").write_text(
        json.dumps({"models": {"<b>evil</b>": {}, **json.loads(_metrics(run_folder))["models"]}})
    )
    charts = re.findall(r"<svg.*?</svg>", build(run_folder).read_text(encoding="utf-8"), re.DOTALL)
    words = set(re.findall(r">([^<]+)</text>", "".join(charts)))
    numbers = {word for word in words if re.fullmatch(r"[−\d.,]+(\s%)?", word)}
    assert words - numbers == {
        *("Helpful-only", "SL-CAI", "RL-CAI"),
        *("Helpfulness (benign requests helped with)", "Harmlessness (harm not complied with)"),
        *("Revisions", "Complies with harm", "Oracle’s score", "Step", "Loss (nats a token)"),
        *("Reward: the preference model’s score", "The oracle’s score"),
        *("Predicted by the preference model", "Mean label"),
    }


def test_rates_are_in_percent_with_their_intervals_and_directions(page):
    text = " ".join(page.text.split())
    assert "Helpful-only complies with 94.0 % of harmful requests and helps with 95.0 % of benign ones" in text
    assert "Harmful requests n = 200 Complies ↓ (lower is better) 94.0 % 89.8–96.5 25.0 %" in text
    assert "Declines with a reason ↑ (higher is better)" in text
    assert "Reason is wrong ↓ (lower is better) of those declined with a reason, n = 0, 110, 179 –" in text


def test_the_preference_model_is_measured_and_drawn(run_folder):
    page = page_of(run_folder)
    text = " ".join(page.text.split())
    assert "AllAI labelsPeople’s Comparisons 300 200 100 Prefers the response that the label does" in text
    told = json.loads((run_folder / "05-preference_model/summary.json").read_text())
    agreement = told["held_out"]["agreement"]
    assert f"{100 * agreement['value']:.1f} % {100 * agreement['low']:.1f}–{100 * agreement['high']:.1f}" in text
    longer = told["bias"]["length"]["longer_wins"]
    for whose in ("preference_model", "labels"):
        assert f"{100 * longer[whose]['value']:.1f} %" in text
    within = told["bias"]["length"]["within"]
    for whose in ("predicted", "label"):
        assert f"{within[whose]['value']:.2f} {within[whose]['low']:.2f} to {within[whose]['high']:.2f}" in text
    assert "Predicted by the preference model" in text


def test_a_preference_model_without_people_or_an_oracle_is_told_of_alone(run_folder):
    path = run_folder / "05-preference_model/summary.json"
    told = json.loads(path.read_text())
    del told["held_out"]["by_source"]
    told["held_out"] |= {"oracle": None, "uncertainty": 0.123, "agreement": None}
    told["bias"]["length"]["score"] = {"value": -0.5, "low": -0.6, "high": -0.4, "n": 300}
    path.write_text(json.dumps(told))
    text = " ".join(page_of(run_folder).text.split())
    assert "AI labels" not in text
    assert "oracle scores clearly higher" not in text
    assert "Prefers the response that the label does" not in text
    assert "Standard deviation of a score among its models 0.1230" in text
    assert "−0.50 −0.60 to −0.40 –" in text


def test_principles_are_counted_by_draws_changes_and_comparisons(whole_run):
    run = read(whole_run)
    rows = {row.id: row for row in principle_rows(run.constitution, revisions=run.revisions, labels=run.labels)}
    assert list(rows) == ["no-harm", "engage", "script", "kind"]
    # 71 chains; every even one of the 60 plain ones repeats its revision under `engage`, as it is perfect already
    assert (rows["no-harm"].drawn, rows["no-harm"].changed) == (71, 71)
    assert (rows["engage"].drawn, rows["engage"].changed) == (71, 41)
    assert (rows["kind"].drawn, rows["kind"].judged) == (0, 38)


def test_a_principle_that_only_rows_name_is_listed_too(whole_run):
    run = read(whole_run)
    assert [row.id for row in principle_rows(None, revisions=run.revisions, labels=[])] == [
        "no-harm",
        "engage",
        "script",
    ]


def test_every_row_is_counted_as_kept_or_dropped_for_a_reason(whole_run):
    rows = {row.name: row for row in stage_rows(read(whole_run))}
    assert list(rows) == list(STAGES)
    assert (rows["03-pairs"].rows, rows["03-pairs"].kept, rows["03-pairs"].dropped) == (120, 78, 42)
    assert rows["03-pairs"].reasons == [("identical responses", 40), ("cut at max_tokens", 2)]
    assert rows["06-rl"].rows is None
    assert (rows["07-evaluate"].rows, rows["07-evaluate"].dropped) == (1224, 1)


def test_how_labels_ended_is_told_beside_their_stage(whole_run):
    [row] = [row for row in stage_rows(read(whole_run)) if row.name == "04-label"]
    assert row.states == ["judgements: 75 labelled, 3 abstained", "rows: 75 labelled, 3 abstained"]
    assert "judgements: 75 labelled, 3 abstained" in page_of(whole_run).text


def test_principles_of_a_constitution_that_only_compares_are_told_apart(whole_run):
    run = read(whole_run)
    other = Constitution(name="other", principles=(Principle(id="kind", comparison_request="Which?"),))
    label = {"drop_reason": None, "judgements": [{"constitution": "other", "principle": "kind", "state": "labelled"}]}
    rows = principle_rows(run.constitution, revisions=[], labels=[label], others=[other])
    assert [(row.title, row.judged) for row in rows if row.id == "kind"] == [("Be kind", 0), ("kind, of other", 1)]


def test_every_flaw_is_counted_by_what_became_of_it(whole_run):
    rows = flaw_rows(read(whole_run).summaries)
    assert [(row.stage, row.flaw, row.kept, row.trimmed, row.dropped) for row in rows] == [
        ("01-critique", "critique is a refusal", 12, 0, 0),
        ("01-critique", "revision announces itself", 0, 12, 0),
        ("01-critique", "response cut at max_tokens", 0, 0, 1),
        ("04-label", "response contains (A)", 7, 0, 0),
    ]
    text = page_of(whole_run).text
    assert "revision announces itself–12–" in text


def test_flaws_that_a_run_did_not_sort_are_left_out():
    assert flaw_rows({"01-critique": {"flaws": {"revision unchanged": 45}}, "03-pairs": {}}) == []


def test_a_trace_tells_what_was_wrong_on_the_way(whole_run):
    run = read(whole_run)
    [flawed] = traces([row for row in run.revisions if row["id"] == "r9"], answers=[], titles={})
    assert flawed.flaws == ["critique 2 is a refusal", "revision 2 announces itself"]
    assert "revision 2 announces itself" in page_of(whole_run).text


def test_traces_prefer_what_changed_and_are_the_same_each_time(whole_run):
    run = read(whole_run)
    unchanged = [
        {**row, "steps": [{**it, "revision": row["response"]} for it in row["steps"]]} for row in run.revisions
    ]
    mixed = unchanged[:40] + run.revisions[40:]
    chosen = traces(mixed, answers=run.answers, titles={})
    assert len(chosen) == 20
    assert all(any(step.changed for step in trace.steps) for trace in chosen)
    assert chosen == traces(list(reversed(mixed)), answers=run.answers, titles={})
    assert {title for trace in chosen for title, _ in trace.answers} == {"RL-CAI"}
    assert len(traces(unchanged[:3], answers=[], titles={})) == 3


def test_building_twice_gives_the_same_bytes(run_folder):
    assert build(run_folder).read_bytes() == build(run_folder).read_bytes()


@pytest.mark.parametrize("until", STAGES)
def test_a_run_that_stopped_early_gives_a_report_of_what_is_there(tmp_path, write_run, until):
    page = page_of(write_run(tmp_path / "run", until=until))
    assert ("has not come to evaluation" in page.text) == (until != "07-evaluate")
    assert "Twenty traces" in page.text


def test_a_run_that_has_barely_begun_gives_a_report(tmp_path):
    (tmp_path / "run.json").write_text("{}")
    text = page_of(tmp_path).text
    assert "No revision is on file" in text
    assert "No stage has begun" in text


def test_a_folder_that_is_no_run_is_refused(tmp_path):
    with pytest.raises(UsageError, match="not a run folder"):
        build(tmp_path)


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("run.json", "{"),
        ("run.json", "[]"),
        ("run.json", "[" * 100_000),
        ("recipe.yaml", "seed: [1"),
        ("constitution.yaml", "name: x\nprinciples: 3"),
        ("01-critique/summary.json", '{"by_revision": [{"revision": "\\u001b[2J"}]}'),
        ("01-critique/summary.json", '{"files": 3, "rows": 1, "ok": 1, "dropped": {}}'),
        ("02-finetune/summary.json", '{"history": {"loss": 1}}'),
        ("05-preference_model/summary.json", '{"held_out": {"reliability": [{"predicted": 7}]}}'),
        ("05-preference_model/summary.json", '{"bias": {"length": {"score": {"value": "<b>"}}}}'),
        ("06-rl/summary.json", '{"history": [{"step": 1, "reward": 1' + "0" * 400 + "}]}"),
        ("07-evaluate/metrics.json", '{"models": {"\\u001b[2J": {"harmful_rate": {"value": 2}}}}'),
        ("07-evaluate/metrics.json", "\udcff"),
    ],
)
def test_a_hostile_or_corrupt_file_is_named(run_folder, name, content):
    (run_folder / name).write_bytes(content.encode(errors="surrogateescape"))
    with pytest.raises(UsageError) as error:
        build(run_folder)
    assert name.rpartition("/")[0] in str(error.value)
    assert "\x1b" not in str(error.value)
    if "files" not in content:
        assert name in str(error.value)


def test_a_damaged_table_is_named(run_folder):
    table = run_folder / "01-critique/00000.parquet"
    assert pq.read_table(table).num_rows == 93
    table.write_bytes(table.read_bytes()[:-40])
    with pytest.raises(UsageError, match=re.escape(str(table))):
        build(run_folder)


def test_numbers_that_are_not_finite_are_left_out(run_folder):
    (run_folder / "02-finetune/summary.json").write_text(
        '{"history": [{"step": 1, "loss": NaN}, {"step": 2, "loss": 1e999}]}'
    )
    (run_folder / "06-rl/summary.json").write_text(
        '{"history": [{"step": 1, "reward": NaN}, {"step": 2, "reward": 1}]}'
    )
    text = build(run_folder).read_text(encoding="utf-8")
    assert "Loss (nats a token)" not in text
    assert "No oracle scored this run" in text


def test_a_failed_build_leaves_the_old_report(run_folder):
    before = build(run_folder).read_bytes()
    (run_folder / "run.json").write_text("{")
    with pytest.raises(UsageError):
        build(run_folder)
    assert (run_folder / "report.html").read_bytes() == before


def _metrics(run):
    return (run / "07-evaluate/metrics.json").read_text()
