"""song2019's experiments: which of its models, and what is asked of them, in every profile.

Profile `live` has none: the data of these models are not in the package.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from functools import partial
from itertools import product

from privrob.lab import song2019 as song
from privrob.lab import song_countermeasures as against
from privrob.lab import song_large as large
from privrob.lab.experiment import Experiment, Family, Models
from privrob.lab.song_digits import digits, shadow
from privrob.lab.spec import (
    Adversarial,
    Defended,
    LeftOut,
    Masking,
    Membership,
    Spec,
    Targeted,
    Train,
)
from privrob.membership.scores import STEP_SHARE

PAPER = "song2019"
STEPS = 20  # of the evaluation attack, facts section 5
QUICK_ATTACK_STEPS = 10
SHADOW_ATTACK_STEPS = 2  # in profile quick, of models that are many
Asked = list[tuple[str, Spec]]


# -- what is asked ------------------------------------------------------------------------------


def itself(train: Train, profile: str) -> Asked:
    """The model alone."""
    return [("", train)]


def scored(train: Train, profile: str) -> Asked:
    """What membership inference may know of it, at the eps that its data set is attacked with."""
    return [("", membership(train, profile, eps=song.EPS_OF[train.data.name]))]


def scored_with_shadows(train: Train, profile: str) -> Asked:
    """The same; in profile quick by a shorter attack, as it is asked of many models."""
    ((note, spec),) = scored(train, profile)
    assert isinstance(spec, Membership)
    return [(note, replace(spec, steps=SHADOW_ATTACK_STEPS) if profile == "quick" else spec)]


def membership(train: Train, profile: str, *, eps: float) -> Membership:
    """Scores of all its training and test images at a radius, of those left out as well."""
    steps = QUICK_ATTACK_STEPS if profile == "quick" else STEPS
    verifier = song.verifier(train)
    images = train.data.whole if isinstance(train.data, LeftOut) else train.data
    return Membership(train=train, data=images, eps=eps, steps=steps, verifier=verifier)


def scored_members(train: Train, profile: str) -> Asked:
    """Scores of members and of test images, without images that were held for reference."""
    ((_, found),) = scored(train, profile)
    assert isinstance(found, Membership)
    return [("", replace(found, data=against.members(train)))]


def at_other_eps(train: Train, profile: str) -> Asked:
    """Its scores where the adversary assumes a radius, right or wrong, for that of the training."""
    own = song.EPS_OF[train.data.name]
    return [
        (f"attack eps x {factor:g}", membership(train, profile, eps=factor * own))
        for factor in OTHER_EPS
    ]


OTHER_EPS = (0.25, 0.5, 1.0, 2.0)  # times its own


def targeted(train: Train, profile: str) -> Asked:
    """Scores towards each wrong label, by the attack that its other scores have."""
    a = membership(train, profile, eps=song.EPS_OF[train.data.name])
    return [("", Targeted(train=train, data=a.data, eps=a.eps, steps=a.steps))]


def doubted(train: Train, profile: str) -> Asked:
    """Whether PGD finds what there is to find: other attacks on the first test images.

    Square Attack's first share is its authors' for large images in l_inf.
    """
    quick, own = profile == "quick", song.EPS_OF[train.data.name]
    make, steps = (song.faces, QUICK_ATTACK_STEPS) if quick else (song.yale, STEPS)
    spec = Masking(
        train=train,
        surrogate=make("natural", seed=train.seed),
        data=replace(train.data, test=30 if quick else 100),
        eps=tuple(share * own for share in DOUBTED),
        step_size=STEP_SHARE * own / steps,  # which leads across the largest radius, too
        steps=steps,
        restarts=2,
        queries=50 if quick else 500,
        first_share=0.05,
        draw=0,
    )
    return [("", spec)]


DOUBTED = (0.5, 1.0, 2.0)  # times its own radius


# -- families of models -------------------------------------------------------------------------

# Even small models take seconds each: of sweeps profile quick keeps few settings, of digits.
FEW = {
    "budgets": (song.BUDGETS[0], 1.0),
    "fractions": (0.5,),
    "widths": (0.5,),
    "shares": (0.5,),
}
ALL = {
    "budgets": song.BUDGETS,
    "fractions": song.FRACTIONS,
    "widths": song.WIDTHS,
    "shares": song.SHARES,
}
PAIR = 2  # the first two halves, which have no image in common


def _swept(profile: str, what: str) -> tuple[float, ...]:
    return (FEW if profile == "quick" else ALL)[what]


Maker = Callable[..., Train]  # (defence, seed=) -> model


def _seeds(profile: str, seed: int | None) -> tuple[int, ...]:
    if profile == "live":
        return ()
    return (seed or 0,) if profile == "quick" else song.SEEDS if seed is None else (seed,)


def _each(
    profile: str, seed: int | None, *, quick: Maker = digits
) -> Iterator[Callable[[str], Train]]:
    """For each seed: defence -> its model, of the Yale faces, in profile quick of `quick`."""
    make = quick if profile == "quick" else song.yale
    for s in _seeds(profile, seed):
        yield partial(make, seed=s)


def seven(profile: str, seed: int | None) -> Models:
    """The seven trainings of the Yale faces; in profile quick the four that drawn faces allow."""
    names = ("natural", *song.EMPIRICAL) if profile == "quick" else tuple(song.NAMES)
    for make in _each(profile, seed, quick=song.faces):
        yield from (("", name, make(name)) for name in names)


def verifiable(profile: str, seed: int | None) -> Models:
    """Natural training and the verifiable defences."""
    for make in _each(profile, seed):
        yield from (("", name, make(name)) for name in ("natural", *song.VERIFIABLE))


def base_two(profile: str, seed: int | None) -> Models:
    """Natural and PGD training."""
    for make in _each(profile, seed):
        yield from (("", name, make(name)) for name in song.HALVED)


def over_budgets(profile: str, seed: int | None) -> Models:
    """PGD training within several radii."""
    for make in _each(profile, seed):
        for share in _swept(profile, "budgets"):
            yield f"eps x {share:g}", "pgd", song.at_eps(make("pgd"), share)


def over_fractions(profile: str, seed: int | None) -> Models:
    """PGD training of a fraction of each batch."""
    for make in _each(profile, seed):
        yield "fraction 0", "natural", make("natural")
        for fraction in _swept(profile, "fractions"):
            yield f"fraction {fraction:g}", "pgd", song.attacked(make("pgd"), fraction)
        yield "fraction 1", "pgd", make("pgd")


def over_widths(profile: str, seed: int | None) -> Models:
    """Natural and PGD training of narrower and wider networks."""
    for make in _each(profile, seed):
        for width in sorted((1.0, *_swept(profile, "widths"))):
            for name in song.HALVED:
                yield f"width x {width:g}", name, song.wider(make(name), width)


def over_sizes(profile: str, seed: int | None) -> Models:
    """Natural and PGD training on fewer images."""
    for make in _each(profile, seed):
        for share in sorted((1.0, *_swept(profile, "shares"))):
            for name in song.HALVED:
                train = make(name) if share == 1 else song.fewer(make(name), share)
                yield f"images x {share:g}", name, train


def on_halves(profile: str, seed: int | None) -> Models:
    """Every training on random halves of all images, models enough in one seed: natural and PGD
    training first, and in profile quick alone.
    """
    rest = () if profile == "quick" else tuple(n for n in song.NAMES if n not in song.HALVED)
    yield from _on_first(song.HALVES, (*song.HALVED, *rest), profile, seed)


def on_two_halves(profile: str, seed: int | None) -> Models:
    """The first two of natural and PGD training, each with the images that the other lacks."""
    yield from _on_first(PAIR, song.HALVED, profile, seed)


def _on_first(halves: int, names: Sequence[str], profile: str, seed: int | None) -> Models:
    quick = profile == "quick"
    make = shadow if quick else song.yale
    for s in _seeds(profile, seed):
        if not quick and s != song.LIVE_SEED:
            continue  # at full scale there is one seed, whatever is asked for
        for name in names:
            for k in range(halves):
                yield f"half {k}", name, song.half(make(name, seed=s), k, models=song.HALVES)


def dual_alone(profile: str, seed: int | None) -> Models:
    """The duality model that the stored one is not: trained at the radius of its evaluation."""
    for s in _seeds(profile, seed) if profile == "paper" else ():
        yield "trained at 8/255", "dual", song.dual_at_own_eps(seed=s)


def without_few(profile: str, seed: int | None) -> Models:
    """Natural and PGD training on all images, in several seeds, and in one without a few.

    `seed` is the one that leaves out; the others are there to compare with.
    """
    if profile == "live":
        return
    quick, own = profile == "quick", seed or song.LIVE_SEED
    make = digits if quick else song.yale
    k, groups = (QUICK_LEFT_OUT, QUICK_GROUPS) if quick else (song.LEFT_OUT, song.GROUPS)
    others = (own + 1,) if quick else (s for s in song.SEEDS if s != own)
    for name, s in product(song.HALVED, (own, *others)):
        yield WITH_ALL if s == own else f"{WITH_ALL}, seed {s}", name, make(name, seed=s)
    for name, group in product(song.HALVED, range(groups)):
        yield f"without group {group}", name, song.without(make(name, seed=own), group, k=k)


WITH_ALL = "all images"
QUICK_LEFT_OUT, QUICK_GROUPS = 30, 2  # more groups cost more trainings


def with_countermeasures(profile: str, seed: int | None) -> Models:
    """Natural and PGD training, and each after what may be done about its leak."""
    make = digits if profile == "quick" else song.yale
    for s in _seeds(profile, seed):
        for name in song.HALVED:
            trains = against.countermeasures(make(name, seed=s), private_too=name == "natural")
            yield from ((note, name, train) for note, train in trains.items())


def on(make: Maker, names: Sequence[str]) -> Family:
    """Models of data that are in no profile but `paper`."""

    def family(profile: str, seed: int | None) -> Models:
        for s in _seeds(profile, seed) if profile == "paper" else ():
            yield from (("", name, make(name, seed=s)) for name in names)

    return family


def at_own_eps(train: Train, profile: str) -> Asked:
    """Scores at the radius that PGD training had."""
    t = train.training
    assert isinstance(t, Defended)
    assert isinstance(t.defence, Adversarial)
    return [("", membership(train, profile, eps=t.defence.eps.high))]


_CLAIMED, _NOWHERE = "official repository, Yale Face", "beyond the stored outputs"

EXPERIMENTS = tuple(
    Experiment(f"{PAPER}/{name}", PAPER, locus, title, wrap, family)
    for name, locus, title, wrap, family in (
        ("yale", _CLAIMED, "Six defences and natural training on the Yale faces", itself, seven),
        ("yale-membership", _CLAIMED, "Who is a member? Scores of the seven models", scored, seven),
        ("attacks", _NOWHERE, "Does PGD find what there is to find? Seven models, other attacks",
         doubted, seven),
        ("verifiable", _CLAIMED, "The verifiable defences and what their bounds tell", scored,
         verifiable),
        ("duality-radius", _NOWHERE, "The duality defence trained at the radius of its evaluation",
         scored, dual_alone),
        ("fashion-membership", "official repository, Fashion-MNIST", "Seven models: scores",
         scored, on(large.fashion, tuple(song.NAMES))),
        ("cifar-membership", "official repository, CIFAR-10", "Scores of CIFAR-10's four models",
         scored, on(large.cifar, tuple(large.CIFAR_NETWORKS))),
        ("fashion-reduced", _NOWHERE, "Natural and PGD training of a narrow network, Fashion-MNIST",
         scored, on(large.fashion_reduced, large.REDUCED)),
        ("cifar-reduced", _NOWHERE, "Natural and PGD training of a narrow network, CIFAR-10",
         scored, on(large.cifar_reduced, large.REDUCED)),
        ("budget", _NOWHERE, "Leak over the perturbation budget", at_own_eps, over_budgets),
        ("generalisation", _NOWHERE, "Leak over the share trained adversarially", scored,
         over_fractions),
        ("capacity", _NOWHERE, "Leak over the width of the network", scored, over_widths),
        ("size", _NOWHERE, "Leak over the number of training images", scored, over_sizes),
        ("other-eps", _NOWHERE, "An adversary who assumes another radius", at_other_eps, base_two),
        ("targeted", _NOWHERE, "Scores towards each wrong label", targeted, base_two),
        ("halves", _NOWHERE, "Shadow models on random halves", scored_with_shadows, on_halves),
        ("two-halves", _NOWHERE, "Of these the first two, with no image in common",
         scored_with_shadows, on_two_halves),
        ("sensitivity", _NOWHERE, "Models without a few images, and of other seeds", scored,
         without_few),
        ("countermeasures", _NOWHERE, "What may be done about the leak", scored_members,
         with_countermeasures),
    )
)  # fmt: skip
