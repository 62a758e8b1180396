"""The sweeps of song2019: quick ones are parts of the full ones, and share what models they can."""

import pytest

from privrob.lab import registry, song2019
from privrob.lab import song_experiments as song
from privrob.lab.run import key_of
from privrob.lab.song_digits import digits
from privrob.lab.spec import LeftOut

SWEEPS = ("budget", "generalisation", "capacity", "size", "other-eps", "halves", "two-halves")


def variants(name, profile):
    return registry.experiment(f"song2019/{name}").variants(profile, seed=0)


@pytest.mark.parametrize("name", SWEEPS)
def test_quick_settings_are_among_the_full_ones(name):
    full, few = ([(v.model, v.note) for v in variants(name, p)] for p in ("paper", "quick"))
    assert few
    assert [setting for setting in full if setting in few] == few


MAKERS = {"paper": song2019.yale, "quick": digits}


def two(profile):
    """Natural and PGD training, as the sweeps have them."""
    return {name: MAKERS[profile](name, seed=0) for name in song2019.HALVED}


@pytest.mark.parametrize("profile", ["paper", "quick"])
def test_sweeps_share_their_middle(profile):
    base = {m: key_of(song.scored(t, profile)[0][1]) for m, t in two(profile).items()}
    shared = {
        ("budget", "eps x 1"): ["pgd"],
        ("generalisation", "fraction 0"): ["natural"],
        ("generalisation", "fraction 1"): ["pgd"],
        ("capacity", "width x 1"): ["natural", "pgd"],
        ("size", "images x 1"): ["natural", "pgd"],
        ("other-eps", "attack eps x 1"): ["natural", "pgd"],
    }
    for (name, note), models in shared.items():
        found = {v.model: key_of(v.spec) for v in variants(name, profile) if v.note == note}
        assert found == {m: base[m] for m in models}


def test_few_new_models_are_trained_in_quick():
    base = {key_of(v.train) for v in variants("yale-membership", "quick")}
    base |= {key_of(train) for train in two("quick").values()}
    trained = {name: {key_of(v.train) for v in variants(name, "quick")} - base for name in SWEEPS}
    assert {name: len(keys) for name, keys in trained.items()} == {
        "budget": 1,
        "generalisation": 1,
        "capacity": 2,
        "size": 2,
        "other-eps": 0,
        "halves": 2 * song2019.HALVES,
        "two-halves": 2 * song.PAIR,
    }


@pytest.mark.parametrize("name", ["fashion-membership", "cifar-membership"])
def test_of_what_needs_a_gpu_natural_and_pgd_of_one_seed_come_first(name):
    every = registry.experiment(f"song2019/{name}").variants("paper")
    assert [(v.model, v.seed) for v in every[:2]] == [("natural", 0), ("pgd", 0)]


def test_the_second_duality_model_differs_in_its_radius_alone():
    (stored,) = (v.train for v in variants("yale-membership", "paper") if v.model == "dual")
    (own,) = (v.train for v in variants("duality-radius", "paper"))
    settings = {d["setting"]: (d["paper"], d["quick"]) for d in registry.difference(stored, own)}
    assert settings == {"training.defence.eps.high": (2 * song2019.EPS, song2019.EPS)}
    assert variants("duality-radius", "quick") == []


@pytest.mark.parametrize(("profile", "groups", "seeds"), [("quick", 2, 2), ("paper", 5, 3)])
def test_sensitivity_leaves_out_the_same_images_of_both_kinds_of_training(profile, groups, seeds):
    found = variants("sensitivity", profile)
    lacking = [v for v in found if isinstance(v.train.data, LeftOut)]
    per_model = {m: [v.train.data for v in lacking if v.model == m] for m in song2019.HALVED}
    assert per_model["natural"] == per_model["pgd"]
    assert [d.group for d in per_model["pgd"]] == list(range(groups))
    assert {v.seed for v in lacking} == {0}  # the other seeds have all images
    whole = [v for v in found if v not in lacking]
    assert len({(v.model, v.seed) for v in whole}) == 2 * seeds
    assert {v.spec.data for v in found} == {lacking[0].train.data.whole}  # all images are scored


@pytest.mark.parametrize("profile", ["paper", "quick"])
def test_sensitivity_shares_the_models_of_all_images(profile):
    make = digits if profile == "quick" else song2019.yale
    whole = {key_of(v.train) for v in variants("sensitivity", profile) if v.note == song.WITH_ALL}
    assert {key_of(make(name, seed=0)) for name in song2019.HALVED} <= whole


@pytest.mark.parametrize("seed", [0, 1, 4])
def test_another_seed_is_another_one(seed):
    found = registry.experiment("song2019/sensitivity").variants("quick", seed=seed)
    assert {v.seed for v in found if song.WITH_ALL in v.note} == {seed, seed + 1}
    assert {v.seed for v in found if song.WITH_ALL not in v.note} == {seed}
    assert registry.experiment("song2019/sensitivity").variants("live", seed=seed) == []


@pytest.mark.parametrize("profile", ["paper", "quick"])
def test_the_pair_is_the_first_two_of_all_halves(profile):
    every, two = (variants(name, profile) for name in ("halves", "two-halves"))
    of_two = [v.spec for v in every if v.train.data.half < 2 and v.model in song2019.HALVED]
    assert of_two == [v.spec for v in two]
    assert {v.train.data.models for v in every} == {song2019.HALVES}
    for model in song2019.HALVED:
        halves = [v.train.data.half for v in every if v.model == model]
        assert halves == list(range(song2019.HALVES))


@pytest.mark.parametrize("name", ["halves", "two-halves"])
def test_a_seed_has_no_halves_that_all_seeds_have_not(name):
    experiment = registry.experiment(f"song2019/{name}")
    every = experiment.variants("paper")
    for seed in (*song2019.SEEDS, 9):
        assert experiment.variants("paper", seed=seed) == [v for v in every if v.seed == seed]
    assert {v.seed for v in every} == {song2019.LIVE_SEED}
    assert {v.seed for v in experiment.variants("quick", seed=3)} == {3}


def test_many_models_are_attacked_in_fewer_steps_in_quick_alone():
    steps = {p: {v.spec.steps for v in variants("halves", p)} for p in ("paper", "quick")}
    assert steps == {"paper": {song.STEPS}, "quick": {song.SHADOW_ATTACK_STEPS}}
