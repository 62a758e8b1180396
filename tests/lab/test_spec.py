"""Specs refuse what cannot be, naming the field, and their keys move with what matters alone."""

import re
from dataclasses import replace

import pytest
from specimens import DPSGD, FGSM, PGD, SGD

from privrob.lab import registry
from privrob.lab import spec as specs
from privrob.lab.spec import Data, Model, canonical, seed_for, spec_digest

NAN, INF = float("nan"), float("inf")


@pytest.mark.parametrize(
    ("part", "change", "words"),
    [
        (FGSM, {"eps": (0.1, -0.1)}, ["eps", "-0.1"]),
        (FGSM, {"eps": (NAN,)}, ["eps", "nan"]),
        (FGSM, {"eps": ()}, ["eps", "at least one"]),
        (PGD, {"eps": (INF,)}, ["eps", "inf"]),
        (PGD, {"step_size": 0.0}, ["step_size", "above 0"]),
        (PGD, {"steps": (3, 0)}, ["steps", "(3, 0)"]),
        (PGD, {"steps": ()}, ["steps"]),
        (SGD, {"seed": -1}, ["seed", "-1"]),
        (SGD, {"reading": "matchd"}, ["reading", "did you mean 'matched'"]),
        (SGD, {"scale": "huge"}, ["scale", "huge"]),
        (SGD.training, {"lr": 0.0}, ["training.lr", "above 0"]),
        (SGD.training, {"epochs": 0}, ["training.epochs", "at least 1"]),
        (SGD.training, {"batch_size": 0}, ["training.batch_size", "at least 1"]),
        (DPSGD.training, {"clip_norm": 0.0}, ["training.clip_norm", "above 0"]),
        (DPSGD.training, {"clip_norm": -1.0}, ["training.clip_norm", "-1.0"]),
        (DPSGD.training, {"clip_norm": NAN}, ["training.clip_norm", "nan"]),
        (DPSGD.training, {"sample_rate": 1.01}, ["training.sample_rate", "1.01"]),
        (DPSGD.training, {"sample_rate": 0.0}, ["training.sample_rate", "(0, 1]"]),
        (DPSGD.training, {"noise_std": -0.1}, ["training.noise_std", ">= 0"]),
        (DPSGD.training, {"noise_std": NAN}, ["training.noise_std", "nan"]),
        (SGD.data, {"name": "mnits"}, ["data.name", "did you mean 'mnist'"]),
        (SGD.data, {"train": 0}, ["data.train", "above 0"]),
        (SGD.data, {"test": -5}, ["data.test", "-5"]),
        (SGD.model, {"name": "mnist_cn"}, ["model.name", "did you mean 'mnist_cnn'"]),
        (SGD.model, {"width": 0.0}, ["model.width", "(0, 8]"]),
        (SGD.model, {"hidden": (500, 0)}, ["model.hidden", "[0]"]),
    ],
)
def test_a_bad_value_is_refused_and_its_field_named(part, change, words):
    with pytest.raises(ValueError, match=re.escape(words[0])) as error:
        replace(part, **change)
    assert all(word in str(error.value) for word in words)


def test_labels_are_not_in_the_key():
    assert spec_digest(replace(SGD, reading="matched", scale="paper")) == spec_digest(SGD)
    attacked = replace(FGSM, train=replace(SGD, reading="candidate"))
    assert spec_digest(attacked) == spec_digest(FGSM)


@pytest.mark.parametrize(
    "changed",
    [
        replace(SGD, seed=1),
        replace(SGD, data=replace(SGD.data, train=599)),
        replace(SGD, data=Data(name="digits", train=200, test=100)),
        replace(SGD, model=replace(SGD.model, normalize=False)),
        replace(SGD, model=replace(SGD.model, hidden=(500, 500))),
        replace(SGD, training=replace(SGD.training, lr=0.2)),
        DPSGD,
        replace(DPSGD, training=replace(DPSGD.training, noise_std=1.4)),
    ],
)
def test_every_setting_is_in_the_key(changed):
    assert spec_digest(changed) not in {spec_digest(SGD), spec_digest(replace(DPSGD, seed=9))}


def test_what_an_accountant_sees_is_noise_over_clip():
    training = replace(DPSGD.training, clip_norm=0.5, noise_std=1.0)
    assert training.noise_multiplier == 2.0


def test_seeds_hang_on_key_and_purpose_alone():
    assert seed_for("0123456789abcdef", "init/0") == 5965441069479919002
    assert seed_for("0123456789abcdef", "init/1") != seed_for("0123456789abcdef", "init/0")
    assert 0 <= seed_for("x", "y") < 2**63


def test_the_canonical_text_has_one_form_and_no_nan():
    assert canonical({"b": [1, 2.5], "a": None}) == '{"a":null,"b":[1,2.5]}'
    with pytest.raises(ValueError, match="not JSON compliant"):
        canonical({"a": NAN})


def test_kinds_and_upstream():
    assert [specs.kind(s) for s in (SGD, FGSM, PGD)] == ["train", "fgsm", "pgd"]
    assert specs.upstream(SGD) == {}
    assert specs.upstream(PGD) == {"train": SGD}


def test_flat_names_every_setting():
    names = registry.settings(FGSM, labels=True)
    assert names["train.training.lr"] == 0.1
    assert names["train.model.hidden"] == [500]
    assert names["eps"] == [0.0, 0.05, 0.1]
    assert "train.reading" in names
    assert "train.reading" not in registry.settings(FGSM, labels=False)


def test_model_settings_are_the_arguments_of_its_function():
    model = Model(name="mnist_cnn", width=0.5, hidden=(500,), normalize=True)
    assert model.settings == {"width": 0.5, "hidden": (500,), "normalize": True}
