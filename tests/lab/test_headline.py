"""What the command line says of a result, for every kind of it."""

from types import SimpleNamespace

import numpy as np

from privrob.lab import headline, registry, spec


def test_every_kind_has_its_words():
    assert set(headline._WORDS) == set(spec.KINDS)


def test_stand_ins_are_named():
    asked = registry.experiment("tursynbek2020/corruptions").variants("quick")[0].spec
    arrays = {"correct": np.array([[True, True], [True, False]])}
    for made, words in (([False, True], ", 1 of them by generated stand-ins"), ([False] * 2, "")):
        result = SimpleNamespace(spec=asked, arrays=arrays | {"stand_in": np.array(made)})
        expected = f"mean accuracy 75.00% over 2 corruptions{words}"
        assert headline.headline(result) == expected


def test_scores_are_told_by_what_the_official_attack_reaches():
    asked = registry.experiment("song2019/two-halves").variants("quick")[0].spec
    arrays = {
        "log_odds_benign_train": np.array([1.0, 2.0, 3.0, 4.0]),
        "log_odds_benign_test": np.array([0.0, 1.5]),
        "log_odds_adversarial_train": np.array([0.0, 0.0]),
        "log_odds_adversarial_test": np.array([0.0, 0.0]),
    }
    result = SimpleNamespace(spec=asked, arrays=arrays)
    told = "inference accuracy 87.50% benign, 50.00% adversarial"
    assert headline.headline(result) == told
