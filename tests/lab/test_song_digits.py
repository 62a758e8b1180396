"""song2019's models of the digits in profile quick, by recipes that keep the authors'."""

import pytest

from privrob.lab import registry, song2019, song_digits
from privrob.lab.spec import Abstract, Adversarial, Dual, Interval

VERIFIABLE = ("natural", *song2019.VERIFIABLE)


def test_faces_have_the_empirical_defences_and_digits_the_verifiable_ones():
    def models(name):
        return {v.model: v.train.data.name for v in registry.experiment(name).variants("quick")}

    empirical = ("natural", *song2019.EMPIRICAL)
    assert models("song2019/yale-membership") == dict.fromkeys(empirical, "faces")
    assert models("song2019/verifiable") == dict.fromkeys(VERIFIABLE, "digits")


def test_paper_models_are_those_of_the_other_experiment():
    def specs(name):
        return {v.model: v.spec for v in registry.experiment(name).variants("paper", seed=0)}

    seven, four = specs("song2019/yale-membership"), specs("song2019/verifiable")
    assert four == {name: seven[name] for name in VERIFIABLE}


def test_a_defence_is_refused_where_it_learns_nothing():
    with pytest.raises(ValueError, match="no quick training of 'ibp' on faces"):
        song2019.faces("ibp", seed=0)
    with pytest.raises(ValueError, match="no defence 'diff' on digits; there are natural, pgd"):
        song_digits.digits("diff", seed=0)


def test_every_defence_ends_at_the_radius_it_is_attacked_and_verified_with():
    kinds = {"pgd": Adversarial, "dual": Dual, "abs": Abstract, "ibp": Interval}
    for name, kind in kinds.items():
        t = song_digits.digits(name, seed=0).training
        assert type(t.defence) is kind
        assert t.defence.eps.high == song2019.EPS_OF["digits"]
        assert t.defence.eps.end < t.updates


def test_fewer_pgd_steps_reach_as_far():
    few, many = song_digits.digits("pgd", seed=0).training, song2019.yale("pgd", seed=0).training
    reach = {t.defence.steps * t.defence.step_share for t in (few, many)}
    assert reach == {2.0}


def test_exact_dual_bounds_verify_small_networks_alone():
    assert song2019.verifier(song_digits.digits("dual", seed=0)) == "dual"
    assert song2019.verifier(song2019.yale("dual", seed=0)) == "crown-interval"
    assert song2019.verifier(song_digits.digits("natural", seed=0)) == ""


def test_sizes_are_those_of_the_data():
    data = song_digits.DIGITS
    assert song2019.SIZES["digits"][0] == data.train


def test_shadows_are_the_same_training_in_fewer_updates():
    full, few = (make("pgd", seed=3) for make in (song_digits.digits, song_digits.shadow))
    assert (few.model, few.data, few.seed) == (full.model, full.data, full.seed)
    a, b = full.training, few.training
    share = b.updates / a.updates
    assert b.updates == song_digits.SHADOW_UPDATES
    assert b.lr == song_digits.SHADOW_LR
    for moment in ("start", "end"):
        wanted = share * getattr(a.defence.eps, moment)
        assert getattr(b.defence.eps, moment) == round(wanted)
    assert [round(share * n) for n, _ in a.lr_steps] == [n for n, _ in b.lr_steps]
    assert {t.defence.steps * t.defence.step_share for t in (a, b)} == {2.0}
    assert b.defence.steps == song_digits.SHADOW_STEPS


def test_only_the_halved_defences_have_shadows():
    with pytest.raises(ValueError, match="no shadows of 'ibp': there are natural, pgd"):
        song_digits.shadow("ibp", seed=0)
