"""Measures against sums done by hand and a resampling done one image at a time."""

import numpy as np
import pytest

from privrob.lab import measures, registry
from privrob.lab.measures import MEASURES, Settlement, Target, membership, settled
from privrob.lab.tasks import probes
from privrob.stats import Interval

EPS = np.array([0.0, 0.1, 0.2, 0.1 + 0.2])  # 0.30000000000000004 is the 0.3 of a claim
STEPS = np.array([30, 40])


def first_right(counts, *, n: int = 10) -> np.ndarray:
    """Masks of n images of which the first k are right, for each k of an array of counts."""
    return np.arange(n) < np.asarray(counts)[..., None]


def fgsm(sgd, dpsgd) -> dict:
    return {
        model: {"eps": EPS, "correct": first_right(k)}
        for model, k in (("sgd", sgd), ("dpsgd", dpsgd))
    }


def pgd_record(rng: np.random.Generator, *, n: int) -> dict:
    first = rng.choice([-1, 0, 5, 30, 31, 40], size=(2, n)).astype(np.int16)
    first[1][first[0] == 0] = 0  # what is wrong to begin with is so at every eps
    first[1][(first[1] == 0) & (first[0] != 0)] = 7
    correct = rng.random((2, 2, n)) < 0.5
    return {"eps": np.array([0.1, 0.3]), "steps": STEPS, "correct": correct, "first_success": first}


# -- by hand ------------------------------------------------------------------------------------


def test_clean_accuracies_are_percent_and_their_gap_is_points():
    pair = {m: {"correct_test": first_right(k)} for m, k in (("sgd", 9), ("dpsgd", 6))}
    assert measures.clean_accuracy(pair, model="sgd") == 90
    assert measures.clean_accuracy({"dpsgd": pair["dpsgd"]}, model="dpsgd") == 60
    assert measures.clean_gap(pair) == pytest.approx(30)
    assert isinstance(measures.clean_gap(pair), float)


def test_fgsm_gaps():
    pair = fgsm([10, 8, 6, 2], [9, 5, 4, 1])
    assert measures.fgsm_gap(pair, eps=0.1) == pytest.approx(30)
    assert measures.fgsm_gap(pair, eps=0.3) == pytest.approx(10)
    assert measures.fgsm_excess_gap(pair, eps=0.1) == pytest.approx(20)
    assert measures.fgsm_smallest_excess(pair) == pytest.approx(0)
    assert measures.fgsm_largest_gap_at(pair) == 0.1


def test_the_smallest_excess_leaves_out_eps_zero():
    assert measures.fgsm_smallest_excess(fgsm([10, 9, 9, 9], [9, 5, 5, 6])) == pytest.approx(20)


def test_eps_to_half_is_linear_between_the_points_of_the_grid():
    # SGD: 60 at 0.2, 20 at 0.3: half at 0.225. DP-SGD: 90 at 0, 40 at 0.1: half at 0.08.
    pair = fgsm([10, 8, 6, 2], [9, 4, 4, 1])
    assert measures.fgsm_eps_to_half(pair) == pytest.approx(0.225 - 0.08)


@pytest.mark.parametrize(("curve", "eps"), [([5, 4, 3, 2], 0.0), ([9, 5, 3, 2], 0.1)])
def test_eps_to_half_where_a_point_of_the_grid_is_the_half(curve, eps):
    pair = fgsm([10, 8, 6, 0], curve)
    assert measures.fgsm_eps_to_half(pair) == pytest.approx(0.2 + 0.1 / 6 - eps)


def test_a_curve_that_stays_above_a_half_has_no_eps():
    with pytest.raises(measures.MeasureError, match=r"above one half up to eps 0.3"):
        measures.fgsm_eps_to_half(fgsm([10, 8, 7, 6], [9, 5, 4, 1]))


def test_pgd_looks_at_the_last_iterate_of_the_asked_number_of_steps():
    correct = first_right([[8, 7], [4, 2]])
    weak = first_right([[6, 5], [1, 0]])
    first = np.zeros((2, 10), np.int16) - 1
    wrong = first.copy()
    wrong[:, 9] = 0  # DP-SGD has one image wrong to begin with
    grid = {"eps": np.array([0.1, 0.3]), "steps": STEPS}
    pair = {
        "sgd": grid | {"correct": correct, "first_success": first},
        "dpsgd": grid | {"correct": weak, "first_success": wrong},
    }
    assert measures.pgd_accuracy(pair, model="sgd", eps=0.3, steps=40) == 20
    assert measures.pgd_accuracy(pair, model="dpsgd", eps=0.1, steps=30) == 60
    assert measures.pgd_gap(pair, eps=0.3, steps=30) == pytest.approx(30)
    assert measures.pgd_excess_gap(pair, eps=0.3, steps=30) == pytest.approx(20)


def test_ever_fooled_counts_the_iterates_up_to_the_asked_steps():
    first = np.array([[-1, 0, 1, 30, 31, 40]], np.int16)
    pair = {"sgd": {"eps": np.array([0.1]), "steps": STEPS, "first_success": first}}
    at = {s: measures.pgd_ever_fooled_accuracy(pair, model="sgd", eps=0.1, steps=s) for s in STEPS}
    assert at == {30: pytest.approx(300 / 6), 40: pytest.approx(100 / 6)}


def test_eps_and_steps_that_are_not_in_the_record_are_named():
    with pytest.raises(ValueError, match=r"no eps 0.12 in the record: its grid is \[0.0, 0.1,"):
        measures.fgsm_gap(fgsm([9] * 4, [8] * 4), eps=0.12)
    record = pgd_record(np.random.default_rng(0), n=5)
    with pytest.raises(ValueError, match=r"no steps 20 in the record: its grid is \[30, 40\]"):
        measures.pgd_accuracy({"sgd": record}, model="sgd", eps=0.1, steps=20)


def test_models_attacked_on_different_grids_are_refused():
    pair = fgsm([9] * 4, [8] * 4)
    pair["dpsgd"]["eps"] = EPS[::-1]
    with pytest.raises(ValueError, match="different grids of eps"):
        measures.fgsm_gap(pair, eps=0.1)


# -- over images --------------------------------------------------------------------------------

CASES = {
    "clean_accuracy": {"model": "sgd"},
    "clean_gap": {},
    "fgsm_gap": {"eps": 0.1},
    "fgsm_excess_gap": {"eps": 0.3},
    "fgsm_smallest_excess": {},
    "fgsm_largest_gap_at": {},
    "fgsm_eps_to_half": {},
    "pgd_accuracy": {"model": "dpsgd", "eps": 0.3, "steps": 40},
    "pgd_ever_fooled_accuracy": {"model": "sgd", "eps": 0.1, "steps": 30},
    "pgd_gap": {"eps": 0.1, "steps": 30},
    "pgd_excess_gap": {"eps": 0.3, "steps": 30},
    "mean_extra_steps": {"eps": 0.1},
    "extra_steps_of_fooled": {"eps": 0.1},
    "extra_never_fooled": {"small": 0.1, "large": 0.3},
    "corruption_accuracy": {"model": "dpsgd", "corruption": "gaussian-noise"},
    "corruption_gap": {"corruption": "fog"},
    "corrupted_accuracy": {"model": "sgd"},
    "corrupted_gap": {},
    "corrupted_excess_gap": {},
    "gap_grows_excess": {"least": 0.9},
    "gap_lead": {"corruptions": ["brightness", "fog", "frost"]},
    "smallest_corruption_drop_step": {},
    "fgsm_accuracy_slope": {"eps": 0.1},
    "fgsm_smallest_step": {"eps": 0.1},
    "fgsm_gap_slope": {"eps": 0.2},
    "fgsm_clip_over_noise": {"eps": 0.1, "sigma": 1.0, "clip_norm": 1.0},
    "fgsm_plateau": {"start": 0.2, "end": 0.3, "most": 1.0, "chance": 10.0},
    "fgsm_lead": {"eps": 0.3},
    "fgsm_rise_needs_noise": {"eps": 0.3},
    "masking_accuracy": {"model": "dpsgd", "attack": "every_attack", "eps": 0.1},
    "masking_excess": {"model": "dpsgd", "attack": "pgd", "over": "square", "eps": 0.2},
    "masking_hidden": {"model": "sgd", "over": "square", "eps": 0.2, "share": 0.5},
    "masking_kept": {"model": "dpsgd", "eps": 0.3, "share": 0.5},
    "mean_distance": {"model": "sgd", "norm": "linf"},
    "deepfool_distance": {"model": "dpsgd", "norm": "l2"},
    "deepfool_ratio": {"model": "dpsgd", "norm": "linf"},
    "distance_closer": {"norm": "l2"},
    "distance_drop": {"norm": "linf"},
    "deepfool_drop": {"norm": "l2"},
    "eigenvalue_ratio": {},
    "eigenvalue_smallest_ratio": {},
    "eigenvalue_beyond_confidence": {"share": 0.5},
    "eigenvalues_near_zero": {"pixels": 784},
    "eigenvalues_negative": {},
    "mean_section_distance": {"model": "sgd"},
    "mean_bend": {"model": "dpsgd"},
    "section_closer": {},
    "section_more_curved": {},
}
SWEPT = {  # the variants that a measure reads beside SGD
    "fgsm_accuracy_slope": ("sigma 1, C 1", "sigma 2, C 1"),
    "fgsm_smallest_step": ("sigma 1, C 1", "sigma 2, C 1", "sigma 3, C 1"),
    "fgsm_gap_slope": ("C 1, noise 1", "C 3, noise 1", "C 10, noise 1"),
    "fgsm_clip_over_noise": ("sigma 1, C 1", "sigma 2, C 1", "sigma 1, C 2"),
    "fgsm_rise_needs_noise": ("C 1, noise 1", "C 9, noise 9", "C 9, noise 1", "C 1, noise 9"),
}


def steps_record(rng: np.random.Generator, *, n: int) -> dict:
    first = rng.choice([-1, 1, 5, 30, 99, 100], size=(2, 3, n)).astype(np.int16)
    first[..., rng.random(n) < 0.1] = 0  # what is wrong to begin with is so everywhere
    sizes = np.array([0.005, 0.01, 0.02])
    return {"eps": np.array([0.1, 0.3]), "step_sizes": sizes, "first_success": first}


def corrupted_record(rng: np.random.Generator, *, n: int) -> dict:
    correct = rng.random((31, n)) < rng.uniform(0.3, 0.9, size=(31, 1))
    none = np.zeros(31, bool)
    return {"correct": correct, "stand_in": none, "correct_test": rng.random(n) < 0.95}


def distance_record(rng: np.random.Generator, *, n: int) -> dict:
    l2, linf = rng.normal(1.5, 1, size=n), rng.uniform(0.05, 0.1, size=n)
    linf = linf * l2
    walked = {f"deepfool_{k}": np.where(d > 0, 1.1 * d, 0) for k, d in (("l2", l2), ("linf", linf))}
    walked["deepfool_linf"][::9] = np.nan
    return {"l2": l2, "linf": linf} | walked


def curvature_record(rng: np.random.Generator, *, n: int) -> dict:
    spectra = 10 ** -np.sort(rng.uniform(0, 6, size=(10, n)), axis=0)
    spectra[-1] = np.where(np.arange(n) % 7 == 0, -0.1 * spectra[0], 0)
    return {"hessian": spectra, "logits": rng.normal(0, 2, size=(10, n))}


def section_record(rng: np.random.Generator, *, n: int) -> dict:
    bend, distance = rng.uniform(0, 0.1, size=n), rng.uniform(0.5, 2, size=n)
    bend[::5], distance[::11], distance[1::11] = np.nan, 0, np.nan
    return {"bend": bend, "distance": distance}


GEOMETRY = {
    ("section", "bend"): section_record,
    ("eigenvalue",): curvature_record,
    ("distance", "deepfool"): distance_record,
}


def random_pair(name: str, *, n: int) -> dict:
    rng = np.random.default_rng(3)
    for words, record in GEOMETRY.items():
        if any(word in name for word in words):
            return {m: record(rng, n=n) for m in measures.MODELS}
    if "extra" in name:
        return {m: steps_record(rng, n=n) for m in measures.MODELS}
    if "corrupt" in name or name.startswith("gap_"):
        return {m: corrupted_record(rng, n=n) for m in (*measures.MODELS, "third")}
    if name.startswith("clean"):
        return {m: {"correct_test": rng.random(n) < 0.8} for m in measures.MODELS}
    if name.startswith("pgd"):
        return {m: pgd_record(rng, n=n) for m in measures.MODELS}
    if name.startswith("masking"):
        attacks = {a: rng.random((4, n)) < 0.8 for a in probes.ATTACKS}
        return {m: attacks | {"eps": EPS} for m in measures.MODELS}
    levels = {"sgd": [0.95, 0.8, 0.6, 0.2]}
    levels |= {variant: [0.9, 0.6, 0.4, 0.1] for variant in SWEPT.get(name, ("dpsgd",))}
    return {
        m: {"eps": EPS, "correct": rng.random((4, n)) < np.array(p)[:, None]}
        for m, p in levels.items()
    }


def test_every_measure_of_a_pair_is_checked_here():
    elsewhere = {f.__name__ for f in membership.ALL}  # whose two sides are drawn apart
    elsewhere |= {"eigenvalue_some_smaller"}  # whose images have a part to play each
    assert CASES.keys() | elsewhere == MEASURES.keys()


@pytest.mark.parametrize("name", CASES)
def test_resampled_measures_equal_a_resampling_of_every_array(name):
    n = 61
    pair = random_pair(name, n=n)
    fast = MEASURES[name](measures.resampled(pair), **CASES[name])
    assert fast.shape == (measures.RESAMPLES,)
    for r in (0, 1, 500):
        drawn = np.repeat(np.arange(n), measures.base._counts(n)[r].astype(int))
        slow = {
            m: {k: v[..., drawn] if v.shape[-1] == n else v for k, v in record.items()}
            for m, record in pair.items()
        }
        # Shares of resamples are float32, and differences of percentages keep their rounding.
        assert fast[r] == pytest.approx(MEASURES[name](slow, **CASES[name]), abs=1e-4)


def test_a_resample_draws_as_many_images_as_there_are():
    assert (measures.base._counts(50).sum(1) == 50).all()


def test_the_interval_is_paired_over_images():
    # Both models are wrong on the same images but for ten: alone each accuracy is uncertain by
    # three points, their difference by about one.
    sgd = first_right(500, n=1000)
    dpsgd = first_right(490, n=1000)
    pair = {"sgd": {"correct_test": sgd}, "dpsgd": {"correct_test": dpsgd}}
    gap = measures.interval_over_images("clean_gap", pair)
    assert 0 < gap.low < 1 < gap.high < 2
    alone = measures.interval_over_images("clean_accuracy", pair, model="sgd")
    assert alone.low == pytest.approx(46.9, abs=0.5)
    assert alone.high == pytest.approx(53.1, abs=0.5)
    assert measures.interval_over_images("clean_gap", pair) == Interval(gap.low, gap.high)


def test_models_of_different_test_images_cannot_be_resampled_together():
    pair = {"sgd": {"correct_test": first_right(5)}, "dpsgd": {"correct_test": first_right(5, n=9)}}
    with pytest.raises(ValueError, match=r"same test images, got \[9, 10\]"):
        measures.resampled(pair)


# -- which reading ------------------------------------------------------------------------------

TARGETS = {"sgd": Target(99.14, 0.3), "dpsgd": Target(96.53, 1.0)}
GOOD, SLOW = {"sgd": 99.2, "dpsgd": 96.0}, {"dpsgd": 92.8}
NAMES = list(registry.CANDIDATES)


@pytest.mark.parametrize(
    ("value", "reached"), [(99.14, True), (99.44, True), (98.84, True), (99.45, False)]
)
def test_a_tolerance_includes_its_boundary(value, reached):
    assert TARGETS["sgd"].reached(value) is reached


def test_boundaries_that_floats_miss_are_within():
    assert Target(0.12, 0.02).reached(0.14)
    assert Target(2.6, 0.7).reached(3.3)


def runs(**by_position: dict) -> dict:
    """Accuracies by candidate, from c0=..., c5=..."""
    return {NAMES[int(name[1:])]: value for name, value in by_position.items()}


def settle(accuracies: dict, *, named: str | None = NAMES[-1]) -> Settlement:
    return settled(accuracies, TARGETS, names=NAMES, named=named)


def test_the_first_candidate_that_reaches_both_is_the_choice():
    found = settle(runs(c0=SLOW, c1=SLOW, c2=GOOD, c3=GOOD), named=NAMES[2])
    assert (found.choice, found.open, found.disagreement) == (NAMES[2], [], "")
    assert [c.status for c in found.candidates[:5]] == ["misses"] * 2 + ["reaches"] * 2 + ["open"]
    assert found.candidates[0].accuracies == SLOW


def test_a_candidate_must_reach_both_accuracies():
    found = settle(runs(c0={"sgd": 98.0, "dpsgd": 96.5}, c1={"dpsgd": 96.5}))
    assert [c.status for c in found.candidates[:2]] == ["misses", "open"]
    assert found.choice is None


def test_a_choice_with_open_candidates_before_it_says_so():
    assert settle(runs(c0=SLOW, c3=GOOD)).open == [NAMES[1], NAMES[2]]


def test_it_tells_when_the_registry_names_another_reading():
    other = settle(runs(c0=SLOW, c1=SLOW, c2=GOOD), named=NAMES[5]).disagreement
    assert other.endswith(f"but the records settle {NAMES[2]!r}")
    missed = settle(runs(c5=SLOW), named=NAMES[5]).disagreement
    assert NAMES[5] in missed
    assert missed.endswith("no run reaches both")
    assert settle({}, named=NAMES[5]).disagreement == ""


def test_none_is_the_choice_when_every_candidate_misses():
    found = settle(dict.fromkeys(NAMES, SLOW))
    assert found.choice is None
    assert found.open == []
    assert found.disagreement


def test_without_a_matched_reading_another_choice_than_the_first_is_told():
    assert settle(runs(c0=GOOD), named=None).disagreement == ""
    assert settle(dict.fromkeys(NAMES, SLOW), named=None).disagreement == ""
    other = settle(runs(c0=SLOW, c1=GOOD), named=None).disagreement
    assert other == f"the registry names no matched reading, but the records settle {NAMES[1]!r}"


def test_a_feature_has_one_name():
    with pytest.raises(ValueError, match="'clean' is there already"):
        measures.base.feature("first_success")(measures.base.clean)
