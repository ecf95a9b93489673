"""The contract of a pruner as checks that anybody can run: ``python -m bench check pruner NAME``."""

import shutil
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import h5py
import torch
from torch import Tensor

from architectures import architectures, build
from bench.check.killed import REMEDY, ends_elsewhere, leave_killed
from bench.stages.carry_out import advance, remember
from bench.stages.loop import Progress
from bench.store.state import StageCost, State
from bench.tracks.track import tracks
from bench.trials.plan import PlannedTrial, plan
from bench.trials.request import Request
from datasets.simulated import embedded_root
from pruners import LearnMask, Prune, PrunerEntry, Stage, Train, pruners
from pruners.granularity import granularity_of
from registries.checking import BrokenContractError, NotApplicableError, Outcome, carry_out, require

CHANNEL_SPARSITY = "0.5"
"""Whole channels of toys, of which one has to stay in each layer."""
NOWHERE = Progress(None, lambda checkpoint: None)


@dataclass(frozen=True)
class Step:
    """One stage of a trial: before, what was done, after."""

    before: State
    stage: Stage
    after: State
    cost: StageCost


@dataclass(frozen=True)
class Run:
    """A trial carried out stage by stage, without a store."""

    planned: PlannedTrial
    steps: tuple[Step, ...]

    @property
    def end(self) -> State:
        """The state after the last stage."""
        return self.steps[-1].after

    @property
    def states(self) -> tuple[State, ...]:
        """The states before, between and after the stages."""
        return (self.steps[0].before, *(step.after for step in self.steps))

    def __str__(self) -> str:
        return self.planned.resolved.trial.row


@dataclass(frozen=True)
class Subject:
    """A pruner under test, on every architecture at size ``toy`` and under every timing.

    Attributes
    ----------
    entry : PrunerEntry
    folder : Path
        For scratch.
    names : tuple of str
        Of the architectures.
    files : sequence of str, optional
        Plug-ins that another process has to load to know the entry; None if it cannot know it.
    """

    entry: PrunerEntry
    folder: Path
    names: tuple[str, ...]
    files: Sequence[str] | None = None

    @cached_property
    def runs(self) -> tuple[Run, ...]:
        """Every architecture and timing, once."""
        return tuple(self.run(name, timing) for name in self.names for timing in self.timings)

    @property
    def timings(self) -> tuple[str | None, ...]:
        """Of the entry; None for one without timing."""
        return self.entry.timings or (None,)

    def plan(self, architecture: str, timing: str | None, data: Path | None = None) -> PlannedTrial:
        """One trial, by default on the simulated data."""
        return plan(self.request(architecture, timing, data))

    def request(self, architecture: str, timing: str | None, data: Path | None = None) -> Request:
        """That of the trial."""
        return Request(
            arch=architecture,
            pruner=self.entry.name,
            timing=timing,
            sparsity=None if granularity_of(self.entry).exact else CHANNEL_SPARSITY,
            size="toy",
            device="cpu",
            data=str(data or embedded_root(tracks.get("toy").simulated()).place),
            out=str(self.folder / "out"),
        )

    def run(self, architecture: str, timing: str | None, data: Path | None = None) -> Run:
        """Carry out one trial."""
        planned = self.plan(architecture, timing, data)
        planned.set_numerics()
        state = State.of(planned.workspace.initial_model())
        visited = {0: state.weights}
        steps = []
        for stage in planned.resolved.stages:
            try:
                after, cost = advance(state, stage, planned.workspace, visited, NOWHERE)
            except Exception as error:
                raise BrokenContractError(
                    f"{planned.resolved.trial.row}, '{stage}': {type(error).__name__}: {' '.join(str(error).split())}"
                ) from error
            steps.append(Step(state, stage, after, cost))
            state = after
            remember(visited, stage, state)
        return Run(planned, tuple(steps))


def valid_scores(subject: Subject) -> None:
    """A finite score of the right shape for every prunable weight, not all zero where data are used."""
    entry = subject.entry
    if entry.score is None:
        raise NotApplicableError("a recipe gives no scores of its own")
    for name in subject.names:
        workspace = subject.plan(name, entry.timings[0]).workspace
        model = workspace.initial_model()
        mask = State.of(model).mask
        problem = workspace.problem(model, mask, "check", "scoring")
        scores = entry.score(problem)
        same = all(torch.equal(value, problem.model.state_dict()[part]) for part, value in model.state_dict().items())
        require(same, f"{name}: scoring changes the parameters of the network")
        require(isinstance(scores, dict), f"{name}: gives {type(scores).__name__}, not a dict of name and score")
        granularity = granularity_of(entry)
        shapes, things = granularity.shapes(problem.channels(), mask), granularity.scored
        missing, unknown = sorted(set(shapes) - set(scores)), sorted(set(scores) - set(shapes))
        require(not missing, f"{name}: {len(missing)} prunable {things} have no score, e.g. '{''.join(missing[:1])}'")
        require(not unknown, f"{name}: scores {len(unknown)} unknown {things}, e.g. '{''.join(unknown[:1])}'")
        for weight, score in scores.items():
            require(isinstance(score, Tensor), f"{name}: the score of '{weight}' is no tensor")
            shape, wanted = tuple(score.shape), shapes[weight]
            require(shape == wanted, f"{name}: the score of '{weight}' has shape {shape}, not {wanted}")
            require(bool(torch.isfinite(score).all()), f"{name}: the score of '{weight}' is not finite everywhere")
            require(not score.requires_grad, f"{name}: the score of '{weight}' still hangs on its graph; detach it")
        some = any(bool(score.any()) for score in scores.values())
        require(some or not entry.uses_data, f"{name}: every score is zero")


def exact_counts(subject: Subject) -> None:
    """Exactly the weights that the sparsity leaves are kept, or as many whole channels as fit into them."""
    for run in subject.runs:
        planned = run.planned
        sparsity, channels = planned.resolved.trial.sparsity, planned.workspace.channels
        fault = granularity_of(subject.entry).fault(run.end.mask, channels, sparsity)
        require(fault is None, f"{run}: keeps {fault}")


def reproducibility(subject: Subject) -> None:
    """The same seed gives the same mask and the same weights, bit for bit."""
    for run in subject.runs:
        again = subject.run(run.planned.resolved.trial.arch, run.planned.resolved.trial.timing).end
        require(again.mask == run.end.mask, f"{run}: the mask is another one the second time")
        same = all(torch.equal(again.weights[name], value) for name, value in run.end.weights.items())
        require(same, f"{run}: the weights are others the second time")


def evaluation_data(subject: Subject) -> None:
    """Other evaluation volumes change nothing: a mask never sees them."""
    root = _altered_root(subject.runs[0].planned.data.root.place, subject.folder / "altered")
    name = subject.names[0]
    for timing in subject.timings:
        run = next(r for r in subject.runs if r.planned.resolved.trial.timing == timing)
        other = subject.run(name, timing, root)
        require(other.end.mask == run.end.mask, f"{run}: the mask depends on the evaluation volumes")
        same = all(torch.equal(other.end.weights[part], value) for part, value in run.end.weights.items())
        require(same, f"{run}: the weights depend on the evaluation volumes")


def zeros(subject: Subject) -> None:
    """After every training pruned weights are exactly zero."""
    for run in subject.runs:
        for step in run.steps:
            if isinstance(step.stage, Train):
                for name, kept in step.after.mask.items():
                    left = bool(step.after.weights[name][~kept].any())
                    require(not left, f"{run}: a pruned weight of '{name}' is not zero after '{step.stage}'")


def other_parameters(subject: Subject) -> None:
    """Finding a mask of frozen weights changes no parameter, prunable or not."""
    for run in subject.runs:
        for step in run.steps:
            if isinstance(step.stage, Prune) or (isinstance(step.stage, LearnMask) and not step.stage.joint):
                before, after = step.before.weights, step.after.weights
                changed = [name for name, value in before.items() if not torch.equal(value, after[name])]
                require(not changed, f"{run}: '{step.stage}' changes '{''.join(changed[:1])}'")


def cost(subject: Subject) -> None:
    """Every training and every look at data is billed."""
    for run in subject.runs:
        for step in run.steps:
            stage, bill = step.stage, step.cost
            if isinstance(stage, Train | LearnMask):
                steps = stage.steps if isinstance(stage, LearnMask) else stage.stop - stage.start
                require(bill.steps == steps, f"{run}: '{stage}' is billed {bill.steps} steps, not {steps}")
                require(bill.macs > 0 or steps == 0, f"{run}: '{stage}' is billed nothing")
            if isinstance(stage, Prune) and pruners.get(stage.score).uses_data:
                require(bill.macs > 0, f"{run}: '{stage}' uses data (uses_data=True) and computes nothing")
            if isinstance(stage, Prune) and not pruners.get(stage.score).uses_data:
                require("overlap" not in bill.findings, f"{run}: '{stage}' draws batches and says uses_data=False")


def continuation(subject: Subject) -> None:
    """A trial that is killed and continued by another process ends in the same mask and weights, bit for bit."""
    if subject.files is None:
        raise NotApplicableError("no other process knows this entry")
    name = subject.names[0]
    runs = [run for run in subject.runs if run.planned.resolved.trial.arch == name]
    killed = [leave_killed(subject.plan(name, timing), runs[i].states) for i, timing in enumerate(subject.timings)]
    requests = [subject.request(name, timing) for timing in subject.timings]
    for run, where, end in zip(runs, killed, ends_elsewhere(requests, subject.files), strict=True):
        event = f"{run}: killed {where} and continued by another process"
        require(end.mask == run.end.mask, f"{event}, it finds another mask; {REMEDY}")
        same = all(torch.equal(end.weights[part], value) for part, value in run.end.weights.items())
        require(same, f"{event}, it ends in other weights; {REMEDY}")


CHECKS = (valid_scores, exact_counts, reproducibility, evaluation_data, zeros, other_parameters, cost, continuation)


def run_checks(entry: PrunerEntry, folder: Path, files: Sequence[str] | None = None) -> Iterator[Outcome]:
    """The outcome of each check, at the default sparsity.

    Parameters
    ----------
    entry : PrunerEntry
    folder : Path
        For scratch.
    files : sequence of str, optional
        Plug-ins that another process has to load to know the entry; None if it cannot know it.
    """
    return carry_out(CHECKS, Subject(entry, folder, tuple(_suitable(entry)), files))


def _suitable(entry: PrunerEntry) -> Iterator[str]:
    """Architectures that the pruner can prune: a network may have no channels of its own."""
    for name in architectures.names():
        try:
            suitable = granularity_of(entry).suits(build(name, "toy", torch.Generator()).networks())
        except Exception:  # somebody's architecture: the checks say what is wrong
            suitable = True
        if suitable:
            yield name


def _altered_root(place: Path, target: Path) -> Path:
    """A copy of simulated data whose evaluation volumes are others."""
    shutil.copytree(place, target)
    (target / "simulated.json").unlink(missing_ok=True)
    for file in sorted(target.glob("*/multicoil_val/*.h5")):
        with h5py.File(file, "r+") as volume:
            volume["kspace"][...] = -0.5 * volume["kspace"][()][..., ::-1]
            volume["reconstruction_rss"][...] = 0.5 * volume["reconstruction_rss"][()][..., ::-1]
    return target
