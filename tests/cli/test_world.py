import json
import re

from solon.sandbox.principles import EMPHASIZED, WORDS, Weighting, read


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


def test_the_words_are_every_item_that_a_principle_can_have(solon):
    told = solon("sandbox", "words").stdout
    lines = re.findall(r"^  (\w+): (more .+); or against it: (more .+)$", told, re.MULTILINE)
    for axis, *items in lines:
        for sign, item in (
            (sign, item) for sign, each in zip((1, -1), items, strict=True) for item in each.split(", ")
        ):
            assert read(f"Which response is {item}?") == Weighting(**{axis: sign})
    listed = {item for _, wanted, unwanted in lines for item in (wanted + ", " + unwanted).split(", ")}
    words = {word for presence, absence in WORDS.values() for word in (*presence, *absence)}
    every = {f"{degree} {word}" for degree in ("more", "less", "most", "least", "very", "not") for word in words}
    assert listed == {item for item in every if read(f"Which response is {item}?") is not None}
    assert f"weighs {EMPHASIZED} times" in told
