"""tursynbek2020 on CIFAR-10: settings of the facts, readings, halves, controls, profiles."""

import pytest

from privrob.lab import cifar, registry
from privrob.lab import cifar_experiments as experiments
from privrob.lab.budgets import training_of
from privrob.lab.run import key_of
from privrob.lab.spec import DpSgd, HalvedTraining, Membership, Pretrained, StoppedHead

NAMES = [e.name for e in experiments.EXPERIMENTS]
LITERAL = cifar.pair(cifar.READINGS["literal"], reading="literal", seed=0)


def variants(name, profile, **settings):
    return registry.experiment(f"tursynbek2020/cifar-{name}").variants(profile, **settings)


def test_the_pair_has_the_papers_settings():
    sgd, dp = LITERAL["sgd"].training, LITERAL["dpsgd"].training
    assert (sgd.lr, sgd.epochs, sgd.batch_size) == (0.01, 200, 200)
    assert (dp.lr, dp.epochs, dp.batch_size) == (0.01, 200, 200)
    assert isinstance(dp, DpSgd)
    assert (dp.sample_rate, dp.clip_norm, dp.noise_multiplier) == (200 / 50000, 3.0, 1.0)
    assert {t.augment for t in LITERAL.values()} == {4}  # decision 14
    assert {t.features for t in LITERAL.values()} == {cifar.PRETRAINING}


@pytest.mark.parametrize(("delta", "found"), [(1e-5, 5.345), (1e-6, 5.962)])
def test_the_budget_is_that_of_the_facts(delta, found):
    budget = training_of(LITERAL["dpsgd"])
    assert budget.updates == 50_000
    assert found <= budget.epsilon(delta=delta, accountant="prv") + 5e-4 <= found + 0.0205


def test_the_pretraining_is_that_of_the_facts():
    t = cifar.PRETRAINING
    assert (t.training.lr, t.training.batch_size, t.training.epochs) == (0.02, 100, 100)
    assert (t.data.name, t.data.train + t.holdout, t.data.test) == ("cifar100", 50000, None)
    assert t.model.hidden == (500,)
    assert t.kept.name == "cifar_features"


def test_candidates_depart_from_the_stated_settings_one_by_one():
    assert next(iter(cifar.CANDIDATES)) == "literal"
    found = variants("readings", "paper")
    assert {v.seed for v in found} == {registry.SELECTION_SEED}
    assert {v.reading for v in found} == {"candidate"}
    assert {(v.note, v.model) for v in found} == {
        (name, model) for name in cifar.CANDIDATES for model in ("sgd", "dpsgd")
    }
    for v in found:
        setting = cifar.CANDIDATES[v.note]
        assert v.train.augment == getattr(setting, f"{v.model}_augment")
        assert v.train.training.lr == setting.training.lr
    assert variants("readings", "quick") == variants("readings", "live") == []


@pytest.mark.parametrize("matched", [None, "augmentation for SGD alone"])
def test_the_matched_reading_is_one_constant(monkeypatch, matched):
    readings = cifar.readings(matched)
    monkeypatch.setattr(cifar, "READINGS", readings)
    monkeypatch.setattr(cifar, "SETTLED", list(readings)[-1])
    base = variants("base", "paper")
    assert {v.reading for v in base} == set(readings)
    assert len(base) == 2 * len(readings) * len(registry.SEEDS)
    assert {v.reading for v in variants("control", "paper")} == {cifar.SETTLED}
    assert {v.reading for v in variants("base", "live")} == {cifar.SETTLED}
    suffix = "-matched" if matched else ""
    assert {"cifar100-features", f"cifar-sgd{suffix}", f"cifar-dpsgd{suffix}"} == set(
        cifar.zoo_models()
    )


def test_a_matched_reading_is_a_candidate():
    assert cifar.MATCHED in {None, *cifar.CANDIDATES} - {"literal"}
    with pytest.raises(ValueError, match="did you mean 'no augmentation'"):
        cifar.readings("no augmentatoin")


def test_the_control_compares_on_images_that_neither_was_trained_on():
    sgd, dpsgd = (v.train for v in variants("control", "paper", seed=1))
    assert isinstance(sgd, StoppedHead)
    assert sgd.target == dpsgd
    assert (sgd.data, sgd.data.train, sgd.holdout) == (dpsgd.data, 45000, 5000)
    assert sgd.held_out.train == 50000
    assert dpsgd.training.sample_rate == 200 / 45000
    assert sgd.augment == dpsgd.augment == 0  # they differ in nothing but privacy


@pytest.mark.parametrize(
    ("profile", "images"), [("paper", cifar.IMAGES), ("quick", cifar.QUICK_HALVED)]
)
def test_halves_are_trained_alike_at_their_own_rate(profile, images):
    found = variants("halves", profile)
    for model in ("sgd", "dpsgd"):
        trains = [v.train for v in found if v.model == model]
        assert [t.data.half for t in trains] == list(range(16))
        assert all(isinstance(t.data, HalvedTraining) for t in trains)
        assert len({t.training for t in trains}) == 1
    private = trains[0].training
    assert private.sample_rate == private.batch_size / (images // 2)
    assert variants("halves", "live") == []


def test_only_one_seed_of_the_halves_is_at_full_scale():
    assert variants("halves", "paper", seed=1) == []
    assert {v.seed for v in variants("halves", "quick", seed=3)} == {3}


def test_membership_is_asked_of_the_stopped_model_too():
    found = variants("membership", "paper", seed=2)
    assert [(v.model, v.note) for v in found] == [
        ("sgd", ""), ("dpsgd", ""), ("sgd", "stopped"), ("dpsgd", "target"),
    ]  # fmt: skip
    for v in found:
        assert isinstance(v.spec, Membership)
        assert (v.spec.data.name, v.spec.eps) == ("cifar10", 8 / 255)
        assert v.spec.data.train == v.spec.data.test  # as many members as others


def test_the_settled_pair_is_asked_live_on_real_images():
    kept = {key_of(train) for train in cifar.zoo_models().values()}
    for name in ("fgsm", "pgd", "distance", "curvature", "logits"):
        found = variants(name, "live")
        assert [v.model for v in found] == ["sgd", "dpsgd"]
        assert {v.spec.data.name for v in found} == {"cifar10"}
        assert all(v.spec.data.test <= 1000 for v in found)
        assert {key_of(v.train) for v in found} <= kept


def test_grids_of_eps_reach_what_is_asked_of_them():
    assert max(experiments.FGSM_EPS) == pytest.approx(16 / 255)
    assert list(experiments.FGSM_EPS) == sorted(set(experiments.FGSM_EPS))
    reach = experiments.PGD_STEP_SIZE * min(experiments.PGD_STEPS)
    assert all(reach >= eps for eps in experiments.PGD_EPS)
    (spec,) = {type(v.spec) for v in variants("pretraining", "paper")}
    assert spec is Pretrained


@pytest.mark.parametrize("name", NAMES)
def test_quick_is_reduced_and_has_the_models_of_the_paper(name):
    full, quick = (registry.experiment(name).variants(p) for p in ("paper", "quick"))
    assert {v.train.scale for v in quick} <= {"reduced"}
    assert {v.train.scale for v in full} == {"paper"}
    if not name.endswith("readings"):
        assert {(v.model, v.note) for v in full} == {(v.model, v.note) for v in quick}
