"""Every experiment in every profile, with its place in the paper: the only home of settings.

A profile says how much is computed: `paper` the paper's settings on its data, `quick` minutes on
two cores on embedded data. `live` is neither: the paper profile's own models, from the zoo,
attacked on the slice of MNIST that ships with the package.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Any

from privrob.lab import cifar, cifar_experiments, questions, song2019, song_experiments
from privrob.lab.experiment import Experiment, Family, Models, Variant
from privrob.lab.spec import Spec, Train, known, plain
from privrob.lab.trainings import (
    CANDIDATES,
    CLIP_NORMS,
    CLIPPING_ALONE,
    EITHER,
    GRID,
    LARGE_CLIP_NORMS,
    LIVE_SEED,
    MASKED,
    MORE_SEEDS,
    READINGS,
    SEEDS,
    SELECTION_SEED,
    SIGMAS,
    TABLE_2,
    Mechanism,
    control,
    pair,
    quick_control,
    quick_pair,
    quick_swept,
    swept,
)  # fmt: skip

# -- experiments --------------------------------------------------------------------------------


_PAPER = "tursynbek2020"
Base = Iterator[tuple[str, Train]]


def _base(seeds: Sequence[int]) -> Base:
    for seed in seeds:
        for reading, settings in READINGS.items():
            yield from pair(*settings, reading=reading, seed=seed).items()


def _paper(seed: int | None) -> Base:
    yield from _base(MORE_SEEDS if seed is None else (seed,))


def _quick(seed: int | None) -> Base:
    yield from quick_pair(seed=seed or 0).items()


def _live(seed: int | None) -> Base:
    yield from _paper(LIVE_SEED)


BASES: dict[str, Callable[[int | None], Base]] = {"paper": _paper, "quick": _quick, "live": _live}


def base_pairs(profile: str, seed: int | None) -> Models:
    """SGD and DP-SGD at the paper's settings, in both readings."""
    yield from (("", model, train) for model, train in BASES[profile](seed))


def _seeds(profile: str, seed: int | None, planned: tuple[int, ...] = SEEDS) -> tuple[int, ...]:
    if profile == "live":
        return (LIVE_SEED,)
    return (seed or 0,) if profile == "quick" else planned if seed is None else (seed,)


def swept_over(
    mechanisms: Sequence[Mechanism],
    *,
    quick: Sequence[Mechanism] = (),
    planned: tuple[int, ...] = SEEDS,
) -> Family:
    """DP-SGD with each of several mechanisms, in the matched reading; fewer in profile quick.

    `planned` are the seeds of profile paper.
    """

    def family(profile: str, seed: int | None) -> Models:
        small = profile == "quick"
        for s in _seeds(profile, seed, planned):
            for m in quick if small else mechanisms:
                two = quick_swept(m, seed=s) if small else swept(m, seed=s)
                yield from ((m.note, model, train) for model, train in two.items())

    return family


def both(*families: Family) -> Family:
    """The models of several families, one after the other."""

    def family(profile: str, seed: int | None) -> Models:
        for one in families:
            yield from one(profile, seed)

    return family


def controls(profile: str, seed: int | None) -> Models:
    """SGD and DP-SGD on the same images, SGD stopped when it is as accurate as DP-SGD."""
    for s in _seeds(profile, seed):
        two = quick_control(seed=s) if profile == "quick" else control(seed=s)
        yield from (("", model, train) for model, train in two.items())


def zoo_models() -> Base:
    """Zoo name and model of all whose weights are kept: the base pair in three seeds, Table 2's
    models, those whose plateau is looked into, the control, CIFAR-10's frozen features and settled
    pair and song2019's seven in one.
    """
    for model, train in _base(SEEDS):
        suffix = "" if train.reading == "literal" else f"-{train.reading}"
        yield f"{_PAPER}/{model}{suffix}", train
    for m in (*TABLE_2, *MASKED[1:]):
        name = m.note.lower().replace(", ", "-").replace(" ", "")
        yield f"{_PAPER}/dpsgd-matched-{name}", swept(m, seed=LIVE_SEED)["dpsgd"]
    for model, train in control(seed=LIVE_SEED).items():
        yield f"{_PAPER}/{model}-matched-control", train
    for name, train in cifar.zoo_models().items():
        yield f"{_PAPER}/{name}", train
    for name in song2019.NAMES:
        yield f"song2019/yale-{name}", song2019.yale(name, seed=LIVE_SEED)


@dataclass(frozen=True)
class Selection(Experiment):
    """The runs that settle the readings: every candidate on the selection seed, DP-SGD first."""

    def _variants(self, profile: str, seed: int | None) -> list[Variant]:
        """All candidates in the paper profile, none in the others; `note` names the candidate."""
        if profile != "paper":
            return []
        pairs = {
            name: pair(*settings, reading="candidate", seed=SELECTION_SEED)
            for name, settings in CANDIDATES.items()
        }
        return [
            Variant(trains[model], model, "candidate", SELECTION_SEED, name)
            for model in ("dpsgd", "sgd")
            for name, trains in pairs.items()
        ]


_NOWHERE = "not in the paper"
_ALL = (
    Selection(
        f"{_PAPER}/readings", _PAPER, "section 3",
        "Which settings reach the printed clean accuracies", questions.base, base_pairs,
    ),
    *(
        Experiment(f"{_PAPER}/{name}", _PAPER, locus, title, wrap, family)
        for name, locus, title, wrap, family in (
            ("base", "section 3, Table 2 (Baseline)", "The base pair: SGD and DP-SGD on MNIST",
             questions.base, base_pairs),
            ("fgsm", "Figure 2", "Accuracy under FGSM",
             questions.fgsm, base_pairs),
            ("pgd", "Table 1", "Accuracy under PGD",
             questions.pgd, base_pairs),
            ("corruptions", "Table 2", "Accuracy on MNIST-C",
             questions.corrupted,
             both(base_pairs, swept_over(TABLE_2, quick=TABLE_2[2:3], planned=MORE_SEEDS))),
            ("section", "Figure 1", "Cross-sections of the decision boundary",
             questions.section, base_pairs),
            ("noise", "Figure 3a", "Accuracy under FGSM, over the noise",
             questions.fgsm, swept_over(SIGMAS, quick=SIGMAS[1::2])),
            ("clip", "Figure 3b", "Accuracy under FGSM, over the clipping norm",
             questions.fgsm, swept_over(CLIP_NORMS, quick=CLIP_NORMS[::5])),
            ("clip-alone", "Figure 3c", "Accuracy under FGSM, over the clipping norm, noise fixed",
             questions.fgsm, swept_over(CLIPPING_ALONE, quick=CLIPPING_ALONE[1::4])),
            ("noise-or-clip", "Figure 3a, 3b", "Accuracy under FGSM, noise beside clipping norm",
             questions.fgsm, swept_over(EITHER)),
            ("large-clip", "Figure 7", "Accuracy under FGSM, large clipping norms",
             questions.fgsm, swept_over(LARGE_CLIP_NORMS, quick=LARGE_CLIP_NORMS[1:4:2])),
            ("steps", "Figure 4", "PGD steps until the model is fooled",
             questions.steps, base_pairs),
            ("distance", "Figure 5a, 5b; section 3.3", "Distance to the decision boundary",
             questions.distance, base_pairs),
            ("curvature", "Figure 5c; section 3.4", "Curvature of the loss in the pixels",
             questions.curvature, base_pairs),
            ("masking", "not in the paper; Figures 3b and 7", "Robustness or hidden gradients",
             questions.masking, swept_over(MASKED, quick=MASKED[:1])),
            ("logits", _NOWHERE, "Answers to the test images: classes, calibration",
             questions.logits, base_pairs),
            ("control", _NOWHERE, "SGD stopped at the accuracy of DP-SGD",
             questions.base, controls),
            ("control-fgsm", _NOWHERE, "Equally accurate models under FGSM",
             questions.fgsm, controls),
            ("control-pgd", _NOWHERE, "Equally accurate models under PGD",
             questions.pgd, controls),
            ("control-distance", _NOWHERE, "Equally accurate models, distance to the boundary",
             questions.distance, controls),
            ("control-corruptions", _NOWHERE, "Equally accurate models under MNIST-C's corruptions",
             questions.corrupted, controls),
            ("grid", "not in the paper; Figure 7", "Clipping and noise apart, under FGSM",
             questions.fgsm, swept_over(GRID, quick=())),
        )
    ),
    *cifar_experiments.EXPERIMENTS,
    *song_experiments.EXPERIMENTS,
)  # fmt: skip
EXPERIMENTS: dict[str, Experiment] = {e.name: e for e in _ALL}


def experiment(name: str) -> Experiment:
    """The experiment of that name; ValueError naming the nearest one."""
    known("experiment", name, EXPERIMENTS)
    return EXPERIMENTS[name]


def matching(pattern: str) -> list[Experiment]:
    """The experiments whose name is, or matches, `pattern` ('tursynbek2020/*'), in order."""
    found = [e for name, e in EXPERIMENTS.items() if fnmatchcase(name, pattern)]
    return found or [experiment(pattern)]


def settings(spec: Any, *, labels: bool) -> dict[str, Any]:
    """Dotted name -> value of every setting of a spec or of a part of one, in order."""
    return dict(_flat(plain(spec, labels=labels), ""))


def _flat(value: Any, prefix: str) -> Iterator[tuple[str, Any]]:
    if isinstance(value, dict):
        for name, item in value.items():
            yield from _flat(item, f"{prefix}.{name}" if prefix else name)
    else:
        yield prefix, value


def difference(paper: Spec, quick: Spec) -> list[dict[str, Any]]:
    """The settings in which two specs differ: name, paper's value, quick's value."""
    a, b = (settings(s, labels=True) for s in (paper, quick))
    return [
        {"setting": name, "paper": a.get(name), "quick": b.get(name)}
        for name in dict.fromkeys([*a, *b])
        if a.get(name) != b.get(name)
    ]
