"""song2019's claims on the Yale faces, on records made up so that the answer is known."""

import numpy as np
import pytest
from test_claims import assess, save, store  # noqa: F401  (a fixture)

from privrob.lab import claims, costs, registry, song2019, statements
from privrob.lab.markup import duration

MEMBERS, NONMEMBERS = 1900, 514
EXPERIMENT = "song2019/yale-membership"
KINDS = ("benign", "adversarial", "verified")


@pytest.fixture(scope="module")
def by_id() -> dict:
    return {c.id: c for c in statements.load()}


def known(model: str, accuracies: dict[str, float]) -> dict:
    """A record of `model` in which each inference reaches so many percent, to a point's worth.

    So many members score 1 as give the accuracy, all others 0.
    """
    arrays = {}
    for kind, percent in accuracies.items():
        share = 2 * percent / 100 - 1
        arrays[f"confidence_{kind}_train"] = 1.0 * (np.arange(MEMBERS) < share * MEMBERS)
        arrays[f"confidence_{kind}_test"] = np.zeros(NONMEMBERS)
    for kind in KINDS[:2]:
        for part, size in (("train", MEMBERS), ("test", NONMEMBERS)):
            arrays[f"correct_{kind}_{part}"] = np.arange(size) < 0.9 * size
    return arrays


def fill(store, accuracies: dict, *, seeds=(0,), experiment=EXPERIMENT):  # noqa: F811
    for v in registry.experiment(experiment).variants("paper"):
        if v.seed in seeds and v.model in accuracies:
            save(store, v.spec, known(v.model, accuracies[v.model]))


def seven(**changed: dict) -> dict:
    """Accuracies of all seven by I_B and I_A, and I_V of the verifiable ones."""
    every = {m: {"benign": 62.0, "adversarial": 66.0} for m in song2019.NAMES}
    every["natural"] = {"benign": 56.0, "adversarial": 54.0}
    for m in song2019.VERIFIABLE:
        every[m]["verified"] = 77.0
    return every | changed


def verdict(monkeypatch, store, claim) -> tuple[str, float | None]:  # noqa: F811
    found = assess(monkeypatch, store, claim).headline
    return str(found.verdict), found.evidence.value if found.evidence else None


@pytest.mark.parametrize(
    ("name", "value"), [("private-leaks-less", 8.0), ("private-leaks-less-at-equal-accuracy", 2.0)]
)
def test_private_training_is_compared_with_sgd_and_its_target_with_sgd_stopped(
    monkeypatch,
    store,  # noqa: F811
    by_id,
    name,
    value,
):
    sgd = {("sgd", ""): 60.0, ("sgd", "stopped"): 55.0}
    reached = sgd | {("dpsgd", ""): 52.0, ("dpsgd", "target"): 53.0}
    for v in registry.experiment("tursynbek2020/cifar-membership").variants("paper", seed=0):
        percent = dict.fromkeys(KINDS[:2], reached[v.model, v.note])
        save(store, v.spec, known(v.model, percent))
    claim = by_id[f"tursynbek2020/leaks-cifar/{name}"]
    found = assess(monkeypatch, store, claim).headline
    assert found.evidence.value == pytest.approx(value, abs=0.2)
    assert len(found.evidence.records) == 2


# -- without records, and with those of one model -------------------------------------------------


def test_without_records_they_say_what_the_models_would_cost(monkeypatch, store, by_id):  # noqa: F811
    claim = by_id["song2019/yale/pgd/infer-benign"]
    entry = assess(monkeypatch, store, claim)
    specs = [
        s
        for v in registry.experiment(EXPERIMENT).variants("paper")
        if v.model == "pgd"
        for s in (v.train, v.spec)
    ]
    minutes = sum(costs.minutes(s, images=(MEMBERS, NONMEMBERS)) for s in specs)
    assert entry.headline.minutes == pytest.approx(minutes)
    text = f"not attempted (6 runs are missing, about {duration(minutes)})"
    assert str(entry.headline.verdict) == text


LARGE = {  # exhibit -> the experiment that completes it on a GPU
    "fashion-mnist": "song2019/fashion-membership",
    "cifar10": "song2019/cifar-membership",
}


def test_every_number_and_contrast_of_the_data_sets_waits_for_an_experiment(by_id):
    named = ("yale", *LARGE, "figure1", "contribution1", "contribution2")
    mine = [c for c in by_id.values() if c.paper == "song2019" and c.exhibit in named]
    for claim in (c for c in mine if c.kind != "derived"):
        assert claim.measure, claim.id
        needs_gpu = claim.experiment != EXPERIMENT
        assert (claim.not_attempted is not None) == needs_gpu, claim.id
        if needs_gpu:
            assert "GPU" in claim.not_attempted.cost


@pytest.mark.parametrize("name", LARGE)
def test_records_of_a_gpu_complete_the_ledger_without_edits(monkeypatch, store, by_id, name):  # noqa: F811
    claim = by_id[f"song2019/{name}/pgd/infer-adversarial"]
    word, _ = verdict(monkeypatch, store, claim)
    assert word == f"not attempted ({claim.not_attempted})"
    both = {"natural": dict.fromkeys(KINDS[:2], 57.1)}
    both["pgd"] = {"benign": 58.3, "adversarial": claim.published}
    fill(store, both, experiment=LARGE[name])
    assert verdict(monkeypatch, store, claim)[0].startswith("reproduced (n = 1")
    contrast = by_id[f"song2019/contribution2/{name}-pgd"]
    assert verdict(monkeypatch, store, contrast)[0].startswith("reproduced (n = 1")
    ratio = by_id[f"song2019/contribution2/{name}-ratio"]  # needs the other defences
    assert verdict(monkeypatch, store, ratio)[0].startswith("not attempted (")


def test_records_of_cifar_10_complete_figure_1(monkeypatch, store, by_id):  # noqa: F811
    both = {"natural": {"benign": 57.0}, "pgd": {"benign": 75.0}}
    fill(store, both, experiment=LARGE["cifar10"])
    expected = {
        "robust/train": ("not reproduced", 90.0),
        "natural/test": ("not reproduced", 90.0),
        "zero-loss/train": ("reproduced", 14.0),  # whose confidence is 1
        "zero-loss/test": ("not reproduced", 0.0),
        "divergence": ("reproduced", 36.0),
    }
    for name, (word, value) in expected.items():
        text, found = verdict(monkeypatch, store, by_id[f"song2019/figure1/{name}"])
        assert text.split(" (")[0] == word, name
        assert found == pytest.approx(value, abs=0.3), name


def test_records_of_the_natural_model_settle_its_claims_alone(monkeypatch, store, by_id):  # noqa: F811
    fill(store, {"natural": {"benign": 56.0, "adversarial": 54.3}})
    value = verdict(monkeypatch, store, by_id["song2019/yale/natural/infer-benign"])
    assert value[0] == "reproduced (n = 1, interval over examples)"
    assert value[1] == pytest.approx(56, abs=0.06)
    other = verdict(monkeypatch, store, by_id["song2019/contribution2/yale-pgd"])
    assert other[0].startswith("not attempted (")


# -- with all of them -----------------------------------------------------------------------------


def test_the_claims_of_all_seven(monkeypatch, store, by_id):  # noqa: F811
    fill(store, seven())
    expected = {
        "yale/pgd/train": ("not reproduced", 90.0),
        "yale/pgd/infer-adversarial": ("reproduced", 66.0),
        "contribution2/yale-ratio": ("reproduced", 27 / 6),
        "contribution2/yale-all": ("reproduced", 10.0),
        "contribution1/yale-all": ("reproduced", 4.0),
        "contribution1/yale-all/verified": ("reproduced", 15.0),
        "contribution1/yale-interval/verified": ("reproduced", 15.0),
    }
    for name, (word, value) in expected.items():
        text, found = verdict(monkeypatch, store, by_id[f"song2019/{name}"])
        assert text.split(" (")[0] == word, name
        assert "n = 1" in text
        assert found == pytest.approx(value, abs=0.06), name


def test_one_model_that_leaks_less_refutes_that_all_leak_more(monkeypatch, store, by_id):  # noqa: F811
    fill(store, seven(diff={"benign": 50.5, "adversarial": 50.0}))
    for name in ("yale-all", "yale-difference"):
        text, value = verdict(monkeypatch, store, by_id[f"song2019/contribution2/{name}"])
        assert text.startswith("not reproduced")
        assert value == pytest.approx(-5.5, abs=0.06)
    text, _ = verdict(monkeypatch, store, by_id["song2019/contribution2/yale-pgd"])
    assert text.startswith("reproduced")


def test_an_increase_within_what_sampling_moves_is_undecided(monkeypatch, store, by_id):  # noqa: F811
    rng = np.random.default_rng(0)
    for v in registry.experiment(EXPERIMENT).variants("paper"):
        if v.seed == 0 and v.model in ("natural", "pgd"):
            arrays = known(v.model, {})
            for kind in KINDS[:2]:
                arrays[f"confidence_{kind}_train"] = rng.normal(0.2, 1, MEMBERS)
                arrays[f"confidence_{kind}_test"] = rng.normal(0, 1, NONMEMBERS)
            save(store, v.spec, arrays)
    text, _ = verdict(monkeypatch, store, by_id["song2019/contribution2/yale-pgd"])
    assert text.startswith("undecided (n = 1")


def test_differences_are_paired_by_seed(monkeypatch, store, by_id):  # noqa: F811
    for seed, (natural, pgd) in enumerate(((54.0, 60.0), (58.0, 64.2), (62.0, 67.8))):
        both = {"natural": natural, "pgd": pgd}
        accuracies = {m: dict.fromkeys(KINDS[:2], p) for m, p in both.items()}
        fill(store, accuracies, seeds=(seed,))
    entry = assess(monkeypatch, store, by_id["song2019/contribution2/yale-pgd"])
    found = entry.headline.evidence
    assert found.basis == "seeds"
    assert found.values == pytest.approx((6.0, 6.2, 5.8), abs=0.06)
    assert 5 < found.low < found.high < 7  # the models themselves differ by eight points
    assert entry.headline.verdict.word == "reproduced"


def test_a_natural_model_that_tells_nothing_blocks_the_ratio(monkeypatch, store, by_id):  # noqa: F811
    fill(store, seven(natural={"benign": 50.0, "adversarial": 50.0}))
    text, _ = verdict(monkeypatch, store, by_id["song2019/contribution2/yale-ratio"])
    assert text == "blocked (no attack has an advantage on natural)"


def test_a_claim_names_models_of_its_experiment(by_id):
    claim = by_id["song2019/contribution2/yale-all"]
    assert claim.models == tuple(song2019.NAMES)
    fields = {f: getattr(claim, f) for f in claim.__dataclass_fields__}
    wrong = {**claim.arguments, "models": ["pgd", "difff"]}
    with pytest.raises(ValueError, match="no 'difff'; did you mean 'diff'"):
        statements.Claim(**fields | {"arguments": wrong})
    assert claims.HEADLINE == "literal"
