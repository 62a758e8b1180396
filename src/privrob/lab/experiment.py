"""What an experiment is: an exhibit of a paper, the models it is about, what is asked of them."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from privrob.lab.spec import Spec, Train, known

PROFILES = ("paper", "quick", "live")


@dataclass(frozen=True)
class Variant:
    """One spec of an experiment and what tells it from the others."""

    spec: Spec
    model: str  # how it was trained: 'sgd', 'dpsgd', or a key of `song2019.NAMES'
    reading: str
    seed: int
    note: str = ""

    @property
    def train(self) -> Train:
        """The model behind it."""
        return self.spec if isinstance(self.spec, Train) else self.spec.train


Models = Iterator[tuple[str, str, Train]]  # (note, how it was trained, model)
Family = Callable[[str, int | None], Models]  # (profile, one seed or all) -> its models


@dataclass(frozen=True)
class Experiment:
    """What one exhibit of a paper needs; `wrap` makes its specs from a trained model's.

    `family` yields the models. Of tursynbek2020 they come in pairs: DP-SGD in several variants
    stands beside the same SGD.
    """

    name: str
    paper: str
    locus: str
    title: str
    wrap: Callable[[Train, str], list[tuple[str, Spec]]]  # (train, profile) -> (note, spec)
    family: Family

    def variants(
        self, profile: str, *, seed: int | None = None, models: Sequence[str] = ()
    ) -> list[Variant]:
        """All specs of a profile ('paper', 'quick' or 'live'), or those of one seed, some models.

        ValueError for a profile that does not exist and a model that this one has none of.
        """
        known("profile", profile, PROFILES)
        found = self._variants(profile, seed)
        for name in models:
            known("model", name, dict.fromkeys(v.model for v in found))
        return [v for v in found if not models or v.model in models]

    def _variants(self, profile: str, seed: int | None) -> list[Variant]:
        return [
            Variant(spec, model, train.reading, train.seed, ", ".join(filter(None, notes)))
            for of, model, train in self.family(profile, seed)
            for *notes, spec in [(of, *wrapped) for wrapped in self.wrap(train, profile)]
        ]

    @property
    def command(self) -> str:
        """How to compute it again."""
        return f"privrob run {self.name} --profile paper"
