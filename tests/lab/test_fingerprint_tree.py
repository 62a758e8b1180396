"""Fingerprints of the package itself: what they cover against what really runs, and changes."""

import json
import sys
import time
from dataclasses import replace

import head_specimens as heads
import pytest
from packages import forget
from specimens import DPSGD, FGSM, MEMBERSHIP, PGD, PROBES, SGD, TARGETED, load

from privrob import data
from privrob.lab import run, sources, tasks
from privrob.lab import spec as specs
from privrob.lab.context import Context
from privrob.lab.fingerprint import _skipped, choices, covered
from privrob.lab.opaque import opaque
from privrob.lab.run import Lab
from privrob.lab.spec import Stopped
from privrob.lab.store import Store

STOPPED = Stopped(
    **{name: getattr(SGD, name) for name in ("data", "model", "seed", "reading", "scale")},
    training=replace(SGD.training, epochs=20),
    target=SGD,
    holdout=100,
)
SPECS = {"train": SGD, "stopped": STOPPED, "fgsm": FGSM, "pgd": PGD} | PROBES
SPECS |= {"membership": MEMBERSHIP, "targeted": TARGETED}
SPECS |= {"pretrained": heads.PUBLIC, "head": heads.VIEWS, "stoppedhead": heads.STOPPED}


def names(spec):
    """What the fingerprint of a spec covers, without the package's name."""
    found = covered(tasks.TASKS[specs.kind(spec)], chosen=choices(specs.plain(spec, labels=False)))
    return {name.removeprefix("privrob.") for name in found}


def test_there_is_a_specimen_of_every_kind():
    assert SPECS.keys() == specs.KINDS.keys()


# -- what runs is covered -----------------------------------------------------------------------


def watched(task, *args):
    """Functions of the package that run inside a task, but those without a name of their own."""
    seen = set()

    def note(frame, event, argument):
        module = frame.f_globals.get("__name__", "")
        name = frame.f_code.co_qualname.split(".")[0]
        inside = module.startswith("privrob.") and not _skipped(module)
        if event == "call" and inside and not name.startswith(("<", "__")):
            seen.add(f"{module}.{name}".removeprefix("privrob."))

    sys.setprofile(note)
    try:
        task(*args)
    finally:
        sys.setprofile(None)
    return seen


@pytest.fixture(scope="module")
def lab(tmp_path_factory):
    patch = pytest.MonkeyPatch()
    patch.setattr(data, "load", load)
    yield Lab(Store(tmp_path_factory.mktemp("store")), on="cpu")
    patch.undo()


@pytest.mark.parametrize("spec", [*SPECS.values(), DPSGD], ids=[*SPECS, "dpsgd"])
def test_every_function_that_runs_is_covered(lab, tmp_path, spec):
    inputs = {name: lab.output(lab.get(s)) for name, s in specs.upstream(spec).items()}
    unit = Context(spec, "key", "code", Store(tmp_path), lab._splits, run.silent)
    seen = watched(tasks.TASKS[specs.kind(spec)], spec, inputs, unit)
    assert len(seen) > 5
    assert seen <= names(spec)


# -- what does not run mostly is not ------------------------------------------------------------


def test_an_attack_rests_on_its_own_functions():
    found = names(FGSM)
    assert {"attacks.gradient.fgsm_grid", "attacks.gradient._Ball", "evaluate.logits"} <= found
    assert {"models.mnist_cnn", "lab.tasks.base.by_batch"} <= found
    assert not {"attacks.gradient.pgd", "attacks.gradient.Trace", "evaluate.accuracy"} & found
    others = ("corruptions", "training", "geometry", "data", "lab.spec", "privacy", "zoo")
    assert not [name for name in found if name.startswith(others)]


def test_an_upstream_model_s_training_is_its_own_record_s_matter():
    assert "training.loop.fit" in names(SGD)
    assert "training.loop.fit" not in names(PGD)


def test_no_module_behind_a_task_counts_whole():
    """Nor need one: a module of the core that does more than bind names would be in them all."""
    for spec in SPECS.values():
        assert not [name for name in names(spec) if sources.path(f"privrob.{name}")]


def test_modules_of_the_core_only_bind_names():
    root = sources.path("privrob").parent
    modules = {".".join(("privrob", *p.relative_to(root).with_suffix("").parts)): p
               for p in root.rglob("*.py")}  # fmt: skip
    core = {name.removesuffix(".__init__") for name in modules if name.split(".")[1] not in
            ("lab", "plot", "exhibits", "cli")}  # fmt: skip
    assert {name for name in core if opaque(name)} == {"privrob._torchvision"}


# -- a change in the source, in memory ----------------------------------------------------------

CHANGES = {
    "train": ("training/loop.py", "optimizer.step()", "optimizer.step(None)"),
    "stopped": ("training/losses.py", "F.cross_entropy(model(x), y)", "F.mse_loss(model(x), y)"),
    "fgsm": ("attacks/gradient.py", "goal.sign * r)", "goal.sign * r / 2)"),
    "pgd": ("attacks/gradient.py", "steps in snapshots or [0]", "steps in snapshots or [1]"),
    "logits": ("evaluate.py", "g = torch.cat(parts)", "g = torch.cat(parts) + 1"),
    "distance": ("jacobian.py", "g.sum(0).unbind()", "g.mean(0).unbind()"),
    "curvature": ("geometry.py", "def curvature(", "@torch.no_grad()\ndef curvature("),
    "section": ("geometry.py", "OVERSHOOT = 0.02", "OVERSHOOT = 0.03"),
    "steps": ("attacks/gradient.py", "fooled = goal.reached(g)", "fooled = ~goal.reached(g)"),
    "masking": ("attacks/blackbox.py", "0.005", "0.006"),
    "corrupted": ("corruptions/plasma.py", "SIDE = 256", "SIDE = 128"),
    "membership": ("membership/scores.py", "STEP_SHARE = 2.5", "STEP_SHARE = 2.0"),
    "targeted": ("membership/scores.py", "rank + (y <= rank)", "rank + (y < rank)"),
    "pretrained": ("training/augment.py", "2 * padding + 1", "2 * padding + 2"),
    "head": ("models_cifar.py", "nn.MaxPool2d(3, 2)", "nn.MaxPool2d(2)"),
    "stoppedhead": ("training/frozen.py", ".double().mean()", ".double().sum()"),
}
ON_FEATURES = {"pretrained", "head", "stoppedhead"}
FEW = {"section": {"section"}, "masking": {"masking"}, "corrupted": {"corrupted"}}
FEW |= {"membership": {"membership", "targeted"}, "targeted": {"targeted"}} | dict.fromkeys(
    ("pretrained", "head"), ON_FEATURES
)


@pytest.fixture
def changed(monkeypatch):
    """A function that puts other text in the place of a file's, and gives all fingerprints."""
    read = sources.text_of

    def take(file="", old="", new=""):
        def text_of(path):
            text = read(path)
            if not file or not path.as_posix().endswith(f"privrob/{file}"):
                return text
            assert old in text
            return text.replace(old, new)

        monkeypatch.setattr(sources, "text_of", text_of)
        forget()
        run._fingerprint.cache_clear()
        return {kind: run.fingerprint_of(spec) for kind, spec in SPECS.items()}

    yield take
    monkeypatch.undo()
    forget()
    run._fingerprint.cache_clear()


@pytest.mark.parametrize("kind", CHANGES)
def test_a_change_ages_the_kinds_that_rest_on_it(changed, kind):
    before, after = changed(), changed(*CHANGES[kind])
    aged = {name for name in before if before[name] != after[name]}
    assert kind in aged
    assert aged == FEW.get(kind, aged)


NEW = """

def tiny(**settings: object) -> nn.Module:
    return nn.Sequential(nn.Flatten(), nn.Linear(784, 10))


MODELS: dict[str, Callable[..., nn.Module]] = {"tiny": tiny, """


def test_a_new_network_ages_nothing(changed):
    table = "MODELS: dict[str, Callable[..., nn.Module]] = {"
    assert changed("models.py", table, NEW) == changed()


def test_another_layer_in_a_network_ages_everything_that_has_it(changed):
    before, after = changed(), changed("models.py", "nn.Linear(units[-1], 10)", "nn.Identity()")
    assert {kind for kind in before if before[kind] == after[kind]} == ON_FEATURES


# -- of specs -----------------------------------------------------------------------------------


@pytest.mark.parametrize("spec", SPECS.values(), ids=SPECS)
def test_a_spec_and_what_its_manifest_says_have_one_fingerprint(spec):
    text = json.loads(json.dumps(specs.plain(spec, labels=True)))
    assert run.fingerprint_of(text) == run.fingerprint_of(spec)


def test_every_fingerprint_takes_less_than_a_second(changed):
    changed()
    forget()
    run._fingerprint.cache_clear()
    begun = time.process_time()
    for spec in (*SPECS.values(), DPSGD):
        run.fingerprint_of(spec)
    assert time.process_time() - begun < 1.5  # 0.4 s on two cores of 2026
