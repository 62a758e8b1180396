"""What each adversary reaches, against loops over every threshold, on scores made up here."""

import numpy as np
import pytest

from leak_specimens import CLASSES, drawn, leak
from privrob import exhibits
from privrob.exhibits.adversary import BY_CLASS, LABELS, OWN, SHADOW, knowledge_columns


def slow_threshold(members, others):
    """The largest of the best, by trying every score."""
    found = []
    for t in np.concatenate([members, others]):
        gain = sum(s >= t for s in members) * len(others) - sum(s >= t for s in others) * len(
            members
        )
        found.append((gain, t))
    return max(found)[1]


def slow_shadow(target, shadow, *, by_class):
    """Balanced accuracy on the target of the shadow's thresholds, point by point."""
    inside, outside = shadow.sides("log_odds_benign")
    y_in, y_out = shadow.sides("labels")
    groups = range(CLASSES) if by_class else [None]
    limits = {
        c: slow_threshold(
            inside if c is None else inside[y_in == c],
            outside if c is None else outside[y_out == c],
        )
        for c in groups
    }
    rates = []
    for scores, labels in zip(target.sides("log_odds_benign"), target.sides("labels"), strict=True):
        called = [
            s >= limits[int(y) if by_class else None] for s, y in zip(scores, labels, strict=True)
        ]
        rates.append(sum(called) / len(called))
    return 50 + 50 * (rates[0] - rates[1])


@pytest.mark.parametrize("seed", range(5))
def test_a_shadows_thresholds_are_the_slow_ones(seed):
    target, shadow = drawn(seed), drawn(100 + seed, n=60, m=90)
    one = exhibits.shadow_rates(target, shadow, "benign").reached("", target).value
    each = exhibits.class_shadow_rates(target, shadow, "benign").reached("", target).value
    assert one == pytest.approx(slow_shadow(target, shadow, by_class=False))
    assert each == pytest.approx(slow_shadow(target, shadow, by_class=True))


def test_the_threshold_does_not_look_at_the_target():
    shadow = leak([2, 3, 4], [-4, -3, -2])
    same, moved = leak([2, 3, 4], [-4, -3, -2]), leak([12, 13, 14], [6, 7, 8])
    values = [
        exhibits.shadow_rates(t, shadow, "benign").reached("", t).value for t in (same, moved)
    ]
    assert values == [100, 50]  # a target that is surer of all is called a member throughout
    assert moved.audit("benign", score="log_odds").official.accuracy == 1


def test_labels_alone_are_half_the_gap():
    target = leak([1, 1, 1, 1, -1], [1, -1, -1, -1, -1])
    reached = exhibits.label_rates(target, "adversarial").reached("", target)
    assert reached.value == pytest.approx(50 + 50 * (0.8 - 0.2))
    assert reached.low < reached.value < reached.high
    assert (reached.chosen, reached.chance) == (None, None)
    worse = leak([1, -1], [1, 1])  # below one half: nothing is turned round
    assert exhibits.label_rates(worse, "benign").reached("", worse).value == 25


def test_shadows_are_of_the_same_kind_seed_and_tier():
    halves = [
        drawn(k, model=model, note=f"half {k}", seed=seed)
        for model in ("natural", "pgd")
        for seed in (0, 1)
        for k in (0, 1, 2)
    ]
    alone = drawn(9, model="pgd", note="half 0", tier="recorded", source="")
    pairs = exhibits.shadow_pairs([*halves, alone])
    assert len(pairs) == 8
    for target, shadow in pairs:
        a, b = target.row.variant, shadow.row.variant
        assert (a.model, a.seed, target.tier) == (b.model, b.seed, shadow.tier)
        assert {a.note, b.note} == {"half 0", "half 1"}


@pytest.fixture
def pair():
    return drawn(0, note="half 0"), drawn(1, n=60, m=90, note="half 1")


def test_five_adversaries_from_most_to_least(pair):
    found = exhibits.knowledge(*pair, "adversarial")
    names = [OWN, OWN + BY_CLASS, SHADOW, SHADOW + BY_CLASS, LABELS]
    assert [r.row for r in found] == [f"PGD, {name}" for name in names]
    assert [r.chosen is None for r in found] == [False, False, True, True, True]
    a = pair[0].audit("adversarial", score="log_odds")
    own, by_class = found[:2]
    assert (own.chosen, own.chance) == (100 * a.official.accuracy, 100 * a.null.high)
    assert own.value == 100 * a.held_out.accuracy
    assert by_class.value == pytest.approx(100 * a.class_held_out.accuracy)
    assert (by_class.chosen, by_class.chance) == (
        100 * a.by_class.accuracy,
        100 * a.class_null.high,
    )


def test_no_shadow_beats_the_best_threshold():
    for seed in range(20):
        target, shadow = drawn(seed), drawn(50 + seed)
        own, _, other, *_ = exhibits.knowledge(target, shadow, "benign")
        assert other.value <= own.chosen + 1e-9


def test_the_figure_and_the_table_have_every_adversary(pair):
    pairs = [pair, pair[::-1]]
    columns = knowledge_columns(pairs)
    assert [len(c.reached) for c in columns] == [10, 10]
    rows = exhibits.knowledge_rows(pairs)
    assert [r["adversary"] for r in rows][4:6] == [
        f"PGD, {LABELS} (half 0)",
        f"PGD, {OWN} (half 1)",
    ]
    official = pair[0].audit("benign", score="log_odds").official.accuracy
    assert rows[0]["I_B, own\nthreshold"].mean == 100 * official
    assert rows[2]["I_B, own\nthreshold"] is None
    shown = exhibits.show_knowledge(pairs, title="what each reaches.")
    assert shown.text.startswith("Executed (quick): what each reaches. Markers:")
    assert all(f"PGD, {name}" in shown.text for name in (OWN, SHADOW, LABELS))


def test_other_radii_have_a_figure():
    found = [drawn(k, note=f"attack eps x {k}") for k in (1, 2)]
    shown = exhibits.show_other_eps(found, title="within several radii.")
    assert "I_A: PGD, attack eps x 1 " in shown.text
    assert "adversarial gap: PGD, attack eps x 1 " in shown.text
