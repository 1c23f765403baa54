import json

from solon.sandbox.principles import read


def test_a_sample_shows_every_way_to_respond_with_its_score(solon):
    told = json.loads(solon("sandbox", "sample", "-n", "3", "--seed", "1", "--json").stdout)
    assert [it["kind"] for it in told] == ["harmful", "look-alike", "benign"]
    scores = {answer["behaviour"]: answer["score"] for answer in told[0]["responses"]}
    assert max(scores, key=scores.__getitem__) == "engage"
    assert solon("sandbox", "sample", "--seed", "1").stdout == solon("sandbox", "sample", "--seed", "1").stdout


def test_the_words_make_principles_that_the_oracle_understands(solon):
    told = solon("sandbox", "words").stdout
    example = next(line.strip() for line in told.splitlines() if "above all more" in line)
    assert read(example) is not None
    assert "harmless" in told
