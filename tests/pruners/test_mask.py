from fractions import Fraction

import pytest
import torch

from pruners import Mask, kept_count
from pruners.mask import SCOPES


def scores(seed=0, **shapes):
    draw = torch.Generator().manual_seed(seed)
    return {name: torch.randn(shape, dtype=torch.float64, generator=draw) for name, shape in shapes.items()}


@pytest.mark.parametrize(
    ("total", "sparsity", "kept"),
    [(28800, "0.9", 2880), (28800, "0.5", 14400), (1001, "0.97", 30), (1000, "0.99", 10), (5, "0.5", 2), (10, "0", 10)],
)
def test_kept_count_is_exact_decimal_arithmetic(total, sparsity, kept):
    assert kept_count(total, sparsity) == kept


@pytest.mark.parametrize("scope", SCOPES)
@pytest.mark.parametrize("sparsity", ["0.5", "0.9", "0.97", "0.99"])
def test_masks_keep_exactly_what_was_asked(scope, sparsity):
    values = scores(a=(7, 3, 3, 3), b=(11, 7, 3, 3), c=(2, 11, 1, 1))
    keep = kept_count(sum(v.numel() for v in values.values()), sparsity)
    assert Mask.from_scores(values, keep, scope).kept == keep


def test_global_scope_keeps_the_highest():
    values = {"a": torch.tensor([1.0, 5.0, 3.0]), "b": torch.tensor([4.0, 2.0])}
    mask = Mask.from_scores(values, 2)
    assert mask["a"].tolist() == [False, True, False]
    assert mask["b"].tolist() == [True, False]


def test_ties_go_to_the_first():
    mask = Mask.from_scores({"a": torch.ones(4), "b": torch.ones(4)}, 5)
    assert mask["a"].all()
    assert mask["b"].tolist() == [True, False, False, False]


def test_layer_wise_counts_by_largest_remainder():
    values = scores(a=(10,), b=(7,), c=(3,))
    mask = Mask.from_scores(values, 9, "layer-wise")
    # shares 4.5, 3.15, 1.35: the one missing goes to the largest remainder
    assert [int(mask[name].sum()) for name in "abc"] == [5, 3, 1]


def test_erk_gives_small_layers_more_and_fills_them_first():
    values = scores(wide=(16, 16, 3, 3), narrow=(2, 4, 1, 1))
    mask = Mask.from_scores(values, 400, "erk")
    # shares ∝ 38 and 8 of 400 exceed the 8 weights of `narrow`, which is filled
    assert Fraction(400 * 8, 46) > 8
    assert int(mask["narrow"].sum()) == 8
    assert int(mask["wide"].sum()) == 392


def test_within_only_removes():
    values = scores(a=(6, 6), b=(5,))
    first = Mask.from_scores(values, 20)
    second = Mask.from_scores(scores(1, a=(6, 6), b=(5,)), 10, within=first)
    assert second.kept == 10
    assert all((second[name] <= first[name]).all() for name in second)


def test_bad_scores_are_refused():
    values = scores(a=(4,))
    with pytest.raises(ValueError, match="not finite"):
        Mask.from_scores({"a": torch.tensor([1.0, float("nan")])}, 1)
    with pytest.raises(ValueError, match="cannot keep"):
        Mask.from_scores(values, 5)
    with pytest.raises(ValueError, match="unknown scope"):
        Mask.from_scores(values, 2, "everywhere")
    with pytest.raises(ValueError, match="different weights"):
        Mask.from_scores(values, 2, within=Mask.full(scores(b=(4,))))
    with pytest.raises(ValueError, match="not bool"):
        Mask({"a": torch.ones(3)})


def test_apply_zeroes_exactly_and_checks_names():
    mask = Mask({"a": torch.tensor([True, False])})
    weights = {"a": torch.tensor([1.0, float("inf")])}
    mask.apply_(weights)
    assert weights["a"].tolist() == [1.0, 0.0]
    with pytest.raises(ValueError, match="fits no weight"):
        mask.apply_({"a": torch.ones(3)})


def test_a_mask_is_a_value():
    tensor = torch.tensor([True, False, True])
    mask = Mask({"a": tensor})
    tensor[:] = False
    assert mask.kept == 2
    same, other = Mask({"a": torch.tensor([True, False, True])}), Mask({"a": torch.tensor([True, True, False])})
    assert mask == same
    assert hash(mask) == hash(same)
    assert mask != other
    assert mask.density == pytest.approx(2 / 3)
    assert Mask({"a": torch.ones(2, 3, dtype=torch.bool)}) != Mask({"a": torch.ones(3, 2, dtype=torch.bool)})
