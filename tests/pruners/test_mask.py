from fractions import Fraction

import pytest
import torch

from pruners import Mask, kept_count
from pruners.controls import random_layerwise, shuffled
from pruners.mask import SCOPES, round_counts
from pruners.topology import exchanged


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


def test_rounds_fall_geometrically_and_end_exactly():
    assert round_counts(1000, 10, 1) == (10,)
    assert round_counts(1000, 10, 2) == (100, 10)
    assert round_counts(1000, 1, 3) == (100, 10, 1)
    assert round_counts(5, 0, 3)[-1] == 0
    counts = round_counts(12345, 617, 100)
    assert counts[-1] == 617
    assert list(counts) == sorted(counts, reverse=True)


def test_overlap_is_the_share_of_what_is_kept():
    first = Mask({"a": torch.tensor([True, True, False, False]), "b": torch.tensor([True, False])})
    second = Mask({"a": torch.tensor([True, False, True, False]), "b": torch.tensor([True, False])})
    assert first.overlap(second) == pytest.approx(2 / 3)
    assert first.overlap(first) == 1


@pytest.mark.parametrize("seed", range(40))
def test_any_shapes_scores_and_sparsities_keep_exact_counts(seed):
    """Ties, tiny layers, fewer kept weights than layers, masks within masks."""
    draw = torch.Generator().manual_seed(seed)

    def whole(low, high):
        return int(torch.randint(low, high, (), generator=draw))

    shapes = [(whole(1, 4), whole(1, 9), 1, whole(1, 4)) for _ in range(whole(1, 7))]
    given = {f"w{i}": torch.randint(0, 3, shape, generator=draw).float() for i, shape in enumerate(shapes)}
    total = sum(score.numel() for score in given.values())
    for scope in SCOPES:
        mask = Mask.full(given)
        for sparsity in sorted({f"0.{whole(0, 1000):03d}" for _ in range(3)}):
            keep = kept_count(total, sparsity)
            found = Mask.from_scores(given, keep, scope, within=mask)
            assert found.kept == keep
            assert all((found[name] <= mask[name]).all() for name in given)
            assert found == Mask.from_scores(given, keep, scope, within=mask)
            mask = found


@pytest.mark.parametrize("seed", range(10))
def test_controls_keep_what_they_promise(seed):
    draw = torch.Generator().manual_seed(seed)
    given = {
        "a": torch.rand(3, 5, generator=draw),
        "b": torch.rand(40, generator=draw),
        "c": torch.rand(1, generator=draw),
    }
    mask = Mask.from_scores(given, 13)
    moved = shuffled(mask, draw)
    assert {n: int(k.sum()) for n, k in moved.items()} == {n: int(k.sum()) for n, k in mask.items()}
    assert moved != mask
    spread = random_layerwise(mask, draw)
    assert spread.kept == 13
    assert abs(int(spread["b"].sum()) - 13 * 40 / 56) <= 1


@pytest.mark.parametrize("seed", range(20))
def test_exchange_keeps_the_number_in_every_layer(seed):
    draw = torch.Generator().manual_seed(seed)
    weights = {"a": torch.randn(6, 4, generator=draw), "b": torch.randn(3, generator=draw)}
    mask = Mask({n: torch.rand(w.shape, generator=draw) < 0.4 for n, w in weights.items()})
    growth = {n: torch.rand(w.shape, generator=draw) * ~mask[n] for n, w in weights.items()}  # none comes back
    found = exchanged(mask, weights, growth, 0.5)
    for name in mask:
        kept = int(mask[name].sum())
        assert int(found[name].sum()) == kept
        stayed = mask[name] & found[name]
        dropped = mask[name] & ~found[name]
        if dropped.any():
            assert weights[name][dropped].abs().max() <= weights[name][stayed].abs().min()
        grown = found[name] & ~mask[name]
        others = ~found[name] & ~mask[name]
        if grown.any() and others.any():
            assert growth[name][grown].min() >= growth[name][others].max()


def test_an_exchange_by_hand():
    mask = Mask({"a": torch.tensor([True, True, True, False, False, False])})
    weights = {"a": torch.tensor([3.0, -0.1, 2.0, 0.0, 0.0, 0.0])}
    growth = {"a": torch.tensor([9.0, 0.5, 9.0, 0.2, 0.7, 0.1])}
    assert exchanged(mask, weights, growth, 0.4)["a"].tolist() == [True, False, True, False, True, False]
