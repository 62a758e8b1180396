"""What a DP-SGD training costs in privacy: its settings as the accountants take them."""

from dataclasses import dataclass

from privrob import privacy
from privrob.lab.costs import sizes
from privrob.lab.spec import DpSgd, Train
from privrob.training.loop import updates_per_epoch

DELTAS = (1e-5, 1e-6)  # the second is the paper's
PRV_UP_TO = 50.0  # numerical composition takes minutes where a budget is in the hundreds


@dataclass(frozen=True)
class Training:
    """All that a budget depends on, but delta."""

    noise_multiplier: float
    sample_rate: float
    updates: int

    def epsilon(self, *, delta: float, accountant: str) -> float:
        """The budget by one accountant, as `privacy.epsilon`."""
        return privacy.epsilon(
            noise_multiplier=self.noise_multiplier,
            sample_rate=self.sample_rate,
            updates=self.updates,
            delta=delta,
            accountant=accountant,
        )

    def prv(self, *, delta: float) -> float | None:
        """The budget by PRV; None where RDP's is above PRV_UP_TO."""
        small = self.epsilon(delta=delta, accountant="rdp") <= PRV_UP_TO
        return self.epsilon(delta=delta, accountant="prv") if small else None

    def tightest(self, *, delta: float) -> float:
        """PRV's budget, or RDP's where that would take minutes."""
        rdp = self.epsilon(delta=delta, accountant="rdp")
        return self.epsilon(delta=delta, accountant="prv") if rdp <= PRV_UP_TO else rdp


def training_of(train: Train) -> Training:
    """The settings of a spec; ValueError for one that is not trained with DP-SGD."""
    t = train.training
    if not isinstance(t, DpSgd):
        raise ValueError("SGD is not private and has no budget")
    images, _ = sizes(train.data)
    updates = t.epochs * updates_per_epoch(images, batch_size=t.batch_size)
    # A multiplier that was computed as noise / C: 1.3 however it was reached.
    return Training(round(t.noise_multiplier, 10), t.sample_rate, updates)


def delta_text(delta: float) -> str:
    """'δ = 1e‑5', unbroken."""
    return f"δ = {delta:.0e}".replace("e-0", "e\N{NON-BREAKING HYPHEN}")
