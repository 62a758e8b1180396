"""Who may import whom: surface -> lab -> core, never back, and a few finer lines inside each."""

import ast
import sys
from pathlib import Path

import pytest

SRC = Path(__file__).parents[1] / "src"
SURFACE, LAB = ("plot", "exhibits", "cli"), ("lab",)

# What each unit of the core may import of the rest of the core; a unit may always import itself.
# A new module needs a row here: that is the moment to ask where it belongs.
CORE = {
    "paths": (),
    "_torchvision": (),
    "device": (),
    "data": ("_torchvision", "device"),
    "models": ("device", "models_cifar"),
    "models_cifar": (),
    "zoo": ("data", "device", "models", "paths"),
    "stats": (),
    "privacy": (),
    "evaluate": ("device",),
    "jacobian": ("evaluate",),
    "corruptions": ("data", "device", "evaluate", "paths"),
    "attacks": ("evaluate", "device", "jacobian"),
    "bounds": ("evaluate", "device", "models"),
    "training": ("data", "evaluate", "attacks", "bounds", "models", "privacy", "device"),
    "training.losses": ("attacks", "bounds", "evaluate"),
    "membership": ("evaluate", "attacks", "bounds", "stats", "device"),
    "membership.threshold": (),
    "membership.lira": (),
    "membership.audit": (),
    "membership.sensitivity": ("stats",),
    "geometry": ("evaluate", "attacks", "device", "jacobian", "models"),
}
# Inside the lab: the store knows bytes and not science, tasks know science and not files, `run`
# alone sees both. What has no row is free within the layer.
LAB_MAY_NOT = {
    "lab.spec": ("lab.registry", "lab.store", "lab.tasks", "lab.run", "lab.claims", "lab.book"),
    "lab.fingerprint": ("lab.run", "lab.claims", "lab.book"),
    "lab.registry": ("lab.store", "lab.tasks", "lab.run", "lab.claims", "lab.book"),
    "lab.store": (*CORE, "lab.registry", "lab.tasks", "lab.run", "lab.claims", "lab.book"),
    "lab.tasks": ("lab.store", "lab.run", "lab.claims", "lab.book"),
    "lab.run": ("lab.claims", "lab.book"),
    "lab.claims": ("lab.book",),
}
# Distributions that only some units may import.
OUTSIDE = {
    "typer": ("cli",),
    "rich": ("cli", "lab"),
    "IPython": ("plot", "lab.book"),
    "pandas": ("plot",),
    "papermill": ("lab.book",),
    "jupytext": ("lab.book",),
    "nbformat": ("lab.book", "lab.compile"),
    "nbclient": ("lab.book",),
    "sphinx": ("lab.book",),
    "jupyter_book": ("lab.book",),
    "foolbox": (),
    "torchattacks": (),
    "pytest": (),
}
NUMPY_AND_SCIPY_ONLY = ("stats", "membership.threshold", "membership.lira", "membership.audit")


def imported(source: str, module: str, *, package: bool = False) -> set[str]:
    """Dotted names that a module's source imports, anywhere in it, relative ones made absolute."""
    names = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            parts = module.split(".")
            parts = parts[: len(parts) - node.level + package] if node.level else []
            base = ".".join([*parts, *filter(None, [node.module])])
            names |= {f"{base}.{alias.name}" for alias in node.names}
    return names


def within(name: str, unit: str) -> bool:
    return name == unit or name.startswith(unit + ".")


def row(name: str, table: dict) -> str | None:
    """The longest entry of the table that covers the name."""
    return max((unit for unit in table if within(name, unit)), key=len, default=None)


def layer(name: str) -> str:
    head = name.split(".")[0]
    return "surface" if head in SURFACE else "lab" if head in LAB else "core"


def inner_fault(name: str, target: str) -> str | None:
    """What is wrong with `privrob.<name>` importing `privrob.<target>`, if anything."""
    order = ["core", "lab", "surface"]
    if order.index(layer(target)) > order.index(layer(name)):
        return f"{layer(name)} may not import {layer(target)}"
    if within(name, "plot") and within(target, "cli"):
        return "plot may not import cli"
    if layer(name) == "core":
        unit = row(name, CORE)
        if unit is None:
            return f"{name} has no row in CORE"
        if not any(within(target, allowed) for allowed in (unit, *CORE[unit])):
            return f"{unit} may not import {target}"
    unit = row(name, LAB_MAY_NOT)
    if unit and any(within(target, banned) for banned in LAB_MAY_NOT[unit]):
        return f"{unit} may not import {target}"
    return None


def outer_fault(name: str, target: str) -> str | None:
    """What is wrong with `privrob.<name>` importing the outside module `target`, if anything."""
    head = target.split(".")[0]
    if head in OUTSIDE and not any(within(name, unit) for unit in OUTSIDE[head]):
        return f"only {' and '.join(OUTSIDE[head]) or 'tests'} may import {head}"
    allowed = {"numpy", "scipy", *sys.stdlib_module_names}
    if head not in allowed and any(within(name, unit) for unit in NUMPY_AND_SCIPY_ONLY):
        return f"{name} may import numpy and scipy only"
    return None


def faults(module: str, source: str, *, package: bool = False) -> list[str]:
    """Every forbidden import of one module of the package, as sentences."""
    name = module.removeprefix("privrob").lstrip(".")
    found = []
    for target in sorted(imported(source, module, package=package)):
        if within(target, "privrob"):
            inside = target.removeprefix("privrob").lstrip(".")
            fault = None if inside in ("", "__version__") else inner_fault(name, inside)
        else:
            fault = outer_fault(name, target)
        if fault:
            found.append(f"{module} imports {target}: {fault}")
    return found


def modules() -> list[tuple[str, Path]]:
    paths = sorted(SRC.glob("privrob/**/*.py"))
    return [
        (".".join(p.relative_to(SRC).with_suffix("").parts).removesuffix(".__init__"), p)
        for p in paths
    ]


@pytest.mark.parametrize(("module", "path"), modules(), ids=lambda v: v if "." in str(v) else "")
def test_module_keeps_the_layers(module, path):
    assert faults(module, path.read_text(), package=path.name == "__init__.py") == []


def test_every_unit_of_the_core_has_a_row():
    heads = {module.split(".")[1] for module, _ in modules() if "." in module}
    assert {head for head in heads if layer(head) == "core"} <= set(CORE)


@pytest.mark.parametrize(
    ("module", "source", "word"),
    [
        ("privrob.evaluate", "from privrob import attacks", "evaluate may not import attacks"),
        ("privrob.evaluate", "import privrob.attacks.gradient", "may not import attacks"),
        ("privrob.attacks.gradient", "from ..lab import spec", "core may not import lab"),
        (
            "privrob.models",
            "def f():\n    from privrob import plot",
            "may not import surface",
        ),
        ("privrob.models", "from privrob.cli import app", "core may not import surface"),
        ("privrob.lab.run", "from privrob import cli", "lab may not import surface"),
        ("privrob.lab.book", "from privrob.plot import show", "lab may not import surface"),
        ("privrob.lab.store", "from privrob.evaluate import accuracy", "may not import evaluate"),
        ("privrob.lab.store", "from .tasks import train", "may not import lab.tasks"),
        ("privrob.lab.tasks", "from privrob.lab import store", "may not import lab.store"),
        ("privrob.lab.registry", "import privrob.lab.run", "may not import lab.run"),
        ("privrob.plot.style", "from privrob import cli", "plot may not import cli"),
        ("privrob.membership.threshold", "import torch", "numpy and scipy only"),
        ("privrob.membership.threshold", "from .scores import confidence", "may not import"),
        ("privrob.membership.lira", "from privrob.stats import bootstrap", "may not import stats"),
        ("privrob.stats", "import sklearn", "numpy and scipy only"),
        ("privrob.training.losses", "from privrob.data import Split", "may not import data"),
        ("privrob.training.losses", "from privrob.training import loop", "may not import training"),
        ("privrob.newcomer", "from privrob import data", "has no row"),
        ("privrob", "from privrob.data import load", "has no row"),
        ("privrob.attacks", "import foolbox", "only tests may import foolbox"),
        ("privrob.evaluate", "import rich.table", "may import rich"),
        ("privrob.lab.claims", "import papermill as pm", "only lab.book may import papermill"),
    ],
)
def test_a_forbidden_import_is_found(module, source, word):
    [fault] = faults(module, source)
    assert word in fault


@pytest.mark.parametrize(
    ("module", "source"),
    [
        ("privrob.cli", "import typer\nfrom privrob import plot\nfrom privrob.lab import run"),
        ("privrob.plot.style", "from privrob.lab.claims import load\nfrom privrob import stats"),
        ("privrob.lab.run", "from privrob.lab import store, tasks\nfrom privrob import data"),
        ("privrob.attacks.gradient", "from privrob import evaluate\nfrom .boundary import x"),
        ("privrob.training.losses", "from privrob import attacks\nfrom privrob.bounds import dual"),
        (
            "privrob.membership.threshold",
            "import math\nimport numpy\nfrom scipy import stats",
        ),
        ("privrob.membership.scores", "import torch\nfrom privrob.bounds import interval"),
        ("privrob.lab.spec", "from privrob import __version__, data"),
    ],
)
def test_an_allowed_import_is_let_through(module, source):
    assert faults(module, source) == []
