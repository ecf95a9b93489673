"""Crossed intervals against an independent implementation, measured coverage, ranks, Holm, robustness."""

import time
import warnings

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from leaderboards.statistics import (
    CONDITIONAL,
    effective_robustness,
    holm,
    ranks,
    sign_flips,
    two_way,
)
from leaderboards.statistics.coverage import measure_coverage


def ranks_of_scores(scores):
    def differences(others, name):
        low, high = two_way(scores[[int(other) for other in others]] - scores[int(name)]).interval()
        return list(zip(low, high, strict=True))

    return list(ranks([str(number) for number in range(len(scores))], differences).values())


def crossed(seeds, patients, of_seed=1.0, of_patient=1.0, mean=0.0, seed=0, many=()):
    draw = np.random.default_rng(seed)
    values = mean + draw.normal(size=(*many, seeds, patients))
    values += np.sqrt(of_seed) * draw.normal(size=(*many, seeds, 1))
    return values + np.sqrt(of_patient) * draw.normal(size=(*many, 1, patients))


@pytest.mark.parametrize(("seeds", "patients", "seed"), [(10, 30, 0), (5, 20, 1), (12, 40, 2)])
def test_standard_errors_equal_those_of_a_mixed_model(seeds, patients, seed):
    """Restricted maximum likelihood equals the analysis of variance on balanced data with positive components."""
    from statsmodels.regression.mixed_linear_model import MixedLM

    values = crossed(seeds, patients, seed=seed, mean=0.3)
    frame = pd.DataFrame(
        [(s, p, values[s, p], 1) for s in range(seeds) for p in range(patients)],
        columns=["seed", "patient", "y", "all"],
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model = MixedLM.from_formula(
            "y ~ 1", frame, groups="all", vc_formula={"seed": "0 + C(seed)", "patient": "0 + C(patient)"}
        )
        fitted = model.fit(reml=True, method=["lbfgs", "powell"], maxiter=2000)
    found = two_way(values)
    assert float(found.mean) == pytest.approx(fitted.fe_params.iloc[0], abs=1e-6)
    assert float(found.error) == pytest.approx(fitted.bse_fe.iloc[0], rel=1e-3)


def test_degrees_of_freedom_by_hand():
    """Two seeds, three patients: MS 6, 8 and 2 give ν = 12² / (36/1 + 64/2 + 4/2)."""
    seed, patient = np.array([[-1.0], [1.0]]), np.array([[-np.sqrt(2), 0, np.sqrt(2)]])
    residual = np.array([[1.0, -2.0, 1.0], [-1.0, 2.0, -1.0]]) / np.sqrt(3)
    values = seed + np.sqrt(2) * patient / np.sqrt(2) * np.sqrt(2) + residual
    mean = values.mean()
    squares = (
        3 * np.square(values.mean(1) - mean).sum() / 1,
        2 * np.square(values.mean(0) - mean).sum() / 2,
        np.square(values - values.mean(1, keepdims=True) - values.mean(0, keepdims=True) + mean).sum() / 2,
    )
    assert squares == pytest.approx((6, 8, 2))
    found = two_way(values)
    assert float(found.error) == pytest.approx(np.sqrt(12 / 6))
    assert float(found.freedom) == pytest.approx(144 / (36 + 32 + 2))


def test_without_variance_between_seeds_it_is_the_interval_over_patients():
    values = np.repeat(np.random.default_rng(0).normal(size=(1, 30)), 4, axis=0)
    low, high = two_way(values).interval()
    expected = stats.t.interval(0.95, 29, values[0].mean(), stats.sem(values[0]))
    assert (float(low), float(high)) == pytest.approx(expected)


def test_one_seed_and_one_patient():
    one = np.random.default_rng(0).normal(size=(1, 8))
    assert tuple(map(float, two_way(one).interval())) == pytest.approx(
        stats.t.interval(0.95, 7, one.mean(), stats.sem(one[0]))
    )
    assert tuple(map(float, two_way(one.T).interval())) == tuple(map(float, two_way(one).interval()))
    low, high = two_way([[0.3]]).interval()
    assert (float(low), float(high)) == (-np.inf, np.inf)
    assert two_way(one).wording == CONDITIONAL
    assert two_way(crossed(10, 3)).wording == "over seeds and patients"


@pytest.mark.parametrize("seeds", [1, 2, 3, 10])
def test_identical_rows_are_never_separated(seeds):
    found = two_way(np.zeros((seeds, 7)))
    low, high = found.interval()
    assert float(low) <= 0 <= float(high)
    assert float(found.p_value()) == 1
    assert ranks_of_scores(np.repeat(crossed(seeds, 7)[None], 3, axis=0)) == [1, 1, 1]


def test_missing_values_are_refused():
    values = crossed(3, 4)
    values[1, 2] = np.nan
    with pytest.raises(ValueError, match="not finite"):
        two_way(values)


@pytest.mark.parametrize(("seeds", "patients"), [(10, 30), (20, 30)])
def test_coverage_is_near_95_per_cent(seeds, patients):
    for found in measure_coverage(designs=[(seeds, patients)], repetitions=2000):
        assert 0.92 <= found.share <= 0.98, found


def test_an_interval_that_takes_all_cells_as_independent_would_not_cover():
    """The measurement can fail."""
    values = crossed(10, 30, of_seed=10, many=(500,))
    error = values.std(axis=(1, 2), ddof=1) / np.sqrt(300)
    assert np.mean(np.abs(values.mean(axis=(1, 2))) < 1.97 * error) < 0.7


def test_five_hundred_rows_are_fast():
    values = np.random.default_rng(0).normal(size=(500, 10, 10, 200))
    begun = time.monotonic()
    for _ in range(3):
        two_way(values).interval()
    assert time.monotonic() - begun < 90  # thrice the limit, for a busy machine


def test_holm_by_hand():
    assert holm([0.01, 0.04, 0.03]).tolist() == pytest.approx([0.03, 0.06, 0.06])
    assert holm([0.9, 0.8]).tolist() == [1.0, 1.0]


def test_ranks_count_the_rows_that_are_better_beyond_doubt():
    base = crossed(10, 30, seed=3)
    noise = np.random.default_rng(1).normal(scale=0.1, size=(4, 10, 30))
    scores = base + noise + np.array([0.0, 1.0, 1.0, -1.0])[:, None, None]
    assert ranks_of_scores(scores) == [3, 1, 1, 4]
    assert ranks(["a", "b"], lambda others, name: [None] * len(others)) == {"a": 1, "b": 1}


def test_effective_robustness_is_the_distance_from_the_dense_line():
    dense_inside, dense_outside = [28.0, 30.0, 32.0], [25.0, 26.0, 27.0]
    found = effective_robustness([30.0, 30.0], [26.0, 26.5], dense_inside, dense_outside)
    assert found.tolist() == pytest.approx([0.0, 0.5])
    with pytest.raises(ValueError, match="3 dense networks"):
        effective_robustness([30.0], [26.0], [28.0, 30.0], [25.0, 26.0])


def test_sign_flips():
    assert sign_flips([0.5, -0.2, 0.3, 0.0], [-0.1, -0.3, 0.2, 1.0]).tolist() == [True, False, False, False]
