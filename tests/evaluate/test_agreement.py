import math

import numpy as np
import pytest

from solon.evaluate.agreement import Told, agreement, cohen, estimate, known_answers, position


def told(forward, backward, truth=1.0, group=None, mass=None):
    return Told(forward, backward, truth, object() if group is None else group, mass)


def values(found):
    return {name: figure["value"] for name, figure in found.items()}


@pytest.mark.parametrize(
    ("counts", "kappa"),
    [
        ([[20, 5], [10, 15]], 0.4),  # agreed 0.7, by chance 0.5 · 0.6 + 0.5 · 0.4
        ([[45, 15], [25, 15]], (0.6 - 0.54) / 0.46),
        ([[10, 0], [0, 30]], 1.0),
        ([[0, 10], [10, 0]], -1.0),
        ([[25, 25], [25, 25]], 0.0),
        ([[10, 0, 0], [0, 5, 5], [0, 5, 5]], (2 / 3 - 1 / 3) / (2 / 3)),  # three words, each said ten times
    ],
)
def test_kappa_is_what_one_gets_by_hand(counts, kappa):
    assert cohen(np.array(counts, dtype=float)) == pytest.approx(kappa)


def test_kappa_is_none_where_both_always_say_the_same_one_thing():
    assert math.isnan(cohen(np.array([[7.0, 0.0], [0.0, 0.0]])))
    found = agreement([told(0.9, 0.8), told(0.7, 0.6)])
    assert found["kappa_orders"] == {"value": None, "low": None, "high": None, "n": 2}


def test_a_table_of_two_orders_is_what_one_counts_by_hand():
    rows = [
        told(0.9, 0.8, 1.0),  # right twice
        told(0.9, 0.2, 1.0),  # says (A) twice: right once
        told(0.3, 0.9, 0.0),  # says (B) twice: right once
        told(0.8, 0.1, 0.0),  # says (A) twice: right once
        told(0.9, 0.7, 0.0),  # wrong twice
    ]
    found = values(agreement(rows))
    assert found["accuracy_strict"] == pytest.approx(1 / 5)
    assert found["accuracy_lenient"] == pytest.approx((1 + 0.5 + 0.5 + 0.5 + 0) / 5)
    assert found["consistency"] == pytest.approx(2 / 5)
    assert found["first_where_inconsistent"] == pytest.approx(2 / 3)
    of_first = [(0.9 + 0.2) / 2, (0.9 + 0.8) / 2, (0.3 + 0.1) / 2, (0.8 + 0.9) / 2, (0.9 + 0.3) / 2]
    assert found["first_mean"] == pytest.approx(sum(of_first) / 5)
    # Orders say 1 1, 1 2, 2 1, 1 2, 1 1: agreed 2/5, by chance 4/5 · 3/5 + 1/5 · 2/5.
    assert found["kappa_orders"] == pytest.approx((0.4 - 0.56) / 0.44)
    # Labels say 1, 1, 1, 2, 1; the truth is 1, 1, 2, 2, 2: agreed 3/5, by chance 4/5 · 2/5 + 1/5 · 3/5.
    assert found["kappa_truth"] == pytest.approx((0.6 - 0.44) / 0.56)


def test_a_judge_that_always_says_the_first_letter_is_consistent_never_and_right_half_the_time():
    found = values(agreement([told(1.0, 0.0, float(number % 2)) for number in range(40)]))
    assert (found["accuracy_strict"], found["accuracy_lenient"], found["consistency"]) == (0.0, 0.5, 0.0)
    assert (found["first_where_inconsistent"], found["first_mean"]) == (1.0, 1.0)


def test_a_verdict_that_is_a_tie_is_half_right_and_a_truth_that_is_one_counts_in_kappa_only():
    found = agreement([told(1.0, 0.5, 1.0), told(0.5, 0.5, 0.5), told(0.0, 0.0, 0.0)])
    assert found["accuracy_lenient"]["value"] == pytest.approx((0.75 + 1) / 2)
    assert found["accuracy_strict"] == pytest.approx({**found["accuracy_strict"], "value": 0.5, "n": 2})
    assert found["consistency"]["value"] == pytest.approx(2 / 3)
    assert found["kappa_truth"]["n"] == 3
    assert found["first_where_inconsistent"]["n"] == 0


def test_without_a_truth_only_the_orders_are_compared():
    found = agreement([told(0.9, 0.8, None), told(0.2, 0.7, None)])
    assert found.keys() == {"consistency", "first_where_inconsistent", "first_mean", "kappa_orders"}
    assert found["consistency"]["value"] == 0.5


def test_rows_that_were_asked_once_have_no_part_in_what_needs_both_orders():
    assert agreement([told(0.9, None)])["consistency"]["n"] == 0
    found = known_answers([told(0.9, None), told(0.2, None)])
    assert (found["consistency"]["n"], found["accuracy"]["value"], found["share_a"]["value"]) == (0, 0.5, 0.5)


def test_labels_beside_known_answers_are_what_one_counts_by_hand():
    rows = [told(0.9, 0.7, 1.0, mass=0.9), told(0.6, 0.2, 1.0, mass=0.5), told(0.5, 0.5, 0.0), told(0.1, 0.3, 0.0)]
    found = known_answers(rows)
    assert found["accuracy"]["value"] == pytest.approx((1 + 0 + 0.5 + 1) / 4)
    assert found["log_loss"]["value"] == pytest.approx(-(2 * math.log(0.8) + math.log(0.4) + math.log(0.5)) / 4)
    assert found["calibration_error"]["value"] == pytest.approx((0.2 + 0.6 + 0.5 + 0.2) / 4)
    assert (found["mass"]["value"], found["mass"]["n"]) == (pytest.approx(0.7), 2)
    assert found["share_a"]["value"] == pytest.approx((0.5 + 1 + 0.5 + 0.5) / 4)


def test_errors_of_one_bin_cancel_before_they_count():
    rows = [told(0.72, 0.72, float(number < 7)) for number in range(10)]
    assert known_answers(rows)["calibration_error"]["value"] == pytest.approx(0.02)


def test_a_label_that_is_sure_and_wrong_has_a_loss_that_is_finite():
    assert known_answers([told(1.0, 1.0, 0.0)])["log_loss"]["value"] == pytest.approx(-math.log(1e-6))


def test_pairs_of_one_group_are_drawn_together():
    alike = [told(0.9, 0.9, float(number % 2), group=number % 8) for number in range(400)]
    apart = [told(row.forward, row.backward, row.truth) for row in alike]
    wide, narrow = (known_answers(rows)["accuracy"] for rows in (alike, apart))
    assert wide["value"] == narrow["value"] == 0.5
    assert wide["high"] - wide["low"] > 4 * (narrow["high"] - narrow["low"])
    assert narrow["low"] == pytest.approx(0.451, abs=0.01)


def test_where_all_are_right_the_interval_is_of_as_many_as_there_are_groups():
    found = known_answers([told(0.9, 0.9, group=number // 5) for number in range(50)])["accuracy"]
    assert (found["value"], found["high"], found["n"]) == (1.0, pytest.approx(1.0), 50)
    assert found["low"] == pytest.approx(0.722, abs=0.001)  # Wilson, 10 of 10


def test_nothing_has_no_figure_and_the_same_seed_the_same_interval():
    nothing = {"value": None, "low": None, "high": None, "n": 0}
    assert set(map(str, position([]).values())) == {str(nothing)}
    terms, groups = np.array([[float(n % 3), 1.0] for n in range(30)]), list(range(30))
    first, again, other = (
        estimate(terms, lambda sums: sums[..., 0] / sums[..., 1], groups=groups, seed=seed) for seed in (0, 0, 1)
    )
    assert first == again != other


def test_a_label_without_a_truth_is_refused():
    with pytest.raises(ValueError, match="no truth"):
        known_answers([told(0.9, 0.9, None)])
