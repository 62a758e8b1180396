"""What membership inference asks of a model; names in `spec`."""

from dataclasses import dataclass

from privrob.lab.checks import check_eps, known, require
from privrob.lab.defence_spec import Abstract, Defended, Dual, Interval
from privrob.lab.train_spec import Data, Train

VERIFIERS = ("interval", "zonotope", "dual", "crown-interval")


@dataclass(frozen=True, kw_only=True)
class Membership:
    """What membership inference may know of one model: scores of all images of `data`.

    On the images, under PGD of `steps` steps within `eps`, and with a `verifier` ('' for none) in
    the worst case of that ball.
    """

    train: Train
    data: Data
    eps: float
    steps: int
    verifier: str

    def __post_init__(self) -> None:
        check_eps((self.eps,))
        require(self.steps >= 1, f"steps must be at least 1, got {self.steps}")
        known("verifier", self.verifier, ("", *VERIFIERS))
        t = self.train.training
        bound = isinstance(t, Defended) and isinstance(t.defence, Dual | Abstract | Interval)
        require(
            bound or not self.verifier,
            f"a verified score needs a model trained with bounds, got {self.verifier!r} of "
            f"{type(t.defence if isinstance(t, Defended) else t).__name__}",
        )


@dataclass(frozen=True, kw_only=True)
class Targeted:
    """The same by targeted PGD: an adversarial input towards each wrong label of each image."""

    train: Train
    data: Data
    eps: float
    steps: int

    def __post_init__(self) -> None:
        check_eps((self.eps,))
        require(self.steps >= 1, f"steps must be at least 1, got {self.steps}")
