import numpy as np
import pytest

from solon.evaluate.agreement import Told, agreement, cohen, known_answers


def value(figures, name):
    return figures[name]["value"]


def test_cohens_kappa_of_a_table_worked_by_hand():
    # 20 yes-yes, 5 yes-no, 10 no-yes, 15 no-no: agreed 0.70, by chance 0.50, so kappa is 0.40
    assert float(cohen(np.array([[20.0, 5.0], [10.0, 15.0]]))) == pytest.approx(0.4)
    assert np.isnan(cohen(np.array([[9.0, 0.0], [0.0, 0.0]])))


def test_figures_of_four_pairs_worked_by_hand():
    rows = [
        Told(1.0, 1.0, 1.0, "a"),  # right in both orders
        Told(0.0, 0.0, 1.0, "b"),  # wrong in both
        Told(1.0, 0.0, 1.0, "c"),  # the first shown, both times
        Told(0.0, 1.0, 0.0, "d"),  # the second shown, both times
    ]
    found = agreement(rows)
    assert value(found, "accuracy_strict") == 0.25
    assert value(found, "accuracy_lenient") == 0.5
    assert value(found, "consistency") == 0.5
    assert value(found, "first_where_inconsistent") == 0.5
    assert found["first_where_inconsistent"]["n"] == 2
    assert value(found, "first_mean") == 0.5
    assert value(found, "kappa_orders") == pytest.approx(0.0)


def test_without_a_truth_only_the_orders_are_told():
    found = agreement([Told(0.9, 0.8, None, i) for i in range(5)])
    assert "accuracy_strict" not in found
    assert value(found, "consistency") == 1


def test_a_coin_is_at_chance_and_one_who_knows_is_not():
    draw = np.random.default_rng(0)
    coin = [Told(float(draw.random()), float(draw.random()), float(i % 2), i) for i in range(400)]
    found = known_answers(coin)["accuracy"]
    assert found["low"] < 0.5 < found["high"]
    knows = [Told(0.9 if i % 2 else 0.1, 0.9 if i % 2 else 0.1, float(i % 2), i) for i in range(400)]
    assert value(known_answers(knows), "accuracy") == 1
    assert value(known_answers(knows), "log_loss") == pytest.approx(-np.log(0.9))


def test_intervals_are_over_groups():
    alone = [Told(1.0, 1.0, float(i % 3 > 0), i) for i in range(90)]
    grouped = [Told(1.0, 1.0, float(i // 10 % 3 > 0), i // 10) for i in range(90)]
    widths = [
        found["high"] - found["low"] for found in (agreement(rows)["accuracy_lenient"] for rows in (alone, grouped))
    ]
    assert widths[1] > 2 * widths[0]
