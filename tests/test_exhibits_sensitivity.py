"""What the page on single images says, from scores made up here."""

from types import SimpleNamespace

import numpy as np
import pytest

from leak_specimens import leak
from privrob import data
from privrob.exhibits import sensitivity
from privrob.lab.spec import Data, LeftOut

N, K, GROUPS = 40, 5, 3
WHOLE = Data(name="digits", train=N, test=None)
OUT = [data.left_out(N, k=K, group=g, seed=0) for g in range(GROUPS)]


def one(scores, wanted, **about):
    made = leak(scores, np.zeros(10), note=f"{wanted} {about.get('seed', 0)}", **about)
    made.row.variant.train = SimpleNamespace(data=wanted)
    return made


def family(model, fall, *, noise=0.1, draw=0, **about):
    """Full models of two seeds, and one without each group whose images fall by `fall`."""
    rng = np.random.default_rng(draw)
    about |= {"model": model}

    def scores():
        return 1 + rng.normal(0, noise, N)

    made = [one(scores(), WHOLE, seed=s, **about) for s in (0, 1)]
    for g, out in enumerate(OUT):
        lacking = scores()
        lacking[out] -= fall
        wanted = LeftOut(name="digits", train=N, test=None, k=K, group=g, draw=0)
        made.append(one(lacking, wanted, **about))
    return made


def both(natural, robust, **about):
    return sensitivity.cases(
        [*family("natural", natural, **about), *family("pgd", robust, draw=1, **about)]
    )


def test_models_are_put_together_whatever_their_order():
    found = sensitivity.cases(family("pgd", 2)[::-1])
    (case,) = found
    assert case.full.row.variant.seed == 0
    assert [m.row.variant.seed for m in case.others] == [1]
    assert len(case.models) == 2 + GROUPS
    c = case.changes("benign", score="log_odds")
    assert sorted(c.points) == sorted(np.concatenate(OUT))
    for g, (lacking, out) in enumerate(zip(case.without, case.out, strict=True)):
        full = case.full.arrays["log_odds_benign_train"].astype(float)
        expected = full[out] - lacking.arrays["log_odds_benign_train"][out].astype(float)
        assert c.removed[c.groups == g].tolist() == expected.tolist()


@pytest.mark.parametrize("missing", [(0,), (1,), (2, 3)])
def test_incomplete_models_are_no_case(missing):
    made = [m for k, m in enumerate(family("pgd", 2)) if k not in missing]
    assert sensitivity.cases(made) == []


def test_tiers_are_kept_apart():
    small = family("pgd", 2)
    large = family("pgd", 2, tier="recorded", source="")
    names = [case.name for case in sensitivity.cases([*large, *small])]
    assert names == ["PGD, recorded", "PGD"]


@pytest.mark.parametrize(("natural", "robust", "word"), [(1, 3, "more"), (3, 1, "less")])
def test_the_contrast_tells_which_falls_more(natural, robust, word):
    cases = both(natural, robust)
    assert {row["PGD hangs on\nsingle images"] for row in sensitivity.contrast_rows(cases)} == {
        word
    }
    said = sensitivity.told(cases).text
    assert said.count(f"by either score PGD training hangs on single images {word}.") == 2
    c = sensitivity.contrast(*cases, "benign", score="log_odds")
    assert c.fall.mean == pytest.approx(robust - natural, abs=0.2)
    assert c.excess.mean == pytest.approx(robust - natural, abs=0.2)


def test_where_nothing_differs_nothing_is_told():
    cases = both(1, 1)
    cells = {row["PGD hangs on\nsingle images"] for row in sensitivity.contrast_rows(cases)}
    assert cells == {"cannot be told"}
    assert sensitivity.told(cases).text.count("by either score it cannot be told") == 2
    only = sensitivity.cases(family("pgd", 1))
    assert "Nothing to compare" in sensitivity.told(only).text


def test_the_signs_must_agree():
    up, down = (SimpleNamespace(sign=s) for s in (1, -1))
    assert [sensitivity.Contrast(a, b).sign for a, b in ((up, up), (up, down), (down, down))] == [
        1, 0, -1,
    ]  # fmt: skip


def test_cases_without_the_same_images_are_refused():
    natural, robust = both(1, 1)
    other = [*robust.models[:-1]]  # one group fewer
    (fewer,) = sensitivity.cases(other)
    with pytest.raises(ValueError, match="PGD and natural leave out different images"):
        sensitivity.contrast(natural, fewer, "benign", score="log_odds")


def test_tables_have_fall_size_and_gap():
    (case,) = sensitivity.cases(family("pgd", 2))
    c = case.changes("benign", score="log_odds")
    fall = sensitivity.fall_rows([case], score="log_odds")[0]
    assert fall["left out"].mean == pytest.approx(c.removed.mean())
    assert fall["difference"].low < c.net.mean() < fall["difference"].high
    full = case.full.arrays["log_odds_benign_train"].astype(float)
    assert fall["members less\nnon-members"].mean == pytest.approx(full.mean())
    size = sensitivity.size_rows([case], score="confidence")[1]
    seen = case.changes("adversarial", score="confidence")
    assert size["model, inputs"] == "PGD, adversarial"
    assert size["another\nseed"].mean == pytest.approx(100 * seen.seed_size.mean())
    tables = sensitivity.show_tables([case], score="confidence")
    assert all(t.text.startswith("Executed (quick): mean ") for t in tables)


def test_the_figure_has_a_panel_for_each_kind_of_input():
    cases = both(1, 3)
    shown = sensitivity.ranked(cases, score="log_odds")
    assert [r.title for r in shown] == [
        "natural, benign", "natural, adversarial", "PGD, benign", "PGD, adversarial",
    ]  # fmt: skip
    assert all(len(r.changes) == len(r.band) == K * GROUPS for r in shown)
    text = sensitivity.show_ranked(cases, score="log_odds").text
    assert f"{K * GROUPS} of {K * GROUPS} above the band" in text
    assert "privrob run song2019/sensitivity" in text


def test_members_right_under_attack_are_told():
    case = sensitivity.cases(family("pgd", 1))
    assert sensitivity.standing(case).text.endswith("right under attack: PGD 100 %.")


def test_settings_are_those_of_the_registry():
    paper, quick = sensitivity.settings()
    assert (paper["data"], paper["images"], quick["data"]) == ("yale_faces", 1900, "digits")
    for row in (paper, quick):
        assert row["left out of a model"] * row["such models"] <= row["images"]
        assert row["models of all images"] >= 2
