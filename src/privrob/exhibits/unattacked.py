"""Networks that may have a plateau and that the attacks of the masking page were not tried on."""

from privrob import plot
from privrob.exhibits.controls import NAME, diverged
from privrob.exhibits.notes import sentence
from privrob.lab import registry
from privrob.lab.markup import duration
from privrob.lab.measures.sweeps import settings
from privrob.lab.registry import Variant
from privrob.lab.run import Lab, key_of, open_store
from privrob.lab.trainings import C_PLATEAU, SIGMA

MASKING, FIGURE_7 = "tursynbek2020/masking", "tursynbek2020/large-clip"


def unattacked() -> list[Variant]:
    """DP-SGD of Figure 7's panel and of the grid's large noise, but for what is to be attacked."""
    asked = {key_of(v.train) for v in _private(MASKING)}
    noisy = [v for v in _private(NAME) if settings(v.note)["noise"] >= SIGMA * C_PLATEAU]
    others = [v for v in (*_private(FIGURE_7), *noisy) if not diverged(v)]
    return [v for v in others if key_of(v.train) not in asked]


def _private(name: str) -> list[Variant]:
    """Of the paper's profile on one seed: costs are those of a seed."""
    every = registry.experiment(name).variants("paper", seed=registry.LIVE_SEED)
    return [v for v in every if v.model == "dpsgd"]


def unattacked_told() -> plot.Figure:
    """A sentence: which these are, and what the attacks on each would cost."""
    left = [f"DP-SGD, {v.note} (about {duration(_minutes(v))} a seed)" for v in unattacked()]
    if not left:
        return sentence("Every network that may have a plateau is among those to be attacked.")
    return sentence(
        f"Not attempted, with the estimate for two CPU cores: the attacks on {'; '.join(left)}. "
        "Whether a plateau of theirs is robustness is not known."
    )


def _minutes(variant: Variant) -> float:
    """What is missing for all attacks on a model, its training where there is none included."""
    specs = [spec for _, spec in registry.experiment(MASKING).wrap(variant.train, "paper")]
    steps = Lab(open_store("paper"), on="cpu").plan(specs)
    return sum(step.minutes for step in steps if step.state == "missing")
