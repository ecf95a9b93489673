"""PUN-style: a learned Bernoulli mask."""

from pruners.contract import fine_tuning, recipe
from pruners.entries import TIMINGS, Plan
from pruners.stages import LearnMask, Stage, Train
from registries import RequestError


@recipe(
    timings=TIMINGS,
    version=1,
    source="our reading of the abstract of arXiv:2412.18668 and of OES (Ghosh et al. 2024, arXiv:2406.05288); the "
    "schedule of PUN is not public",
)
def pun(
    timing: str,
    plan: Plan,
    search: float = 0.5,
    temperature: float = 0.2,
    kl: float = 1.0,
    probability: float = 0.5,
    rate: float = 0.01,
    straight_through: bool = False,
) -> tuple[Stage, ...]:
    """PUN-style mask search: learn each weight's probability to be kept, keep the most probable, train them.

    Logits are learned by Adam through relaxed Bernoulli (Gumbel-sigmoid) samples of the mask; the loss is the training
    loss plus ``kl`` times the first data loss times the mean KL(Bernoulli(p) ‖ Bernoulli(density)). At-init the mask of
    the frozen θ₀ is learned, then it is trained for T; while, mask and weights are learned together until 0.75 T, the
    sample hardening into the final mask; after, the mask of the trained and frozen weights is learned, then they are
    fine-tuned for T/4.

    Parameters
    ----------
    timing : str
    plan : Plan
    search : float
        Length of the search of a frozen network, as a fraction of T (ours).
    temperature : float
        Of the relaxed samples (OES: 0.2).
    kl : float
        See above (ours; OES weighs the sum by 1e-9, which is nothing for small networks).
    probability : float
        At the start (OES: 0.5, logits of zero).
    rate : float
        Of Adam (OES: 0.01).
    straight_through : bool
        Round the samples in the forward pass (OES: soft).
    """
    for name, value, good in (
        ("search", search, search > 0),
        ("temperature", temperature, temperature > 0),
        ("kl", kl, kl >= 0),
        ("probability", probability, 0 < probability < 1),
        ("rate", rate, rate > 0),
    ):
        if not good:
            raise RequestError(f"--set pruner.{name}={value}: is out of range")
    joint = timing == "while"
    steps = plan.at(0.75) if joint else max(1, plan.at(search))
    learn = LearnMask(plan.sparsity, plan.scope, steps, joint, temperature, kl, probability, rate, straight_through)
    if joint:
        return (learn, Train(steps, plan.steps))
    if timing == "after":
        return (Train(0, plan.steps), learn, fine_tuning(plan))
    return (learn, Train(0, plan.steps))
