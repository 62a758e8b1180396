"""A fingerprint moves with the code behind a task, wherever that is, and with nothing else."""

import importlib
import struct
import sys
from types import SimpleNamespace

import pytest
import torch

from privrob.data import as_float
from privrob.lab import fingerprint as module
from privrob.lab import tasks
from privrob.lab.spec import seed_for

SOURCES = {
    "__init__": "",
    "work": '''
"""A module."""
from specimen import near
from specimen.lab import spec
from specimen.near import twice

SCALE = 3
SHIFT: int = 7
OTHER = 5


def task(x):
    """Does the work."""
    return helper(twice(x)) * SCALE + SHIFT


def helper(x):
    from specimen.far import add  # imported late
    return near.half(x)


def unrelated(x):
    return x - OTHER
''',
    "near": "from specimen import far\n\n\ndef twice(x):\n    return far.add(x, x)\n",
    "far": "def add(a, b):\n    return a + b\n",
    "lab": "class spec:\n    pass\n",
}


@pytest.fixture
def taken(tmp_path, monkeypatch):
    """A function that writes the sources, with changes, and returns the task's fingerprint."""
    monkeypatch.setattr(module, "PACKAGE", "specimen")
    monkeypatch.setattr(module, "IN_THE_KEY", ("specimen.lab",))
    monkeypatch.syspath_prepend(tmp_path)
    folder = tmp_path / "specimen"
    folder.mkdir()

    def take(changes=()):
        for name, text in SOURCES.items():
            for where, old, new in changes:
                if where == name:
                    assert old in text
                    text = text.replace(old, new)
            (folder / f"{name}.py").write_text(text)
        module._path.cache_clear()
        module._tree.cache_clear()
        module._bindings.cache_clear()
        importlib.invalidate_caches()
        return module.fingerprint(SimpleNamespace(__module__="specimen.work", __name__="task"))

    yield take
    for name in [n for n in sys.modules if n.split(".")[0] == "specimen"]:
        del sys.modules[name]  # looking for a module imports its parents
    module._path.cache_clear()
    module._tree.cache_clear()
    module._bindings.cache_clear()


@pytest.mark.parametrize(
    "change",
    [
        ("work", "Does the work.", "Does all of the work."),
        ("work", "A module.", "Another text."),
        ("work", "  # imported late", ""),
        ("work", "def task(x):", "\n\n# a remark\ndef task( x ):"),
        ("work", "return x - OTHER", "return x - OTHER - 1"),
        ("work", "OTHER = 5", "OTHER = 6"),
        ("far", "    return", '    """Adds."""\n    # simple\n    return'),
        ("lab", "pass", "x = 1"),
    ],
    ids=lambda change: f"{change[0]}: {change[2].strip()[:20]}",
)
def test_words_layout_and_unrelated_code_age_nothing(taken, change):
    assert taken() == taken([change])


@pytest.mark.parametrize(
    "change",
    [
        ("work", "* SCALE", "+ SCALE"),
        ("work", "SCALE = 3", "SCALE = 4"),
        ("work", "SHIFT: int = 7", "SHIFT: int = 8"),
        ("work", "near.half(x)", "near.half(x) + 1"),
        ("near", "far.add(x, x)", "far.add(x, 2 * x)"),
        ("far", "a + b", "b + a"),
    ],
    ids=lambda change: f"{change[0]}: {change[2]}",
)
def test_code_ages_the_task_wherever_it_is(taken, change):
    assert taken() != taken([change])


def test_each_kind_has_its_own_fingerprint():
    taken = {kind: module.fingerprint(task) for kind, task in tasks.TASKS.items()}
    assert len(set(taken.values())) == len(taken)


def reached(task):
    return module._reached(task.__module__, task.__name__)[1]


def test_training_rests_on_its_loop_and_attacks_rest_on_theirs():
    assert {"privrob.training.loop", "privrob.training.private", "privrob.models"} <= reached(
        tasks.TASKS["train"]
    )
    assert {"privrob.attacks.gradient", "privrob.evaluate"} <= reached(tasks.TASKS["pgd"])
    assert "privrob.training.private" not in reached(tasks.TASKS["pgd"])


def test_what_the_key_names_is_left_out():
    assert not [m for m in reached(tasks.TASKS["train"]) if m.startswith(module.IN_THE_KEY)]


# -- what no fingerprint covers -----------------------------------------------------------------


def test_the_seeds_of_a_key_stay_what_they_are():
    """`seed_for` is in no fingerprint: another one would change every result and age none."""
    assert seed_for("0123456789abcdef", "init/0") == 5965441069479919002
    assert seed_for("0123456789abcdef", "batches/7") == 2100444551833232821


def test_pixels_stay_what_they_are():
    """Nor is `as_float`: each byte becomes the float32 nearest to a 255th of it."""
    x = as_float(torch.arange(256, dtype=torch.uint8))
    exact = [struct.unpack("<f", struct.pack("<f", n / 255))[0] for n in range(256)]
    assert x.dtype == torch.float32
    assert x.tolist() == exact


def test_a_task_is_aged_by_what_it_shares_with_others(monkeypatch, tmp_path):
    """Functions of other modules of the tasks are followed by name, the rest of them is not."""
    monkeypatch.setattr(module, "PACKAGE", "shared")
    monkeypatch.setattr(module, "TASKS", "shared.tasks")
    monkeypatch.setattr(module, "IN_THE_KEY", ("shared.tasks",))
    monkeypatch.syspath_prepend(tmp_path)
    folder = tmp_path / "shared" / "tasks"
    folder.mkdir(parents=True)
    texts = {
        "__init__": "",
        "base": "def used():\n    return 1\n\ndef unused():\n    return 2\n",
        "work": "from shared.tasks.base import used\n\ndef task():\n    return used()\n",
    }

    def take(old="", new=""):
        (tmp_path / "shared" / "__init__.py").write_text("")
        for name, text in texts.items():
            (folder / f"{name}.py").write_text(text.replace(old, new) if old else text)
        for cached in (module._path, module._tree, module._bindings):
            cached.cache_clear()
        importlib.invalidate_caches()
        return module.fingerprint(SimpleNamespace(__module__="shared.tasks.work", __name__="task"))

    before = take()
    assert take("return 2", "return 3") == before
    assert take("return 1", "return 3") != before
    for cached in (module._path, module._tree, module._bindings):
        cached.cache_clear()
