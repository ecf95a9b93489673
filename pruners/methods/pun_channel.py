"""PUN-style, for channels: one learned Bernoulli gate each."""

from dataclasses import asdict
from typing import Literal

from pruners.contract import recipe
from pruners.entries import CHANNEL, TIMINGS, Plan
from pruners.methods.pun import pun
from pruners.stages import LearnChannels, LearnMask, Stage


@recipe(
    timings=TIMINGS,
    version=4,
    rounds=1,
    granularity=CHANNEL,
    source="the search of `pun` (our reading of arXiv:2412.18668 and arXiv:2406.05288) with one gate per channel: ours",
)
def pun_channel(
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
) -> tuple[Stage, ...]:
    """PUN-style search with one Bernoulli gate per channel, keep the most probable channels, train them.

    A gate multiplies what the next layers read of its channel. The divergence is from Bernoulli(q), q being the share
    of channels left when all layers lose the same share and as many weights as asked for are removed. Timings and
    options are those of `pun`.

    Parameters
    ----------
    timing : str
    plan : Plan
    search, warmup, temperature, final_temperature, kl, kl_unit, kl_over, probability, rate, straight_through
        See `pun`.
    """
    stages = pun(
        timing,
        plan,
        search,
        warmup,
        temperature,
        final_temperature,
        kl,
        kl_unit,
        kl_over,
        probability,
        rate,
        straight_through,
    )
    return tuple(LearnChannels(**asdict(stage)) if isinstance(stage, LearnMask) else stage for stage in stages)
