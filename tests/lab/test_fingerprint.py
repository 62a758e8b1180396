"""A fingerprint moves with whatever can move a task's numbers, and with nothing else.

The oracle runs: each change is made in a small package on disk, and the task is run before and
after it.
"""

import struct
from types import SimpleNamespace

import pytest
import torch
from packages import Package, forget
from specimens import DPSGD, FGSM, PROBES

from privrob.data import as_float
from privrob.lab.fingerprint import choices, covered, fingerprint
from privrob.lab.spec import plain, seed_for

SOURCES = {
    "__init__": '__version__ = "1"\n',
    "tasks/__init__": "from specimen.tasks.work import task\n\nTASKS = {'task': task}\n",
    "tasks/work": '''
"""A module."""
from dataclasses import dataclass
from math import floor as whole

import specimen.kit.bolts
from specimen import kit, near
from specimen.kit import spin
from specimen.lab import spec
from specimen.models import build
from specimen.near import twice

SCALE = 3
SHIFT: int = 7
OTHER = 5
FIRST, SECOND = 11, 13


@dataclass
class Pair:
    """Two numbers."""

    a: float = 1.5
    b: float = 2.5


def task(name):
    """Does the work."""
    x: float = helper(twice(build(name))) * SCALE + SHIFT + FIRST
    pair = Pair(whole(x + 0.25))
    return (x, pair.a, pair.b, spin(x), kit.parts.piece(x), specimen.kit.bolts.hold(x))


def helper(x: near.Number) -> float:
    from specimen.late import add  # imported late
    return add(near.half(x))


def unrelated(x):
    return x - OTHER
''',
    "near": """
from specimen import far

Number = float
STEP = 17


def twice(x, k=STEP):
    return far.add(x, x) + k


def half(x):
    return x / 2


def unused(x):
    return far.third(x)
""",
    "far": "def add(a, b):\n    return a + b\n\n\ndef third(x):\n    return x / 3\n",
    "late": "BY = 19\n\n\ndef add(x):\n    return x + BY\n",
    "lab": "class spec:\n    pass\n",
    "kit/__init__": "from specimen.kit import parts\nfrom specimen.kit.tools import turn as spin\n",
    "kit/tools": "def turn(x):\n    return -x\n\n\ndef lift(x):\n    return x + 1\n",
    "kit/parts": "def piece(x):\n    return x / 4\n\n\ndef rest(x):\n    return x\n",
    "kit/bolts": "def hold(x):\n    return x / 8\n\n\ndef drop(x):\n    return x\n",
    "models": """
def small():
    return 23


def large():
    return 29


MODELS = {"small": small, "large": large}
OTHERS = {"a": large}


def build(name):
    if name not in MODELS:
        raise ValueError(sorted(MODELS))
    return MODELS[name]()
""",
}
SAME = [
    ("tasks/work", "Does the work.", "Does all of the work."),
    ("tasks/work", "A module.", "Another text."),
    ("tasks/work", "Two numbers.", "A pair."),
    ("tasks/work", "  # imported late", ""),
    ("tasks/work", "def task(name):", "\n\n# a remark\ndef task( name ):"),
    ("tasks/work", "return x - OTHER", "return x - OTHER - 1"),
    ("tasks/work", "OTHER = 5", "OTHER = 6"),
    ("tasks/work", "near.Number) -> float", "int)"),
    ("tasks/work", "x: float = helper", "x = helper"),
    ("tasks/work", "SHIFT: int", "SHIFT"),
    ("__init__", '"1"', '"2"'),
    ("near", "Number = float", "Number = int"),
    ("near", "return far.third(x)", "return 0"),
    ("far", "x / 3", "x / 4"),
    ("far", "    return a", '    """Adds."""\n    # simple\n    return a'),
    ("far", "def third", "def fourth(x):\n    return x / 4\n\n\ndef third"),
    ("kit/tools", "x + 1", "x + 2"),
    ("kit/parts", "return x\n", "return -x\n"),
    ("kit/bolts", "return x\n", "return -x\n"),
    ("lab", "pass", "x = 1"),
    ("models", "return 29", "return 31"),
    ("models", '"large": large', '"large": large, "new": large'),
    ("models", '{"a": large}', "{}"),
]
OTHER = [
    ("tasks/work", "* SCALE", "+ SCALE"),
    ("tasks/work", "SCALE = 3", "SCALE = 4"),
    ("tasks/work", "SHIFT: int = 7", "SHIFT: int = 8"),
    ("tasks/work", "11, 13", "12, 13"),
    ("tasks/work", "near.half(x)", "near.half(x) + 1"),
    ("tasks/work", "floor", "ceil"),
    ("tasks/work", "b: float = 2.5", "b: float = 3.5"),
    ("tasks/work", "a: float = 1.5\n    b: float = 2.5", "b: float = 2.5\n    a: float = 1.5"),
    ("tasks/work", "from specimen.near import twice", "from specimen.near import half as twice"),
    ("near", "far.add(x, x)", "far.add(x, 2 * x)"),
    ("near", "STEP = 17", "STEP = 18"),
    ("near", "STEP = 17", "STEP = 17\nSTEP = 2 * STEP"),
    ("far", "a + b", "2 * a + b"),
    ("late", "BY = 19", "BY = 20"),
    ("kit/__init__", "turn as spin", "lift as spin"),
    ("kit/tools", "-x", "-2 * x"),
    ("kit/parts", "x / 4", "x / 5"),
    ("kit/bolts", "x / 8", "x / 9"),
    ("models", "return 23", "return 37"),
    ("models", '"small": small', '"small": large'),
]


@pytest.fixture
def package(tmp_path, monkeypatch):
    yield Package(tmp_path, monkeypatch, SOURCES)
    forget()


def change_id(change):
    return f"{change[0]}: {change[2].strip()[:30]}"


@pytest.mark.parametrize("change", SAME, ids=change_id)
def test_what_cannot_move_the_numbers_ages_nothing(package, change):
    assert package.value() == package.value(change)
    assert package.take() == package.take(change)


@pytest.mark.parametrize("change", OTHER, ids=change_id)
def test_what_moves_the_numbers_ages_the_task_wherever_it_is(package, change):
    assert package.value() != package.value(change)
    assert package.take() != package.take(change)


def test_two_names_that_change_places_age_the_task(package):
    """Both functions are covered before and after; only who means which has changed."""
    both = ("far", "def third", "def half(x):\n    return x / 4\n\n\ndef third")
    use = ("near", "return x / 2", "return x / 2 + far.half(x)")
    swapped = [
        ("near", "from specimen import far", "from specimen import far\nfrom specimen.far import "
         "third as one, half as two"),
        ("near", "return x / 2", "return one(x) - two(x)"),
    ]  # fmt: skip
    assert package.take(both, use) != package.take(both)
    other = [(where, old, new.replace("third as one, half as two", "half as one, third as two"))
             for where, old, new in swapped]  # fmt: skip
    assert package.value(both, *swapped) != package.value(both, *other)
    assert package.take(both, *swapped) != package.take(both, *other)


# -- tables of choices --------------------------------------------------------------------------


def test_of_a_table_the_chosen_entries_count(package):
    large = ("models", "return 29", "return 31")
    assert package.take(chosen=["large"]) != package.take(chosen=["small"])
    assert package.take(chosen=["large"]) != package.take(large, chosen=["large"])
    assert package.take(chosen=["a", "b"]) == package.take(large, chosen=["a", "b"])


@pytest.mark.parametrize(
    "table",
    [
        '{"small": small, **{"large": large}}',
        '{"small": small, 2: large}',
        'dict(small=small, large=large)',
    ],
)  # fmt: skip
def test_a_table_that_is_not_written_out_counts_whole(package, table):
    computed = ("models", '{"small": small, "large": large}', table)
    large = ("models", "return 29", "return 31")
    assert package.take(computed) != package.take(computed, large)


def test_a_table_that_is_not_listed_counts_whole(package):
    use = ("models", "return MODELS[name]()", "return MODELS[name]() + len(OTHERS)")
    assert package.take(use) != package.take(use, ("models", '{"a": large}', "{}"))


def test_choices_are_the_types_and_networks_of_a_spec():
    assert {"Train", "Fgsm", "Sgd", "mnist_cnn"} <= choices(plain(FGSM, labels=False))
    assert choices(plain(DPSGD, labels=False)) == choices(plain(DPSGD, labels=True))
    assert "DpSgd" in choices(plain(DPSGD, labels=False))
    assert "glyphs" not in choices(plain(FGSM, labels=False))  # a data set is no network


def test_choices_are_found_in_every_part_of_a_spec():
    text = plain(PROBES["masking"], labels=False)
    text["surrogate"]["model"]["name"] = "another"
    text["surrogate"]["training"]["defence"] = [{"type": "Pgd"}]
    assert {"mnist_cnn", "another", "Pgd", "Masking"} <= choices(text)


# -- modules that are handed about --------------------------------------------------------------


@pytest.mark.parametrize("use", ["getattr(near, 'half')", "vars(near)['half']", "near.missing"])
def test_a_module_as_a_value_counts_whole(package, use):
    change = ("tasks/work", "near.half(x)", f"{use}(x)")
    assert package.take(change) != package.take(change, ("near", "far.third(x)", "0"))


def test_so_do_the_modules_of_a_package_as_a_value(package):
    change = ("tasks/work", "spin(x)", "getattr(kit, 'spin')(x)")
    assert package.take(change) != package.take(change, ("kit/tools", "x + 1", "x + 2"))


def test_a_module_named_in_a_text_counts_whole(package):
    named = "__import__('importlib').import_module('specimen.far').add(x, 1)"
    change = ("tasks/work", "near.half(x)", named.replace("__import__('importlib')", "importlib"))
    late = ("tasks/work", "SCALE = 3", "import importlib\nSCALE = 3")
    assert package.take(change, late) != package.take(change, late, ("far", "x / 3", "x / 4"))


def test_of_a_stand_in_from_elsewhere_the_name_counts():
    one, other = (SimpleNamespace(__module__="elsewhere", __name__=n) for n in ("one", "other"))
    assert covered(one, chosen=()).keys() == {"elsewhere.one"}
    assert fingerprint(one, chosen=()) != fingerprint(other, chosen=())


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
