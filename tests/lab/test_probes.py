"""Tasks that question a model: their arrays against direct calls, one image set at a time."""

from dataclasses import replace
from functools import partial
from importlib import import_module

import numpy as np
import pytest
import torch
from specimens import DPSGD, FGSM, IMAGES, MEMBERSHIP, PROBES, SGD, TARGETED, load, same

from privrob import attacks, corruptions, data, evaluate, geometry
from privrob.attacks import blackbox, boundary
from privrob.exhibits import Scaled
from privrob.lab import costs, recompute, run, tasks
from privrob.lab import spec as specs
from privrob.lab.headline import headline
from privrob.lab.run import Lab, fingerprint_of, key_of
from privrob.lab.spec import (
    Stopped,
    seed_for,
)
from privrob.lab.store import Store
from privrob.lab.tasks import base, probes
from privrob.lab.tasks.base import trained
from privrob.lab.tasks.probes import ATTACKS


@pytest.fixture(scope="module")
def lab(tmp_path_factory):
    patch = pytest.MonkeyPatch()
    patch.setattr(data, "load", load)
    yield Lab(Store(tmp_path_factory.mktemp("store")), on="cpu")
    patch.undo()


@pytest.fixture(scope="module")
def found(lab):
    return {kind: lab.get(spec) for kind, spec in PROBES.items()}


@pytest.fixture(scope="module")
def model(lab, found):
    return trained(SGD, lab.output(lab.get(SGD))).eval()


@pytest.fixture(scope="module")
def batch(lab):
    split = lab.split(IMAGES, "test")
    return split.x.float() / 255, split.y


def test_logits_are_the_models(found, model, batch):
    arrays = found["logits"].arrays
    expected = evaluate.logits(model, batch[0]).half().T
    assert np.array_equal(arrays["logits"], expected.numpy())
    assert np.array_equal(arrays["labels"], batch[1].numpy())


def test_distances_are_the_linearised_ones_and_deepfools(found, model, batch):
    arrays = found["distance"].arrays
    straight = boundary.linearized_distances(model, *batch)
    assert np.allclose(arrays["l2"], straight.l2)
    assert np.allclose(arrays["linf"], straight.linf)
    walked = boundary.deepfool(model, *batch, norm="linf", steps=5, overshoot=0.02)
    moved = (walked.x_adv - batch[0]).abs().amax((1, 2, 3)).numpy()
    fooled = walked.steps.numpy() >= 0
    assert np.allclose(arrays["deepfool_linf"][fooled], moved[fooled], atol=1e-5)
    assert np.isnan(arrays["deepfool_linf"][~fooled]).all()


def test_spectra_have_their_images_last(found, model, batch):
    arrays, direct = found["curvature"].arrays, geometry.curvature(model, batch[0])
    assert np.allclose(arrays["hessian"], direct.hessian.T)
    assert np.allclose(arrays["jacobian"], direct.jacobian.T)
    again = geometry.spectrum(
        torch.from_numpy(arrays["gram"]).permute(2, 0, 1).double(),
        torch.from_numpy(arrays["logits"]).T.double().softmax(1),
    )
    assert np.allclose(again.T, arrays["hessian"], rtol=1e-4, atol=1e-6)


def test_bends_are_those_of_the_seeded_planes(found, model, batch):
    draw = torch.Generator().manual_seed(seed_for("planes", "0"))
    through = geometry.plane(model, *batch, steps=5, generator=draw)
    seen = geometry.cross_section(model, *batch, through, extent=3.0, resolution=7)
    assert np.allclose(found["section"].arrays["bend"], geometry.bend(seen), equal_nan=True)


def test_steps_are_counted_at_every_eps_and_size(found, model, batch):
    walk = partial(attacks.steps_to_success, model, *batch, steps=8)
    expected = [[walk(eps=e, step_size=a).numpy() for a in (0.02, 0.05)] for e in (0.05, 0.3)]
    assert np.array_equal(found["steps"].arrays["first_success"], expected)


def margin(g, y):
    """The largest other logit less that of y."""
    rows = torch.arange(len(g))
    others = torch.stack([g[rows, (y + k) % 10] for k in range(1, 10)])
    return others.amax(0) - g[rows, y]


def test_masking_asks_every_attack(lab, found, model, batch):
    spec, arrays = PROBES["masking"], found["masking"].arrays
    surrogate = trained(spec.surrogate, lab.output(lab.get(spec.surrogate))).eval()
    draw = torch.Generator().manual_seed(seed_for("masking", "0"))
    walk = {"step_size": spec.step_size, "steps": spec.steps}
    straight = walk | {"random_start": False}
    begun = walk | {"random_start": True, "generator": draw}
    asks = {"queries": spec.queries, "first_share": spec.first_share, "generator": draw}
    # In the order in which random numbers are drawn.
    direct = {
        "fgsm": lambda **eps: [attacks.fgsm(model, *batch, **eps)],
        "fgsm_margin": lambda **eps: [attacks.fgsm(model, *batch, **eps, loss=margin)],
        "fgsm_transfer": lambda **eps: [attacks.fgsm(surrogate, *batch, **eps)],
        "pgd": lambda **eps: [attacks.pgd(model, *batch, **eps, **straight)],
        "pgd_margin": lambda **eps: [attacks.pgd(model, *batch, **eps, **straight, loss=margin)],
        "pgd_transfer": lambda **eps: [attacks.pgd(surrogate, *batch, **eps, **straight)],
        "pgd_restarts": lambda **eps: [attacks.pgd(model, *batch, **eps, **begun) for _ in "ab"],
        "noise": lambda **eps: [blackbox.sign_noise(model, *batch, **eps, generator=draw)],
        "square": lambda **eps: [blackbox.square(model, *batch, **eps, **asks)],
    }
    assert direct.keys() == ATTACKS.keys()
    for name, attack in direct.items():
        right = [
            [(evaluate.logits(model, x).argmax(1) == batch[1]).numpy() for x in attack(eps=eps)]
            for eps in spec.eps
        ]
        assert np.array_equal(arrays[name], np.all(right, axis=1)), name
    # Were they alike, none could be taken for another.
    assert (arrays["fgsm_transfer"] != arrays["fgsm"]).any()
    assert (arrays["pgd_transfer"] != arrays["pgd"]).any()


def test_the_margin_fools_a_network_whose_softmax_is_saturated(model, batch):
    loud = Scaled(model, factor=4096)
    draw = torch.Generator().manual_seed(0)
    case = probes._Case(PROBES["masking"], loud, loud, *batch, eps=0.2, draw=draw)
    left = {name: int(ATTACKS[name](case).sum()) for name in ATTACKS}
    assert left["fgsm_margin"] < left["fgsm"]
    assert left["pgd_margin"] < left["pgd"]


def test_corruptions_are_seeded_by_the_draw(found, model, batch):
    seed = seed_for("corruptions", "3")
    for i, name in enumerate(("fog", "shear", "inverse")):
        x = corruptions.corrupt(batch[0], name, seed=seed)
        right = (evaluate.logits(model, x).argmax(1) == batch[1]).numpy()
        assert np.array_equal(found["corrupted"].arrays["correct"][i], right)


def test_how_images_are_cut_into_batches_changes_no_corruption(found, lab, monkeypatch):
    monkeypatch.setattr(base, "BATCH", 5)
    monkeypatch.setattr(probes, "BATCH", 5)
    spec = PROBES["corrupted"]
    upstream = {"train": lab.output(lab.get(SGD))}
    cut = probes.corrupted(spec, upstream, recompute.base.Alone(lab))
    assert same(cut.arrays, found["corrupted"].arrays)


@pytest.mark.parametrize("kind", ["fgsm", "membership", "targeted", *PROBES])
def test_an_interrupted_walk_goes_on_to_the_same_numbers(tmp_path, lab, monkeypatch, kind):
    """Section and masking draw from one generator for all batches, corruptions count images."""
    for module in ("base", "probes", "membership"):  # the last is a function's name, too
        monkeypatch.setattr(import_module(f"privrob.lab.tasks.{module}"), "BATCH", 4)
    monkeypatch.setattr(base, "MINUTE", 0.0)
    monkeypatch.setattr(recompute.base.Alone, "checkpoint", lambda *_, **__: None)
    spec, heard = {"fgsm": FGSM, "membership": MEMBERSHIP, "targeted": TARGETED, **PROBES}[kind], []

    def stop(asked, done, total):
        if asked == spec and done == 8:
            raise KeyboardInterrupt

    upstream = {name: lab.output(lab.get(one)) for name, one in specs.upstream(spec).items()}
    unbroken = tasks.TASKS[kind](spec, upstream, recompute.base.Alone(lab)).arrays
    store = Store(tmp_path)
    with pytest.raises(KeyboardInterrupt):
        Lab(store, on="cpu", listener=stop).get(spec)
    assert store.restore(key_of(spec))[1]["done"] == 1
    again = Lab(store, on="cpu", listener=lambda s, done, _: s == spec and heard.append(done))
    found = again.get(spec).arrays
    assert found.keys() == unbroken.keys()
    for name, array in found.items():  # least squares round as the memory happens to lie
        np.testing.assert_allclose(array, unbroken[name], rtol=1e-5, err_msg=name)
    assert heard[:2] == [0, 8]  # the first batch was not looked at again


# -- a stopped model ----------------------------------------------------------------------------


@pytest.fixture(scope="module")
def stopped(lab):
    few = replace(SGD.data, train=500)
    target = replace(DPSGD, data=few)
    settings = {name: getattr(SGD, name) for name in ("model", "training", "seed")}
    labels = {"reading": "literal", "scale": "reduced"}
    return lab.get(Stopped(data=few, **settings, **labels, target=target, holdout=100))


def test_a_model_is_stopped_at_the_first_update_that_is_good_enough(lab, stopped):
    history, goal = stopped.arrays["history"], stopped.arrays["goal"]
    assert (history[:-1] < goal).all()
    assert history[-1] >= goal
    x, y = lab.split(stopped.spec.held_out, "train").last(100).batch(slice(None))
    ours = trained(stopped.spec, lab.output(stopped))
    theirs = trained(stopped.spec.target, lab.output(lab.get(stopped.spec.target)))
    assert evaluate.accuracy(ours, x, y) == pytest.approx(history[-1])
    assert evaluate.accuracy(theirs, x, y) == pytest.approx(float(goal))


def test_a_goal_that_is_never_reached_is_an_error(lab, stopped):
    short = replace(stopped.spec, training=replace(SGD.training, lr=1e-9, epochs=1))
    with pytest.raises(ValueError, match="below the target's"):
        lab.get(short)


def test_a_stopped_model_can_be_attacked_like_any_other(lab, stopped):
    result = lab.get(replace(FGSM, train=stopped.spec, data=IMAGES))
    assert result.manifest["upstream"] == {"train": stopped.key}


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"holdout": 0}, "holdout must be at least 1, got 0"),
        ({"data": replace(SGD.data, train=400)}, "what target was trained on"),
    ],
)
def test_a_stopped_model_that_cannot_be_is_refused(stopped, change, words):
    with pytest.raises(ValueError, match=words):
        replace(stopped.spec, **change)


# -- checks with other code ---------------------------------------------------------------------


@pytest.mark.parametrize("kind", PROBES)
def test_the_same_code_finds_the_same(lab, found, kind):
    outcome = recompute.recompute(found[kind], lab)
    assert (outcome.agrees, outcome.disagreements, outcome.excused) == (True, 0, 0)


@pytest.mark.parametrize("kind", ["distance", "corrupted", "steps"])
def test_other_answers_are_caught(lab, found, monkeypatch, kind):
    name = recompute.attacks.PER_IMAGE[kind][0]
    changed = dict(found[kind].arrays)
    wrong = changed[name]
    changed[name] = ~wrong if wrong.dtype == bool else wrong + 1
    monkeypatch.setitem(found[kind].__dict__, "arrays", changed)
    assert recompute.recompute(found[kind], lab).agrees is False


def test_a_stopped_model_answers_as_recorded(lab, stopped):
    assert recompute.recompute(stopped, lab).agrees is True


# -- every kind ---------------------------------------------------------------------------------


def test_every_kind_has_a_task_a_check_and_a_fingerprint():
    assert specs.KINDS.keys() == run.tasks.TASKS.keys() == recompute.METHODS.keys()
    texts = [{"type": one.__name__} for one in specs.KINDS.values()]
    assert len({fingerprint_of(text) for text in texts}) == len(specs.KINDS)


@pytest.mark.parametrize("spec", PROBES.values(), ids=PROBES)
def test_every_kind_has_a_cost_and_a_line_for_people(spec):
    assert costs.minutes(spec, images=(600, 100)) > 0
    assert specs.kind(spec) in costs.describe(spec)


def test_every_kind_has_a_headline(found, stopped):
    texts = {kind: headline(result) for kind, result in found.items()}
    assert all("%" in text or "mean" in text or "median" in text for text in texts.values())
    assert headline(stopped).startswith("test accuracy")


@pytest.mark.parametrize(
    ("kind", "change", "words"),
    [
        ("distance", {"steps": 0}, "steps must be at least 1, got 0"),
        ("distance", {"overshoot": -1.0}, "overshoot must be 0 or more, got -1.0"),
        ("section", {"extent": 0.0}, "extent must be above 0, got 0.0"),
        ("section", {"resolution": 4}, "resolution must be odd and at least 3, got 4"),
        ("section", {"draw": -1}, "draw must be 0 or more, got -1"),
        ("steps", {"step_sizes": ()}, "step_sizes"),
        ("steps", {"step_sizes": (0.1, -0.1)}, r"step_sizes must be above 0, got \[-0.1\]"),
        ("steps", {"eps": ()}, "eps must name at least one"),
        ("masking", {"restarts": 0}, "restarts must be at least 1"),
        ("masking", {"first_share": 1.5}, r"first_share must lie in \(0, 1\], got 1.5"),
        ("masking", {"step_size": 0.0}, "step_size must be above 0, got 0.0"),
        ("corrupted", {"corruptions": ("fogg",)}, "did you mean 'fog'"),
    ],
)
def test_a_setting_that_cannot_be_is_refused_and_named(kind, change, words):
    with pytest.raises(ValueError, match=words):
        replace(PROBES[kind], **change)
