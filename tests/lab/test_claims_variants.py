"""Claims that read several variants of an experiment, and those that run in one reading alone."""

from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
from test_claims import assess, save, store  # noqa: F401  (a fixture)

from privrob.lab import claims, measures, registry, statements, verdict_bars
from privrob.lab.statements import Claim

NOTES = ("sigma 0.7, C 1", "sigma 1.3, C 1", "sigma 3, C 1")
EPS = np.array([0.0, 0.1])


def growing(pair):
    """The smallest step of DP-SGD's accuracy at the second eps from one variant to the next."""
    shares = [np.asarray(pair[n]["correct"].mean(-1))[..., 1] for n in pair if n != "sgd"]
    return np.min([b - a for a, b in pairwise(shares)], axis=0)


@pytest.fixture
def claim(monkeypatch) -> Claim:
    monkeypatch.setitem(measures.MEASURES, "growing", growing)
    return Claim(
        id="tursynbek2020/figure3/grows",
        paper="tursynbek2020",
        locus="Figure 3",
        kind="trend",
        statement="It grows.",
        published="grows",
        unit="points",
        experiment="tursynbek2020/noise",
        measure="growing",
        variants=NOTES,
    )


def fill(store, right: dict, *, seeds=(0, 1)):  # noqa: F811
    """FGSM records of 200 images: by note how many DP-SGD has right at the second eps."""
    for v in registry.experiment("tursynbek2020/noise").variants("paper"):
        n = 190 if v.model == "sgd" else right.get(v.note)
        if v.seed in seeds and n is not None:
            correct = np.arange(200) < np.array([195, n + v.seed])[:, None]
            save(store, v.spec, {"eps": EPS, "correct": correct})


def test_the_measure_gets_its_variants_by_name_and_in_order(monkeypatch, store, claim):  # noqa: F811
    fill(store, dict(zip(NOTES, (100, 120, 150), strict=True)))
    [found] = assess(monkeypatch, store, claim).assessments
    assert found.reading == "matched"
    assert found.evidence.values == pytest.approx((0.1, 0.1))
    assert found.evidence.seeds == (0, 1)
    assert len(found.evidence.records) == 2 * 4
    assert found.evidence.planned == 3


def test_one_seed_has_an_interval_over_images(monkeypatch, store, claim):  # noqa: F811
    fill(store, dict(zip(NOTES, (100, 120, 150), strict=True)), seeds=(0,))
    [found] = assess(monkeypatch, store, claim).assessments
    assert found.evidence.basis == "examples"
    assert found.evidence.low < 0.1 < found.evidence.high


def test_a_variant_that_is_missing_leaves_the_claim_not_attempted(monkeypatch, store, claim):  # noqa: F811
    fill(store, dict(zip(NOTES[:2], (100, 120), strict=True)))
    entry = assess(monkeypatch, store, claim)
    assert entry.headline.verdict.word == "not attempted"
    assert "runs are missing" in str(entry.headline.verdict)
    assert entry.headline.minutes > 0


def test_what_runs_in_the_matched_reading_alone_says_so(monkeypatch, store, claim):  # noqa: F811
    fill(store, dict(zip(NOTES, (100, 120, 150), strict=True)))
    entry = assess(monkeypatch, store, claim)
    assert entry.only_matched
    assert entry.literal is None
    literal, matched = verdict_bars.bars([entry])
    assert (literal.name, literal.words["not attempted"]) == ("literal", 1)
    assert (matched.name, matched.words["reproduced"]) == ("matched", 1)


def test_a_single_variant_is_a_pair(claim):
    one = replace(claim, variants=NOTES[:1], measure="fgsm_gap", arguments={"eps": 0.1})
    assert one.models == ("sgd", "dpsgd")
    assert one.role("dpsgd", NOTES[0]) == "dpsgd"
    assert one.role("dpsgd", NOTES[1]) is None


def test_a_variant_that_the_experiment_lacks_is_refused(claim):
    with pytest.raises(ValueError, match="did you mean 'sigma 0.7, C 1'"):
        replace(claim, variants=("sigma 0.7, C 2",))


def test_committed_claims_name_variants_of_their_experiments():
    several = [c for c in statements.load() if c.variants]
    for c in several:
        notes = {v.note for v in registry.experiment(c.experiment).variants("paper")}
        assert set(c.variants) <= notes
    assert claims.HEADLINE == "literal"
