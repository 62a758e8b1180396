"""Arms of shadow models and what is told of them, against slow loops on scores made up here."""

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest

from privrob import data, exhibits, stats
from privrob.exhibits import lira, lira_order, shadows
from privrob.exhibits.leaks import Leak
from privrob.lab import registry, song2019
from privrob.membership import threshold

N = song2019.HALVES
DIGITS = data.load("digits").splits
LABELS = np.concatenate([DIGITS[part].y.numpy() for part in ("train", "test")])
MEMBERS = data.halves(LABELS, models=N, seed=0)
VARIANTS = registry.experiment("song2019/halves").variants("quick")


def world(*, shift, seed=0):
    """Log-odds (N, P) with a difficulty of each point, raised by `shift` where it was held."""
    rng = np.random.default_rng(seed)
    difficulty = rng.normal(0, 3, len(LABELS))
    noise = rng.normal(0, 1, MEMBERS.shape)
    return (noise + difficulty + shift * MEMBERS).astype(np.float32)


def leaks_of(scores, *, model, count=N, tier="executed", source="quick"):
    """The first `count` models of an arm as records have them: members and others apart."""
    found = []
    for variant in [v for v in VARIANTS if v.model == model][:count]:
        k = variant.train.data.half
        arrays = {}
        for side, mask in (("train", MEMBERS[k]), ("test", ~MEMBERS[k])):
            arrays[f"labels_{side}"] = LABELS[mask].astype(np.int16)
            for kind, sign in (("benign", 1), ("adversarial", -1)):
                arrays[f"log_odds_{kind}_{side}"] = sign * scores[k][mask]
                arrays[f"correct_{kind}_{side}"] = sign * scores[k][mask] > 0
        manifest = {"created": "2025-01-31T00:00:00+00:00", "device": "a test"}
        result = SimpleNamespace(
            arrays=arrays, key=f"{model}{k}{tier}", manifest=manifest, state="fresh"
        )
        found.append(Leak(SimpleNamespace(variant=variant, result=result), tier, source))
    return found


def arm(*, shift=1.0, model="pgd", **about):
    (found,) = shadows.arms(leaks_of(world(shift=shift), model=model, **about))
    return found


@pytest.fixture(scope="module")
def two():
    return arm(shift=0.5, model="natural"), arm(shift=2.0, model="pgd")


# -- arms ---------------------------------------------------------------------------------------


def test_scores_come_back_in_the_order_of_all_points(two):
    for found, shift in zip(two, (0.5, 2.0), strict=True):
        np.testing.assert_array_equal(found.log_odds("benign"), world(shift=shift))
        np.testing.assert_array_equal(found.log_odds("adversarial"), -world(shift=shift))
        np.testing.assert_array_equal(found.members, MEMBERS)
        np.testing.assert_array_equal(found.labels, LABELS)


def test_arms_are_of_one_kind_and_tier_in_the_order_of_their_halves():
    scores = world(shift=0)
    mixed = [
        *leaks_of(scores, model="pgd")[::-1],
        *leaks_of(scores, model="natural"),
        *leaks_of(scores, model="pgd", count=3, tier="recorded", source=""),
    ]
    found = shadows.arms(mixed)
    assert [(a.name, a.leaks[0].tier, len(a.leaks), a.enough) for a in found] == [
        ("PGD", "executed", N, True),
        ("natural", "executed", N, True),
        ("PGD", "recorded", 3, False),
    ]
    assert [m.row.variant.train.data.half for m in found[0].leaks] == list(range(N))
    assert shadows.couples(found) == [(found[1], found[0])]


def test_models_of_whole_data_are_in_no_arm():
    leak = leaks_of(world(shift=0), model="pgd", count=1)[0]
    variant = registry.experiment("song2019/yale-membership").variants("quick")[0]
    other = replace(leak, row=SimpleNamespace(variant=variant, result=leak.row.result))
    assert shadows.arms([other]) == []


def test_records_of_data_that_are_not_here_are_left_out(monkeypatch, tmp_path):
    monkeypatch.setenv("PRIVROB_DATA", str(tmp_path))
    variant = registry.experiment("song2019/halves").variants("paper")[0]
    assert not data.locate(variant.train.data.name).found
    leak = leaks_of(world(shift=0), model="pgd", count=1)[0]
    recorded = replace(leak, row=SimpleNamespace(variant=variant, result=leak.row.result))
    assert shadows.arms([recorded]) == []


def test_labels_of_other_points_are_refused():
    leaks = leaks_of(world(shift=0), model="pgd", count=2)
    arrays = leaks[1].row.result.arrays
    arrays["labels_train"] = np.roll(arrays["labels_train"], 1)
    with pytest.raises(ValueError, match="are not those of digits's halves"):
        shadows.arms(leaks)


def test_a_mean_has_the_interval_over_pairs(two):
    values = np.arange(N, dtype=float) ** 2
    slow = [(values[k] + values[k + 1]) / 2 for k in range(0, N, 2)]
    assert two[0].summary(values) == stats.seed_summary(slow)
    odd = arm(count=3)
    with pytest.raises(ValueError, match="3 targets are not pairs of complementary halves"):
        odd.summary(values[:3])


def test_deals_are_halves_that_nobody_trained_on(two):
    dealt = [two[0].dealt(k) for k in range(3)]
    for members in dealt:
        assert (members.sum(axis=0) == N // 2).all()
        assert abs((members == MEMBERS).mean() - 0.5) < 0.02
    assert (dealt[0] != dealt[1]).any()


def test_what_is_missing_of_a_full_scale_arm_is_told():
    rows = shadows.missing_rows("song2019/halves")
    assert [r["arm"] for r in rows][:2] == ["natural", "PGD"]
    assert {r["arm"] for r in rows} == set(song2019.NAMES.values())
    for row in rows:
        assert row["models"] == N
        if row["recorded"] < N:
            assert row["state"] == f"not attempted: {row['recorded']} of {N}"
            assert int(row["hours that it lacks"]) > 0


# -- attacks ------------------------------------------------------------------------------------


@pytest.mark.parametrize("attack", lira.ATTACKS)
def test_targets_are_attacked_one_by_one(two, attack):
    found = lira.reached(two[1], "benign", attack)
    scores = lira.attack_scores(world(shift=2.0), MEMBERS, attack)
    for k in (0, 7):
        sides = scores[k][MEMBERS[k]], scores[k][~MEMBERS[k]]
        if attack == lira.BY_CLASS:
            y = {"member_labels": LABELS[MEMBERS[k]], "nonmember_labels": LABELS[~MEMBERS[k]]}
            assert found.official[k] == threshold.class_thresholds(*sides, **y, classes=10).accuracy
            assert found.auc is None
            assert found.tpr is None
            continue
        audit = threshold.threshold_attack(*sides)
        assert found.official[k] == audit.accuracy
        inside, outside = sides
        area = (inside[:, None] > outside).mean() + (inside[:, None] == outside).mean() / 2
        assert found.auc[k] == pytest.approx(area)
        alarms = np.sort(outside)[::-1][len(outside) // 100]  # above it one in a hundred at most
        assert found.tpr[k] == pytest.approx((inside > alarms).mean())


def test_a_leak_that_difficulty_hides_is_found_by_shadows_alone(two):
    one, ratio = (lira.reached(two[1], "benign", a) for a in (lira.ONE, lira.OFFLINE))
    assert ratio.auc.mean() > 0.85 > 0.75 > one.auc.mean()
    assert ratio.official.mean() > ratio.chance


@pytest.mark.parametrize("attack", lira.RANKED)
def test_where_nothing_leaks_the_area_is_one_half(attack):
    """Within four standard errors over worlds; the partner among the shadows took one percent."""
    areas = []
    for seed in range(6):
        scores = lira.attack_scores(world(shift=0, seed=seed), MEMBERS, attack)
        sides = ((s[held], s[~held]) for s, held in zip(scores, MEMBERS, strict=True))
        areas.append(np.mean([threshold.roc(*two).auc for two in sides]))
    assert abs(np.mean(areas) - 0.5) < 4 * np.std(areas, ddof=1) / 6**0.5


def test_chance_repeats_the_whole_attack():
    """Where nothing leaks the mean lies among those of the deals."""
    nothing = arm(shift=0.0)
    for attack in lira.ATTACKS:
        found = lira.reached(nothing, "benign", attack)
        assert abs(found.held_out.mean() - 0.5) < 0.01
        assert found.official.mean() < found.chance + 0.005 < 0.56


# -- who leaks more -----------------------------------------------------------------------------


@pytest.mark.parametrize("measure", [lira_order.ACCURACY, lira_order.AREA])
def test_the_order_is_told_pair_by_pair(two, measure):
    def sign(first, second, attack=lira.OFFLINE):
        return lira_order.order(first, second, "benign", attack, measure=measure).sign

    found = lira_order.order(*two, "benign", lira.OFFLINE, measure=measure)
    reached = [lira.reached(x, "benign", lira.OFFLINE) for x in two]
    a, b = (r.held_out if measure == lira_order.ACCURACY else r.auc for r in reached)
    slow = stats.seed_summary([(b[k] + b[k + 1] - a[k] - a[k + 1]) / 2 for k in range(0, N, 2)])
    assert found.contrast.mean == pytest.approx(slow.mean)
    assert found.contrast.low == pytest.approx(slow.low)
    assert (sign(*two), sign(*two[::-1]), sign(two[0], two[0])) == (1, -1, 0)


def test_arms_with_other_halves_are_not_compared(two):
    few = arm(model="natural", count=8)
    with pytest.raises(ValueError, match="natural and PGD have different halves"):
        lira_order.order(few, two[1], "benign", lira.ONE, measure=lira_order.AREA)


def test_thresholds_of_classes_have_no_area(two):
    with pytest.raises(ValueError, match="one for each class has no area under the ROC curve"):
        lira_order.order(*two, "benign", lira.BY_CLASS, measure=lira_order.AREA)


def test_verdicts_follow_the_numbers():
    said = {
        (1, 1, (1, 1)): "The order survives LiRA.",
        (1, 1, (1, 0)): "The order survives LiRA, in one of its two forms.",
        (1, 0, (1, 1)): "One threshold does not tell the two apart here, and LiRA finds the "
        "stored order.",
        (1, -1, (0, 1)): "One threshold orders them the other way here, and LiRA finds the stored "
        "order, in one of its two forms.",
        (1, 1, (-1, -1)): "The order does not survive LiRA.",
        (-1, 1, (0, 1)): "The order does not survive LiRA, in one of its two forms.",
        (1, 1, (1, -1)): "LiRA's two forms contradict each other.",
        (1, 1, (0, 0)): "LiRA cannot tell the two apart, so whether the order survives stays open.",
    }
    assert {signs: lira_order.verdict(*signs) for signs in said} == said


def test_the_stored_order_is_that_of_the_ledger():
    stored = exhibits.outputs.stored("yale")
    for inference in ("benign", "adversarial"):
        more = stored["pgd"][f"infer-{inference}"] > stored["natural"][f"infer-{inference}"]
        assert lira_order.published_sign(inference) == (1 if more else -1)


def test_the_sentence_names_the_number_of_models_and_the_measure(two):
    told = lira_order.order_told(*two, measure=lira_order.AREA)
    start = f"Executed (quick), {N} models an arm, by area under the ROC curve. I_B: "
    assert told.startswith(start)
    assert "under LiRA offline, PGD leaks more" in told


# -- what a page shows --------------------------------------------------------------------------


def test_tables_have_every_attack_and_input(two):
    rows = lira.reached_rows(two)
    assert [r["attack"] for r in rows] == [f"{n}, {a}" for n in ("natural", "PGD")
                                           for a in lira.ATTACKS]  # fmt: skip
    found = lira.reached(two[0], "adversarial", lira.ONE)
    assert rows[0]["I_A"].mean == pytest.approx(100 * found.official.mean())
    assert rows[0]["I_A, 95 %\nof chance"].mean == 100 * found.chance
    rare = lira.rare_rows(two)
    assert len(rare) == 2 * len(lira.RANKED)
    for head in ("TPR at\n1 % FPR", "area"):  # of PGD, by LiRA online: far above chance
        assert rare[-1][f"I_B,\n{head}"].low > rare[-1][f"I_B, {head},\n95 % of chance"].mean
    assert rare[1]["I_B,\narea"].mean == pytest.approx(
        100 * lira.reached(two[0], "benign", lira.OFFLINE).auc.mean()
    )
    areas = lira_order.order_rows(*two, measure=lira_order.AREA)
    assert [r["attack"].split(", ")[1] for r in areas] == 2 * list(lira.RANKED)
    assert "published" not in lira_order.order_stamp([two], measure=lira_order.AREA).tiers
    order = lira_order.order_rows(*two, measure=lira_order.ACCURACY)
    assert len(order) == 2 * (1 + len(lira.ATTACKS))
    assert order[0]["PGD"].tier == "published"
    assert order[0]["difference"].tier == "derived"
    chance = order[0]["stored: 95 %\nof chance"]
    members, others = song2019.SIZES["yale_faces"]
    assert chance.mean == 100 * threshold.closed_form_null(members, others).high
    assert chance.tier == "derived"
    assert not any("stored: 95 %\nof chance" in row for row in areas)


def test_accuracies_are_means_over_the_models(two):
    row = shadows.accuracy_rows(two)[1]
    slow = np.mean([100 * (world(shift=2.0)[k][MEMBERS[k]] > 0).mean() for k in range(N)])
    assert row["members,\nbenign"].mean == pytest.approx(slow)
    assert row["models"] == f"PGD, {N}"


def test_figures_say_what_they_show(two):
    shown = lira.show_reached(two)
    assert f"4 attacks on {N} models of each kind" in shown.text
    assert "over the pairs of targets" in shown.text
    roc = lira.show_roc(two, "benign")
    scores = world(shift=2.0)
    rate = threshold.roc(scores[MEMBERS], scores[~MEMBERS]).tpr_at(0.01)
    assert f"PGD, executed (quick): one threshold {100 * rate:.1f}" in roc.text
