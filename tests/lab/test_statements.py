"""The committed claims: their denominators, and identities that a slip of the pen would break."""

from collections import Counter
from math import ceil, sqrt

import pytest

from privrob import paths
from privrob.lab import claims, registry, statements
from privrob.training.loop import updates_per_epoch


@pytest.fixture(scope="module")
def by_id() -> dict:
    return {claim.id: claim for claim in statements.load()}


@pytest.fixture(scope="module")
def derived(tmp_path_factory) -> dict:
    """The verdict on each derived claim."""
    every = claims.ledger()
    return {e.claim.id: e.headline for e in every if e.tier == "derived"}


def cells(by_id: dict, table: str, column: str) -> dict:
    """Row -> published."""
    return {
        name.split("/")[2]: claim.published
        for name, claim in by_id.items()
        if name.startswith(f"{table}/") and name.endswith(f"/{column}")
    }


# -- what is there ------------------------------------------------------------------------------


def test_every_exhibit_has_its_denominator(by_id):
    counts = Counter(f"{c.paper}/{c.exhibit}" for c in by_id.values() if c.kind != "derived")
    assert counts == {
        "song2019/yale": 7 * 6,
        "song2019/fashion-mnist": 7 * 6,
        "song2019/cifar10": 4 * 6,
        "song2019/contribution1": 15 + 3 + 8,  # 8 of I_V
        "song2019/contribution2": 15 + 3 + 3,
        "song2019/contribution3": 3,
        "song2019/contribution4": 2,
        "song2019/figure1": 7,
        "tursynbek2020/clean": 3,
        "tursynbek2020/figure1": 2,
        "tursynbek2020/figure2": 5,
        "tursynbek2020/figure3": 6,
        "tursynbek2020/figure4": 4,
        "tursynbek2020/figure5": 4,
        "tursynbek2020/figure6": 4,
        "tursynbek2020/figure7": 2 + 1,  # and our check
        "tursynbek2020/section2.3.4": 1,
        "tursynbek2020/section4": 1 + 1,  # and our check
        "tursynbek2020/controls": 4,  # ours
        "tursynbek2020/controls-cifar": 3,  # ours
        "tursynbek2020/leaks-cifar": 2,  # ours
        "tursynbek2020/reasons": 3 + 2 + 2,  # ours
        "tursynbek2020/section3.3": 6 + 2,
        "tursynbek2020/section3.4": 1,
        "tursynbek2020/section3.6": 9 + 3,
        "tursynbek2020/table1": 18 + 4,
        # 33 rows of 7 columns, two of which stand under 'clean', and four statements
        "tursynbek2020/table2": 33 * 7 - 2 + 4,
    }


def test_every_claim_is_judged_by_a_written_tolerance_an_order_or_arithmetic(by_id):
    for claim in by_id.values():
        assert (claim.tolerance is not None) == (claim.kind == "value"), claim.id
        assert claim.kind == "derived" or claim.experiment or claim.not_attempted, claim.id


def test_no_accuracy_leaves_the_scale(by_id):
    for claim in by_id.values():
        if claim.kind == "value" and claim.unit == "percent":
            assert 0 <= claim.published <= 100, claim.id


def test_no_cost_is_told_before_its_base(by_id):
    texts = {str(c.not_attempted) for c in by_id.values() if c.not_attempted}
    assert len(texts) < 16  # written once for what it is about


# -- words --------------------------------------------------------------------------------------

TEXTS = {"song2019": "song2019-opening.txt", "tursynbek2020": "tursynbek2020.txt"}


def letters(text: str) -> str:
    """Without what typesetting adds: breaks, hyphens at the end of a line, curled apostrophes."""
    text = text.replace("-\n", "").replace("’", "'").replace("‘", "'")
    return " ".join(text.split())


@pytest.mark.parametrize("paper", TEXTS)
def test_quotes_stand_in_the_paper_letter_by_letter(by_id, paper):
    path = paths.repository().parent / "shared" / "papers" / TEXTS[paper]
    if not path.exists():
        pytest.skip(f"the text of {paper} is not at hand")
    text = letters(path.read_text(encoding="utf-8"))
    quotes = {c.published for c in by_id.values() if c.paper == paper and c.words == "quote"}
    assert quotes
    assert {quote for quote in quotes if letters(quote) not in text} == set()


def test_every_statement_stands_alone(by_id):
    for claim in by_id.values():
        assert not claim.statement.startswith("The same"), claim.id
        if claim.exhibit in SIZES or claim.exhibit.startswith("contribution"):
            named = ("Yale Face", "Fashion-MNIST", "CIFAR-10", "one data set at least")
            assert any(name in claim.statement for name in named), claim.id
        if claim.exhibit in ("section3.3", "section3.6", "figure5", "figure6"):
            assert "MNIST" in claim.statement or "CIFAR-10" in claim.statement, claim.id


def test_what_is_not_the_papers_own_says_so(by_id):
    texts = {c.id: c.shown for c in by_id.values() if isinstance(c.published, str)}
    for name, shown in texts.items():
        ours = shown.startswith(("in our words: ", "our check, not printed: "))
        assert ours != (shown[0] + shown[-1] == "“”"), name
    for part in ("linf-below-l2", "eq1-covers"):
        found = [shown for name, shown in texts.items() if part in name]
        assert found
        assert all(shown.startswith("our check") for shown in found)


# -- transcription ------------------------------------------------------------------------------

SIZES = {"yale": (1900, 514), "fashion-mnist": (60000, 10000), "cifar10": (50000, 10000)}


@pytest.mark.parametrize("name", SIZES)
def test_stored_accuracies_are_whole_numbers_of_images(by_id, name):
    for kind, n in zip(("train", "test"), SIZES[name], strict=True):
        for prefix in ("", "adversarial-"):
            found = cells(by_id, f"song2019/{name}", prefix + kind)
            assert len(found) == (4 if name == "cifar10" else 7)
            for row, percent in found.items():
                images = percent / 100 * n
                assert abs(images - round(images)) <= 0.00005 / 100 * n + 1e-9, (row, kind)


@pytest.mark.parametrize("name", SIZES)
def test_inference_accuracies_know_their_sets_and_their_rule(by_id, name):
    n, m = SIZES[name]
    errors = 2 * 100 * sqrt(1 / n + 1 / m) / 4
    found = [c for i, c in by_id.items() if i.startswith(f"song2019/{name}/") and "/infer-" in i]
    assert len(found) == (8 if name == "cifar10" else 14)
    for claim in found:
        assert claim.sets == {"members": n, "nonmembers": m}
        assert claim.tolerance == round(2 * (errors + 1)) / 2
        assert claim.printed_decimals == 4
    for claim in by_id.values():  # the sizes are written again for the measures
        table = claim.arguments.get("table")
        if "members" in claim.arguments and table == f"song2019/{name}":
            assert (claim.arguments["members"], claim.arguments["nonmembers"]) == (n, m)
        sizes = claim.arguments.get("sizes", {})
        assert sizes.get(f"song2019/{name}", [n, m]) == [n, m]


@pytest.mark.parametrize("name", ["fashion-mnist", "cifar10"])
def test_stored_inference_accuracies_are_half_of_two_whole_rates(by_id, name):
    members, _ = SIZES[name]  # of which the other set's size is a divisor
    for column in ("infer-benign", "infer-adversarial"):
        for row, percent in cells(by_id, f"song2019/{name}", column).items():
            halves = percent / 100 * 2 * members
            assert abs(halves - round(halves)) <= 0.00005 / 100 * 2 * members + 1e-9, row


def test_inference_is_at_least_a_guess_and_nearly_the_gap_attack(by_id):
    # Guessing 'member' where the label is right is one threshold on the margin, not on the
    # confidence: the stored attack may fall a little short of it, by two points on Yale.
    for name in SIZES:
        for inputs, column in (("", "infer-benign"), ("adversarial-", "infer-adversarial")):
            train, test, infer = (
                cells(by_id, f"song2019/{name}", c)
                for c in (f"{inputs}train", f"{inputs}test", column)
            )
            for row in infer:
                gap_attack = 50 + (train[row] - test[row]) / 2
                assert infer[row] >= max(50, gap_attack - 2.1), (name, row)


COLUMNS = {
    "sgd": 90.514, "dpsgd": 74.723, "difference": 15.998, "s1.3-c0.8": 75.364,
    "s1.3-c1.2": 73.766, "s0.7-c1": 77.425, "s1.5-c1": 73.521,
}  # fmt: skip


@pytest.mark.parametrize("column", COLUMNS)
def test_the_columns_of_table_2_add_up_as_they_did_when_first_read(by_id, column):
    found = cells(by_id, "tursynbek2020/table2", column)
    rows = [v for row, v in found.items() if row not in ("baseline", "average")]
    assert len(rows) == 31
    assert sum(rows) / 31 == pytest.approx(COLUMNS[column], abs=6e-4)


def test_the_copy_error_is_corrected_by_the_numbers_beside_it(by_id):
    row = {
        c: by_id[f"tursynbek2020/table2/gaussian-noise/{c}"] for c in ("sgd", "dpsgd", "difference")
    }
    assert row["sgd"].published == by_id["tursynbek2020/table2/stripe/sgd"].published
    total = row["dpsgd"].published + row["difference"].published
    assert row["sgd"].corrected == pytest.approx(total)
    assert row["sgd"].target == row["sgd"].corrected
    assert [c.id for c in by_id.values() if c.corrected is not None] == [row["sgd"].id]


def test_accounted_settings_are_those_of_the_registry(by_id):
    given = by_id["tursynbek2020/section3.1/privacy-budget-prv"].arguments
    dp = registry.pair(*registry.READINGS["literal"], reading="literal", seed=0)["dpsgd"].training
    assert given["noise_multiplier"] == dp.noise_std / dp.clip_norm
    assert given["batch_size"] / given["images"] == dp.sample_rate
    assert (given["batch_size"], given["epochs"]) == (dp.batch_size, dp.epochs)
    ours = updates_per_epoch(given["images"], batch_size=given["batch_size"])
    assert ours == ceil(given["images"] / given["batch_size"])


# -- verdicts on the print ----------------------------------------------------------------------

TABLE2 = "tursynbek2020/table2"


def test_the_printed_differences_hold_in_all_rows_of_table_2_but_two(derived):
    rows = {
        i: a.verdict.word
        for i, a in derived.items()
        if i.startswith(TABLE2) and i.endswith("/arithmetic")
    }
    assert Counter(rows.values()) == {"reproduced": 31, "not reproduced": 2}
    wrong = {i.split("/")[2] for i, word in rows.items() if word == "not reproduced"}
    assert wrong == {"gaussian-noise", "zoom-blur"}
    assert derived[f"{TABLE2}/gaussian-noise/arithmetic"].evidence.value == 6.84
    assert derived[f"{TABLE2}/zoom-blur/arithmetic"].evidence.value == 6.61


def test_the_printed_averages_hold_in_four_columns_and_with_the_cell_restored(derived):
    start = f"{TABLE2}/average/mean-"
    words = {
        i.removeprefix(start): a.verdict.word for i, a in derived.items() if i.startswith(start)
    }
    bad = ("sgd", "dpsgd", "difference")
    good = ("sgd-restored", "s1.3-c0.8", "s1.3-c1.2", "s0.7-c1", "s1.5-c1")
    assert words == dict.fromkeys(bad, "not reproduced") | dict.fromkeys(good, "reproduced")


@pytest.mark.parametrize(
    ("name", "value", "word"),
    [
        ("tursynbek2020/section3.1/privacy-budget", 4.076, "reproduced"),
        ("tursynbek2020/section3.1/privacy-budget-prv", 1.891, "reproduced"),
        ("tursynbek2020/section3.1/privacy-budget-rdp", 2.027, "reproduced"),
        ("tursynbek2020/section2.2/eq1-covers-mnist", 2.185, "reproduced"),
        ("tursynbek2020/section2.2/eq1-covers-cifar10", -0.51, "not reproduced"),
        ("tursynbek2020/section2.3.5/corruptions", 31, "reproduced"),
        ("tursynbek2020/section3.1/gap-as-printed", 2.61, "reproduced"),
        ("tursynbek2020/section3.3/linf/drop-as-printed", 14.935, "reproduced"),
        ("tursynbek2020/section3.3/l2/drop-as-printed", 15.827, "reproduced"),
        ("tursynbek2020/section3.6/linf/drop-as-printed", 11.194, "reproduced"),
        ("tursynbek2020/section3.6/l2/drop-as-printed", 11.236, "reproduced"),
        ("tursynbek2020/section3.6/accuracy/gap-as-printed", 11.2, "reproduced"),
        ("tursynbek2020/section3.3/linf-below-l2-sgd", 1.811, "reproduced"),
        ("tursynbek2020/section3.3/linf-below-l2-dpsgd", 1.523, "reproduced"),
        ("tursynbek2020/section3.6/linf-below-l2-sgd", -0.09, "not reproduced"),
        ("tursynbek2020/section3.6/linf-below-l2-dpsgd", -0.08, "not reproduced"),
        (f"{TABLE2}/gap-grows/as-printed", 29 / 31, "reproduced"),
        (f"{TABLE2}/largest-gaps/as-printed", 63.47 - 38.11, "reproduced"),
        (f"{TABLE2}/drop-grows-with-clip/as-printed", 0.49, "reproduced"),
        (f"{TABLE2}/drop-grows-with-noise/as-printed", 1.02, "reproduced"),
        ("song2019/contribution2/yale-ratio/stored", 3.216, "not reproduced"),
        ("song2019/contribution2/fashion-mnist-ratio/stored", 2.036, "reproduced"),
        ("song2019/contribution2/cifar10-ratio/stored", 3.456, "reproduced"),
    ],
)
def test_the_verdict_on_what_is_printed(derived, name, value, word):
    assert derived[name].evidence.value == pytest.approx(value, abs=1e-3)
    assert derived[name].verdict.word == word


def test_which_defences_raise_the_risk_on_the_stored_outputs(derived):
    start = "song2019/contribution2/"
    words = {
        i.removeprefix(start): a.verdict.word for i, a in derived.items() if i.startswith(start)
    }
    both = {i.removesuffix("/stored"): w for i, w in words.items()}
    fails = {f"fashion-mnist-{m}" for m in ("duality", "abstract", "interval", "all")}
    assert {i for i, w in both.items() if w == "not reproduced"} == fails | {"yale-ratio"}
    assert "undecided" not in both.values()
    somewhere = {i for i in both if i.startswith("any-")}
    assert len(somewhere) == 6
    assert {both[i] for i in somewhere} == {"reproduced"}


def test_the_ratio_that_is_not_reached_says_what_it_would_need(derived, by_id):
    why = derived["song2019/contribution2/yale-ratio/stored"].verdict.why
    natural = by_id["song2019/yale/natural/infer-benign"].published
    for ratio in (4.45, 4.55):
        assert f"{50 + ratio * (natural - 50):.2f}" in why
    assert "I_V" in why
    assert derived["song2019/contribution2/cifar10-ratio/stored"].verdict.why == ""


def test_what_is_verifiable_says_that_i_v_is_not_stored(by_id):
    for name, claim in by_id.items():
        stored = "/contribution" in name and name.endswith("/stored")
        verifiable = any(m in name for m in ("duality", "abstract", "interval", "-all", "-ratio"))
        if stored:
            silent = not verifiable or "cifar10" in name
            assert ("I_V" not in claim.statement) == silent, name


def test_where_adversarial_inputs_tell_more_on_the_stored_outputs(derived):
    start, end = "song2019/contribution1/", "/stored"
    words = {
        i[len(start) : -len(end)]: a.verdict.word for i, a in derived.items() if i.startswith(start)
    }
    assert len(words) == 18
    assert {i for i, w in words.items() if w == "not reproduced"} == {"cifar10-distributional"}
    assert all(words[f"{name}-all"] == "reproduced" for name in SIZES)
