"""PUN-style: a learned Bernoulli mask."""

from decimal import Decimal
from typing import Literal

from pruners.contract import fine_tuning, recipe
from pruners.entries import TIMINGS, Plan
from pruners.stages import LearnMask, Rewind, Stage, Train
from registries import RequestError
from registries.bounds import Bounds
from registries.options import DECIMALS

TEMPERATURES = Bounds(0.001, 1000)
"""Beyond them samples are hard, or all alike."""


@recipe(
    timings=TIMINGS,
    version=4,
    rounds=1,
    source="our reading of the abstract of arXiv:2412.18668 and of OES (Ghosh et al. 2024, arXiv:2406.05288); the "
    "schedule of PUN is not public",
)
def pun(
    timing: str,
    plan: Plan,
    search: float = 0.5,
    warmup: float = 0.0,
    temperature: float = 0.2,
    final_temperature: float = 0.0,
    kl: float = 2.0,
    kl_unit: Literal["gradient", "loss"] = "gradient",
    kl_over: Literal["weights", "layers"] = "weights",
    probability: float = 0.5,
    rate: float = 0.1,
    straight_through: bool = False,
    protect_last: bool = False,
) -> tuple[Stage, ...]:
    """PUN-style mask search: learn each weight's probability to be kept, keep the most probable, train them.

    Logits are learned by Adam through relaxed Bernoulli (Gumbel-sigmoid) samples of the mask; the loss is the training
    loss plus ``kl`` times a unit times the mean KL(Bernoulli(p) ‖ Bernoulli(density)). At-init the mask of
    the frozen θ₀ is learned, then it is trained for T; while, mask and weights are learned together until 0.75 T, the
    sample hardening into the final mask; after, the mask of the trained and frozen weights is learned, then they are
    fine-tuned for T/4. In several rounds (``rounds``, not while) densities fall geometrically: each round learns
    anew within what the last one kept, and all of them share the steps of the search.

    Parameters
    ----------
    timing : str
    plan : Plan
    search : float
        Length of the search of a frozen network, as a fraction of T (ours; OES: 1.5).
    warmup : float
        Fraction of T for which the weights are trained before the search, at-init; they are rewound to θ₀ afterwards,
        and the mask has seen trained weights (ours; 0 for none).
    temperature : float
        Temperature of the relaxed samples at the start (OES: 0.2, constant).
    final_temperature : float
        Their temperature at the end; 0 for that of the start (OES).
    kl : float
        Weight of the divergence, in units of ``kl_unit`` (ours; OES weighs the sum by 1e-9, which is nothing for small
        networks).
    kl_unit : str
        Unit of ``kl``. ``gradient``: |∂loss/∂logit| summed over the logits, mean over the first ten steps, so that the
        divergence weighs the same in networks that respond to their mask strongly and weakly (ours); ``loss``: the
        first loss.
    kl_over : str
        What the divergence is a mean over. ``weights``: the divergence of each weight (OES); ``layers``: of the mean
        probability of each layer.
    probability : float
        Probability of each weight to be kept at the start (OES: 0.5, logits of zero); 0 for the density.
    rate : float
        Learning rate of the logits, by Adam (ours; OES: 0.01, for searches of many thousands of steps).
    straight_through : bool
        Round the samples in the forward pass (OES: soft).
    protect_last : bool
        Keep the last convolution of each network whole (ours).
    """
    for name, value, bounds in (
        ("search", search, Bounds(0, 100, above=True)),
        ("warmup", warmup, Bounds(0, 1, below=True)),
        ("temperature", temperature, TEMPERATURES),
        ("final_temperature", final_temperature or temperature, TEMPERATURES),
        ("kl", kl, Bounds(0, 1e6)),
        ("probability", probability, Bounds(0, 1, below=True)),
        ("rate", rate, Bounds(0, 100, above=True)),
    ):
        bounds.check(value, f"--set pruner.{name}")
    if warmup and timing != "at-init":
        raise RequestError(f"--set pruner.warmup={warmup}: belongs to timing 'at-init'; elsewhere weights are trained")

    def learn(sparsity: str, steps: int) -> LearnMask:
        return LearnMask(
            sparsity=sparsity,
            scope=plan.scope,
            steps=steps,
            joint=timing == "while",
            temperature=temperature,
            final_temperature=final_temperature or temperature,
            kl=kl,
            kl_unit=kl_unit,
            kl_over=kl_over,
            probability=probability,
            rate=rate,
            straight_through=straight_through,
            protect_last=protect_last,
        )

    if timing == "while":
        steps = plan.at(0.75)
        return (learn(plan.sparsity, steps), Train(steps, plan.steps))
    steps = max(1, plan.at(search) // plan.rounds)
    searches = [learn(sparsity, steps) for sparsity in falling(plan.sparsity, plan.rounds)]
    if timing == "after":
        return (Train(0, plan.steps), *searches, fine_tuning(plan))
    if warmup:
        return (Train(0, max(1, plan.at(warmup))), *searches, Rewind(0), Train(0, plan.steps))
    return (*searches, Train(0, plan.steps))


def falling(sparsity: str, rounds: int) -> list[str]:
    """Sparsities after each of several rounds, whose densities fall geometrically to that of the last one."""
    density = 1 - Decimal(sparsity)
    between = [1 - density ** (Decimal(r) / rounds) for r in range(1, rounds)]
    return [*(f"{round(value, DECIMALS).normalize():f}" for value in between), sparsity]
