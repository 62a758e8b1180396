"""Modules that do more than bind names are found, and their changes age whoever imports them."""

import ast

import pytest
from packages import Package, forget

from privrob.lab import sources
from privrob.lab.opaque import opaque

SOURCES = {
    "__init__": "",
    "tasks/__init__": "from specimen.tasks import work\n",
    "tasks/work": """
from specimen import plugins
from specimen.registry import ITEMS, STORE


def task(name):
    return sum(make() for make in [*ITEMS.values(), *STORE.items])
""",
    "registry": """
ITEMS = {}


def register(make):
    ITEMS[make.__name__] = make
    return make


def entered(make, table=ITEMS):
    table.update({"entered": make})


def wrapped(make):
    return register(make)


class Base:
    def __init_subclass__(cls):
        register(lambda: cls.value)


class Store:
    def __init__(self):
        self.items = []

    def put(self, make):
        self.items.append(make)


STORE = Store()
""",
    "plugins": "",
}
USES = """
import specimen.registry
from specimen import registry
from specimen.registry import ITEMS, STORE, Base, entered, register, wrapped
"""
SIDE_EFFECTS = [
    "@register\ndef five():\n    return 3",
    "@registry.register\ndef five():\n    return 3",
    "@specimen.registry.wrapped\ndef five():\n    return 3",
    "register(lambda: 3)",
    "_ = register(lambda: 3)",
    "_ = wrapped(lambda: 3)",
    "_ = entered(lambda: 3)",
    "_: object = registry.register(lambda: 3)",
    "_ = [register(make) for make in (lambda: 3,)]",
    "_ = STORE.put(lambda: 3)",
    "_ = STORE.items.append(lambda: 3)",
    "_ = ITEMS.setdefault('five', lambda: 3)",
    "_ = setattr(registry, 'ITEMS', ITEMS | {'five': lambda: 3}) or ITEMS.update(registry.ITEMS)",
    "ITEMS['five'] = lambda: 3",
    "registry.ITEMS['five'] = lambda: 3",
    "ITEMS |= {'five': lambda: 3}",
    "for name in ('five',):\n    ITEMS[name] = lambda: 3",
    "if True:\n    ITEMS['five'] = lambda: 3",
    "try:\n    ITEMS['five'] = lambda: 3\nfinally:\n    pass",
    "class Five(Base):\n    value = 3",
    "class Four(Base):\n    value = 1\n\n\nclass Five(Four):\n    value = 3",
    "class Five:\n    register(lambda: 3)",
    "class Five:\n    ITEMS['five'] = lambda: 3",
    "class Five:\n    @staticmethod\n    @register\n    def five():\n        return 3",
    "def five(make=register(lambda: 3)):\n    return make",
    "STORE.items += [lambda: 3]",
]


@pytest.fixture
def package(tmp_path, monkeypatch):
    yield Package(tmp_path, monkeypatch, SOURCES)
    forget()


@pytest.mark.parametrize("text", SIDE_EFFECTS, ids=lambda text: text.splitlines()[0][:40])
def test_what_a_module_does_when_imported_ages_the_task(package, text):
    """The task names nothing of the module; it is changed from 3 to 4 and run."""
    package.texts = SOURCES | {"plugins": USES + text + "\n"}
    change = ("plugins", "3", "4")
    assert package.value() != package.value(change)
    assert package.take() != package.take(change)


def test_so_does_what_an_opaque_module_imports(package):
    texts = {"plugins": USES + "from specimen.far import five\n\nregister(five)\n"}
    package.texts = SOURCES | texts | {"far": "N = 3\n\n\ndef five():\n    return N\n"}
    assert package.take() != package.take(("far", "N = 3", "N = 4"))


def test_so_does_a_parent_that_nobody_names(package):
    texts = {"kit/__init__": USES + "register(lambda: 3)\n", "kit/part": "def part():\n    pass\n"}
    package.texts = SOURCES | texts | {"plugins": "from specimen.kit.part import part\n"}
    change = ("kit/__init__", "3", "4")
    assert package.value() != package.value(change)
    assert package.take() != package.take(change)


def test_a_plain_module_that_nobody_names_ages_nothing(package):
    package.texts = SOURCES | {"plugins": USES + "def five():\n    return 3\n"}
    assert package.take() == package.take(("plugins", "3", "4"))


PLAIN = [
    "from dataclasses import dataclass\n\n\n@dataclass(frozen=True)\nclass A:\n    x: int = 3",
    "from functools import lru_cache\n\n\n@lru_cache(maxsize=1)\ndef f():\n    pass",
    "from contextlib import contextmanager\n\n\n@contextmanager\ndef f():\n    yield",
    "import torch\n\n\n@torch.no_grad()\ndef f():\n    pass",
    "import numpy as np\n\nA = np.append([1], np.insert([2], 0, 1))",
    "A, (B, *C) = 1, (2, 3)",
    "A: int\nB: int = 3",
    "class A:\n    @property\n    def x(self):\n        pass\n\n    @x.setter\n    def x(self, x):"
    "\n        self._x = x",
    "def f(n):\n    out = []\n    out.append(n)\n    return out\n\n\nA = f(3)",
    "class A:\n    def __init__(self):\n        self.x = 3\n\n\nB = A()",
    "from typing import TYPE_CHECKING\n\nif TYPE_CHECKING:\n    from specimen import registry",
    "class A(Exception):\n    pass\n\n\nclass B(A):\n    pass",
    "A = lambda x: x.update(a=1)",
]
DYNAMIC = [
    "def f():\n    return globals()['g']()",
    "def f():\n    return eval('g')()",
    "def f():\n    global A\n    A = 3",
    "import sys\n\n\ndef f():\n    return sys.modules[__name__].g",
    "def __getattr__(name):\n    return 3",
    "from math import *",
    "from specimen.registry import *",
    "from atexit import register\n\n\n@register\ndef f():\n    pass",
    "import torch\n\n\n@torch.library.register_fake('a::b')\ndef f():\n    pass",
    "from elsewhere import noted\n\n\n@noted\ndef f():\n    pass",
    "A = (B := 3)",
    "assert 3",
    "A = 3\ndel A",
    "class A(type):\n    pass\n\n\nclass B(metaclass=A):\n    pass",
]


@pytest.mark.parametrize(
    ("text", "expected"),
    [*((text, False) for text in PLAIN), *((text, True) for text in DYNAMIC)],
)
def test_in_doubt_a_module_is_opaque(package, text, expected):
    package.texts = SOURCES | {"plugins": f"{text}\n"}
    package.write()
    ast.parse(text)
    assert opaque("specimen.plugins") is expected


def test_an_opaque_module_that_is_named_counts_whole(package):
    """Which of its functions is meant shows only while it runs."""
    text = "def f():\n    return globals()['g']()\n\n\ndef g():\n    return 3\n"
    package.texts = SOURCES | {"plugins": text}
    use = ("tasks/work", "return sum", "return plugins.f() + sum")
    change = ("plugins", "3", "4")
    assert package.value(use) != package.value(use, change)
    assert package.take(use) != package.take(use, change)


def test_a_module_without_source_is_named(package):
    with pytest.raises(ValueError, match=r"no source for module 'specimen\.nothing'"):
        sources.read("specimen.nothing")
