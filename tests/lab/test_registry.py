"""The registry: stable keys, readings, profiles, names."""

import pytest

from privrob.lab import registry
from privrob.lab.registry import CANDIDATES, EXPERIMENTS, READINGS, Experiment, pair
from privrob.lab.run import key_of
from privrob.lab.spec import DpSgd, Fgsm, Train, seed_for, spec_digest

LITERAL = pair(*READINGS["literal"], reading="literal", seed=0)


def test_the_key_of_a_spec_never_changes():
    # Committed on purpose: with another key or another seed, every stored record would be lost.
    assert key_of(LITERAL["sgd"]) == "3442753d10f4c67b"
    assert key_of(LITERAL["dpsgd"]) == "870f3ee9b4aedba4"
    assert seed_for(spec_digest(LITERAL["sgd"]), "batches/0") == 1375411081941200013


def test_another_experiment_shifts_nothing(monkeypatch):
    def all_of_them():
        return {
            key_of(v.spec): seed_for(spec_digest(v.train), "batches/0")
            for e in list(EXPERIMENTS.values())
            for v in e.variants("paper")
        }

    before = all_of_them()
    base = EXPERIMENTS["tursynbek2020/fgsm"]
    extra = Experiment("a/first", "a", "Table 0", "Comes before all others", base.wrap, base.family)
    monkeypatch.setattr(registry, "EXPERIMENTS", {extra.name: extra} | EXPERIMENTS)
    monkeypatch.setattr(registry, "MORE_SEEDS", (7, *registry.MORE_SEEDS))
    after = all_of_them()
    assert before.items() <= after.items()
    assert len(after) > len(before)


def test_the_base_pair_has_the_papers_settings():
    sgd, dp = LITERAL["sgd"].training, LITERAL["dpsgd"].training
    assert (sgd.lr, sgd.epochs, sgd.batch_size) == (0.05, 50, 256)
    assert (dp.lr, dp.epochs, dp.batch_size) == (0.05, 50, 256)
    assert isinstance(dp, DpSgd)
    assert dp.sample_rate == 256 / 60000
    assert (dp.noise_multiplier, dp.clip_norm) == (1.3, 1.0)


def test_readings_are_settled_on_a_seed_that_is_not_reported():
    chosen = EXPERIMENTS["tursynbek2020/readings"].variants("paper")
    assert {v.seed for v in chosen} == {registry.SELECTION_SEED}
    assert registry.SELECTION_SEED not in registry.MORE_SEEDS
    assert {v.note for v in chosen} == set(CANDIDATES)
    assert EXPERIMENTS["tursynbek2020/readings"].variants("quick") == []


def test_readings_are_candidates():
    assert "literal" in READINGS
    assert all(settings in CANDIDATES.values() for settings in READINGS.values())


@pytest.mark.parametrize("profile", ["paper", "quick", "live"])
@pytest.mark.parametrize("name", EXPERIMENTS)
def test_the_variants_of_an_experiment_are_distinct(name, profile):
    variants = EXPERIMENTS[name].variants(profile)
    told_apart = {(key_of(v.spec), v.note, v.reading) for v in variants}  # readings may share one
    assert len(told_apart) == len(variants)
    if name != "tursynbek2020/cifar-readings":  # a candidate may differ in its SGD alone
        private = [v for v in variants if v.model == "dpsgd"]
        assert len({key_of(v.spec) for v in private}) == len(private)


def test_sgd_is_the_same_beside_every_variant():
    variants = EXPERIMENTS["tursynbek2020/noise"].variants("paper", seed=0)
    assert len({key_of(v.spec) for v in variants if v.model == "sgd"}) == 1
    base = EXPERIMENTS["tursynbek2020/fgsm"].variants("paper", seed=0)
    at_the_base = {key_of(v.spec) for v in base if v.reading == "matched"}
    assert at_the_base <= {key_of(v.spec) for v in variants}


def test_the_grid_has_the_models_of_the_sweeps():
    grid = {key_of(v.train) for v in EXPERIMENTS["tursynbek2020/grid"].variants("paper", seed=0)}
    for name, note in (("large-clip", "sigma 1.3, C 10"), ("clip-alone", "C 10, noise 1.3")):
        swept = EXPERIMENTS[f"tursynbek2020/{name}"].variants("paper", seed=0)
        assert {key_of(v.train) for v in swept if v.note == note} <= grid


def test_the_control_trains_both_on_the_same_images_and_compares_on_others():
    sgd, dpsgd = (v.train for v in EXPERIMENTS["tursynbek2020/control-fgsm"].variants("live"))
    assert sgd.data == dpsgd.data
    assert (sgd.target, sgd.data.train, sgd.holdout) == (dpsgd, 55000, 5000)
    assert dpsgd.training.sample_rate == 256 / 55000


def test_live_attacks_the_papers_models_on_the_slice():
    paper = {key_of(v.train) for v in EXPERIMENTS["tursynbek2020/fgsm"].variants("paper")}
    for v in EXPERIMENTS["tursynbek2020/fgsm"].variants("live"):
        assert key_of(v.train) in paper
        assert isinstance(v.spec, Fgsm)
        assert v.spec.data.name == "mnist_slice"


def test_quick_is_labelled_reduced_and_differs_as_the_table_says():
    quick = EXPERIMENTS["tursynbek2020/fgsm"].variants("quick")
    assert {v.train.scale for v in quick} == {"reduced"}
    full = EXPERIMENTS["tursynbek2020/base"].variants("paper")[0].spec
    small = EXPERIMENTS["tursynbek2020/base"].variants("quick")[0].spec
    assert isinstance(small, Train)
    rows = {
        row["setting"]: (row["paper"], row["quick"]) for row in registry.difference(full, small)
    }
    assert rows["data.name"] == ("mnist", small.data.name)
    assert rows["scale"] == ("paper", "reduced")
    assert "seed" not in rows


def test_one_seed_alone():
    variants = EXPERIMENTS["tursynbek2020/base"].variants("paper", seed=5)
    assert {v.seed for v in variants} == {5}


def test_names_and_patterns():
    assert [e.name for e in registry.matching("tursynbek2020/fgsm")] == ["tursynbek2020/fgsm"]
    assert [e.name for e in registry.matching("*")] == list(EXPERIMENTS)
    with pytest.raises(ValueError, match="did you mean 'tursynbek2020/fgsm'"):
        registry.matching("tursynbek2020/fgms")
    with pytest.raises(ValueError, match="profile: no 'papr'; did you mean 'paper'"):
        registry.experiment("tursynbek2020/pgd").variants("papr")


def test_the_command_names_the_experiment_and_the_profile():
    command = EXPERIMENTS["tursynbek2020/pgd"].command
    assert command == "privrob run tursynbek2020/pgd --profile paper"


# -- the zoo ------------------------------------------------------------------------------------


def test_the_zoo_keeps_the_base_pair_table_2_and_the_control():
    found = list(registry.zoo_models())
    assert len({(name, t.seed) for name, t in found}) == len(found)
    names = {name.removeprefix("tursynbek2020/") for name, _ in found}
    assert {"sgd", "dpsgd", "sgd-matched", "dpsgd-matched"} <= names
    table2 = {"s1.3-c0.8": 1.04, "s1.3-c1.2": 1.56, "s0.7-c1": 0.7, "s1.5-c1": 1.5}
    for column, noise in table2.items():
        [train] = [t for n, t in found if n.endswith(f"matched-{column.replace('s', 'sigma', 1)}")]
        assert train.training.noise_std == pytest.approx(noise)
    assert {"sgd-matched-control", "dpsgd-matched-control"} <= names


def test_names_of_the_zoo_are_names():
    from privrob import zoo

    assert all(zoo._NAME.fullmatch(name) for name, _ in registry.zoo_models())
