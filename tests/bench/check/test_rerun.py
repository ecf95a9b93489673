"""Verified rows: the same weights score the same, the same seed gives the same mask; anything else is told apart."""

import pytest
import safetensors.torch

from architectures.models.modl import ChangeOf
from architectures.unet import PlainUNet
from bench.check.fields import differing_fields
from bench.check.rerun import DIFFERENT, SAME, UNKNOWN, WITHIN, plan_again, request_of, verify_run, verify_weights
from bench.cli import main
from bench.networks.trained import StoredNetwork
from bench.trials.plan import stage_keys
from bench.trials.run import run
from leaderboards.rows.rows import Condition, paired, row_of
from records.record import FILE, Record
from records.setting import trial_key
from registries import RequestError
from tests.bench.toy import toy_plan


@pytest.fixture(scope="module")
def original(tmp_path_factory, cache_root):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PUNBENCH_CACHE", str(cache_root))
        planned = toy_plan(tmp_path_factory.mktemp("out"), settings=("pruner.batches=2", "train.loss=mse"))
        return planned.folder, run(planned, False, lambda line: None)


def again(record, out):
    return plan_again(record, request_of(record, None, "cpu", str(out)))


def changed(record, change):
    content = record.to_json()
    change(content)
    return Record.of(content)


def test_the_record_plans_the_very_same_trial(original, tmp_path):
    folder, record = original
    assert again(record, tmp_path).folder.name == folder.name


def test_stored_weights_score_the_same_and_others_do_not(original, tmp_path):
    folder, record = original
    planned = again(record, tmp_path)
    assert verify_weights(record, planned, folder / "weights.safetensors").word == SAME
    weights = safetensors.torch.load_file(folder / "weights.safetensors")
    mask = safetensors.torch.load_file(folder / "mask.safetensors")
    safetensors.torch.save_file(mask, tmp_path / "mask.safetensors")
    spoiled = {name: value * 1.3 if value.ndim == 4 else value for name, value in weights.items()}
    safetensors.torch.save_file(spoiled, tmp_path / "weights.safetensors")
    assert verify_weights(record, planned, tmp_path / "weights.safetensors").word == DIFFERENT
    dense = {name: value + 1e-6 for name, value in weights.items()}
    safetensors.torch.save_file(dense, tmp_path / "weights.safetensors")
    assert "another mask" in verify_weights(record, planned, tmp_path / "weights.safetensors").lines[0]
    safetensors.torch.save_file({"a": weights.popitem()[1]}, tmp_path / "weights.safetensors")
    with pytest.raises(RequestError, match="do not hold weights and mask of"):
        verify_weights(record, planned, tmp_path / "weights.safetensors")


def test_the_same_seed_gives_the_same_and_another_mask_is_different(original, tmp_path):
    _, record = original
    planned = again(record, tmp_path)
    assert verify_run(record, planned, [record]).word == SAME
    masked = changed(record, lambda content: content["mask"].update(sha256="0" * 64))
    assert verify_run(masked, planned, [masked]).word == DIFFERENT


def test_on_other_numerics_the_seeds_of_the_row_say_what_is_within_tolerance(original, tmp_path):
    _, record = original

    def elsewhere(shift, seed=0, relative=None):
        def change(content):
            content["trial"]["seed"] = seed
            content["provenance"]["numerics"]["torch"] = "another"
            content["mask"]["sha256"] = "0" * 64
            content["cost"]["relative"] = relative or content["cost"]["relative"]
            for row in content["volumes"]:
                row["psnr"] += shift
            for found in content["metrics"].values():
                found["psnr"] += shift

        return changed(record, change)

    planned = again(record, tmp_path)
    near, far = ([elsewhere(d + 0.1 * seed, seed) for seed in (1, 2, 3)] for d in (-0.2, 5.0))
    for one, seeds, word, because in (
        (elsewhere(0.02), near, WITHIN, "both lie inside"),
        (elsewhere(3.0), near, DIFFERENT, "the record lies outside the interval"),
        (elsewhere(3.0), [*near, elsewhere(3.0)], DIFFERENT, "the record lies outside the interval"),
        (elsewhere(0.02), far, DIFFERENT, "run again, it lies outside the interval"),
        (elsewhere(0.02), [*near[:2], elsewhere(0.02)], UNKNOWN, "it takes 3 further seeds"),
        (elsewhere(0.02, relative=0.1), near, DIFFERENT, "whatever the numerics are: cost.relative"),
    ):
        verdict = verify_run(one, planned, seeds)
        assert (verdict.word, because in verdict.lines[-1]) == (word, True), verdict


def test_what_this_suite_would_do_otherwise_is_refused(original, tmp_path):
    _, record = original
    other = record.to_json()
    other["provenance"]["data"]["identity"] = "another"
    with pytest.raises(RequestError, match=r"another trial than that of the record \(data\.identity another / "):
        again(Record.of(other), tmp_path)


def test_the_command_verifies_a_record_and_ends_in_one_line_without_one(original, tmp_path, capsys):
    folder, _ = original
    assert main(["verify", str(folder), "--device", "cpu", "--out", str(tmp_path / "out")]) == 0
    assert capsys.readouterr().out.strip().endswith("verdict: same")
    assert main(["verify", str(folder / FILE), "--rerun", "--device", "cpu", "--out", str(tmp_path / "out")]) == 0
    assert "mask: the same" in capsys.readouterr().out
    assert main(["verify", "modl/snip/at-init/0.9", "--records", str(folder.parent), "--seed", "5"]) == 2
    assert main(["verify", "modl/grasp/at-init/0.9", "--records", str(folder.parent)]) == 2
    errors = capsys.readouterr().err.splitlines()
    assert len([line for line in errors if line.startswith("bench:")]) == 2


def test_a_variant_of_a_network_is_recorded_loaded_again_and_kept_apart(tmp_path):
    settings = ("init=torch", "arch.residual=true", "arch.fixed_lambda=true")
    plain, changed = (toy_plan(tmp_path / "o", arch="modl-unet", pruner="dense", settings=s) for s in ((), settings))
    first, second = (run(planned, False, lambda text: None) for planned in (plain, changed))
    assert first.trial.resolved.init == "normal-0.02"
    assert first.trial.resolved.variant == {}
    assert second.trial.resolved.init == "torch"
    assert second.trial.resolved.variant["options"] == {"residual": True, "fixed_lambda": True}
    assert stage_keys(plain) != stage_keys(changed)
    assert again(second, tmp_path / "p").folder.name == changed.folder.name
    stored = StoredNetwork.of(changed.folder)
    assert isinstance(stored.model.denoiser, PlainUNet)
    assert isinstance(StoredNetwork.of(plain.folder).model.denoiser, ChangeOf)
    row, other = (row_of([record], record.row, "here") for record in (first, second))
    assert other.name == "modl-unet/dense@arch.fixed_lambda=true,arch.residual=true,init=torch"
    with pytest.raises(RequestError, match="cannot be paired: variant"):
        paired(row, other, Condition("knee"), "psnr")
    old = first.to_json()
    del old["trial"]["resolved"]["init"], old["trial"]["resolved"]["variant"]
    assert trial_key(Record.of(old)) == trial_key(first) != trial_key(second)
    unnamed = second.to_json()
    del unnamed["trial"]["settings"]
    assert trial_key(Record.of(unnamed)) == trial_key(second)
    with pytest.raises(RequestError, match=r"'log_lambda' is -2\.99.*, and fixed at -2\.30"):
        toy_plan(
            tmp_path / "q",
            arch="modl-unet",
            pruner="magnitude",
            timing="after",
            settings=(*settings, "arch.initial_lambda=0.1"),
            dense_weights=str(changed.folder / "weights.safetensors"),
        )


def leaves(value, path=()):
    """Every value of a record with the keys that lead to it."""
    parts = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, part in parts:
        yield from leaves(part, (*path, key))
    if not isinstance(value, dict | list):
        yield path, value


def edited(content, path, value):
    place = content
    for key in path[:-1]:
        place = place[key]
    place[path[-1]] = value
    return content


def another(value):
    if isinstance(value, bool):
        return not value
    if isinstance(value, int):
        return value + 1
    if isinstance(value, float):
        return value * 1.05 + 0.02
    return "another" if isinstance(value, str) else 1.5


UNSEEN = (
    *("seconds", "reused", "latency_ms", "peak_memory_mb"),
    *("git", "dirty", "sources", "date", "device", "versions", "seeds"),
)
"""What differs from run to run or machine to machine, and says so on no board but as such."""


@pytest.mark.parametrize("arguments", [{}, {"pruner": "pun", "shifts": ("noise-20",)}])
def test_every_edit_of_a_field_is_noticed(tmp_path, arguments):
    """By the validation of records, by the plan, or by the comparison with the trial run again."""
    first = run(toy_plan(tmp_path / "a", **arguments), False, lambda line: None)
    planned = plan_again(first, request_of(first, None, "cpu", str(tmp_path / "b")))
    genuine = run(planned, True, lambda line: None)
    assert list(differing_fields(first, genuine)) == []
    known = trial_key(first)
    missed, tried = [], 0
    for path, value in leaves(first.to_json()):
        if set(path) & set(UNSEEN) and path[0] in ("cost", "provenance"):
            continue
        if path[:2] == ("provenance", "numerics") or path == ("reason",):
            continue  # where it ran; no reason of what is ok
        if path[:2] == ("provenance", "data") and path[2] not in ("kind", "identity"):
            continue  # counts of what the identity is of
        tried += 1
        try:
            record = Record.of(edited(first.to_json(), path, another(value)))
        except RequestError:
            continue
        if (record.row, trial_key(record)) == (first.row, known) and not list(differing_fields(record, genuine)):
            missed.append(path)
    assert tried > 300
    assert missed == []


def test_the_verdict_on_stored_weights_names_the_first_field_that_differs(original, tmp_path):
    folder, record = original
    planned = again(record, tmp_path)
    for change, words in (
        (lambda c: c["baselines"]["cg_sense"]["knee"].update(hfen=0.9), "baselines.cg_sense.knee.hfen"),
        (lambda c: c["cost"]["macs"].update(kept=1), "cost.macs.kept"),
        (lambda c: c["cost"].update(relative=0.5), "cost.relative"),
        (lambda c: c["mask"].update(seen="nothing"), "mask.seen"),
    ):
        verdict = verify_weights(changed(record, change), planned, folder / "weights.safetensors")
        assert verdict.word == DIFFERENT
        assert any(line.startswith(f"differs in {words}") for line in verdict.lines), (words, verdict.lines)
