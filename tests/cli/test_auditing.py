import json

from solon.cli import auditing


def test_an_audit_prints_its_table_and_ends_with_exit_code_4_where_the_model_fails(solon, models):
    done = solon("judge", "audit", "sandbox", "--constitution", "sandbox", "-n", 20, "--out", "one")
    assert done.exit_code == 4
    assert "order" in done.stdout
    assert "1.00 (0.84–1.00)" in done.stdout
    assert "sandbox does not pass: order, plain" in done.stderr
    assert "solon show one audit" in done.stdout
    asked = sum(len(model.asked) for model in models)
    assert solon("judge", "audit", "sandbox", "--constitution", "sandbox", "-n", 20, "--out", "one").exit_code == 4
    assert sum(len(model.asked) for model in models) == asked
    shown = solon("show", "one", "audit")
    assert shown.exit_code == 0
    assert "/null" in shown.stdout


def test_json_is_all_that_stands_on_stdout(solon, models):
    done = solon("judge", "audit", "sandbox", "--constitution", "sandbox", "-n", 5, "--json")
    told = json.loads(done.stdout)
    assert not told["passed"]
    assert {each["name"] for each in told["findings"]} >= {"order", "plain", "null", "verdict"}
    assert told["folder"] == "runs/audit-sandbox-sandbox"


def test_a_model_that_never_prefers_the_worse_passes(solon, models, monkeypatch):
    monkeypatch.setattr(auditing.audit, "failed", lambda found: [])
    done = solon("judge", "audit", "sandbox", "--constitution", "sandbox", "-n", 5)
    assert done.exit_code == 0
    assert done.stdout.splitlines()[-1] == "Next: solon run RECIPE --set audit.require=true"


def test_what_cannot_be_audited_is_told(solon, models, tmp_path):
    (tmp_path / "sl.yaml").write_text("name: sl\nprinciples:\n- id: a\n  revision_request: Rewrite it.\n")
    done = solon("judge", "audit", "sandbox", "--constitution", "sl.yaml")
    assert done.exit_code == 2
    assert "No principle of sl.yaml has a comparison_request" in done.stderr
    done = solon("judge", "audit", "sandbox", "--pairs", "nothing.jsonl")
    assert done.exit_code == 2
    assert "nothing.jsonl" in done.stderr
    assert not (tmp_path / "runs").exists()


def test_a_run_shows_its_audit(solon, models):
    few = ["--set", "num_prompts=6", "--set", "num_helpful_prompts=2", "--set", "audit.num_pairs=5"]
    done = solon("demo", *few, "--set", "audit.require=true", "--out", "one")
    assert done.exit_code == 4
    assert "order: the two orders of a pair disagree" in done.stderr
    shown = solon("show", "one")
    assert "Audit of the feedback model" in shown.stdout


def test_a_run_whose_labels_may_be_noise_says_so(solon, models):
    few = ["--set", "num_prompts=40", "--set", "num_helpful_prompts=10", "--until", "label"]
    done = solon("demo", *few, "--out", "one")  # likes (A) in both orders
    assert "Warning: 04-label: the 50 labels lie 0.000 from one half in the mean" in done.stderr
    assert "solon judge audit" in done.stderr
    done = solon("demo", *few, "--set", "label.both_orders=false", "--out", "two")
    assert "Warning" not in done.stderr
