"""The API reference has every public name, as the source has it, and reads docstrings as text."""

import importlib
import inspect
import re

import pytest

from privrob.lab import reference
from privrob.lab.reference import prose

ENTRY = re.compile(r"\{py:(?:function|class|exception)\} (\w+)")


def documented():
    """Module -> names that have an entry under its heading."""
    text = "\n".join(reference.write().values())
    sections = re.split(r"^## (privrob\.\S+)$", text, flags=re.MULTILINE)[1:]
    return {m: ENTRY.findall(body) for m, body in zip(sections[::2], sections[1::2], strict=True)}


def test_every_entry_can_be_imported_and_has_a_docstring():
    found = documented()
    assert {"privrob.attacks", "privrob.training.private", "privrob.lab.study"} <= set(found)
    for module, names in found.items():
        for name in names:
            assert inspect.getdoc(getattr(importlib.import_module(module), name)), (module, name)
            assert not name.startswith("_")


def public(module):
    """The public functions and classes of an imported module."""
    own = [n for n, v in vars(module).items() if getattr(v, "__module__", "") == module.__name__]
    names = [name for name in getattr(module, "__all__", own) if not name.startswith("_")]
    values = {name: getattr(module, name) for name in names}
    return {n for n, v in values.items() if inspect.isfunction(v) or inspect.isclass(v)}


@pytest.mark.parametrize(
    "name",
    [
        "data",
        "zoo",
        "evaluate",
        "attacks",
        "membership.threshold",
        "training.loop",
        "stats",
        "privacy",
        "plot",
        "exhibits",
        "lab.study",
        "lab.measures",
    ],
)
def test_every_public_name_of_a_module_has_one_entry(name):
    module = importlib.import_module(f"privrob.{name}")
    names = documented()[f"privrob.{name}"]
    assert sorted(names) == sorted(public(module))


def test_the_signature_is_that_of_the_source():
    text = reference.write()["api-core.md"]
    assert "{py:function} load(name: str, *, seed: int) -> nn.Module\n" in text
    assert "{py:class} Split(x: Tensor, y: Tensor)\n" in text
    assert "{py:method} first(n: int) -> Split\n" in text
    assert "{py:property} test\n:type: Split\n" in text


def test_a_new_file_of_the_core_is_there_by_itself(tmp_path, monkeypatch):
    (tmp_path / "attacks").mkdir()
    (tmp_path / "attacks/__init__.py").write_text('"""All."""\n')
    (tmp_path / "attacks/signs.py").write_text(
        '"""S."""\n\ndef signs(x: int) -> int:\n    """A."""\n'
    )
    (tmp_path / "geometry.py").write_text('"""G."""\n\ndef angle() -> None:\n    """B."""\n')
    monkeypatch.setattr(reference, "PACKAGE", tmp_path)
    monkeypatch.setattr(reference, "CORE", ("attacks",))
    monkeypatch.setattr(reference, "NOTEBOOKS", ())
    assert documented() == {"privrob.attacks.signs": ["signs"], "privrob.geometry": ["angle"]}


@pytest.mark.parametrize(
    ("text", "markdown"),
    [
        ("Of `x_at[s]`, *not* all.", r"Of `x_at[s]`, \*not\* all."),
        ("l_inf below $C and $D", r"l\_inf below \$C and \$D"),
        ("x <- project(x), [0, 1]", r"x \<- project(x), \[0, 1\]"),
        ("- `a`: one;\n- `b`: two.", "- `a`: one;\n- `b`: two."),
        ("One.\n\nTwo.", "One.\n\nTwo."),
        ("Like this:\n\nx = f(1)\ny = x", "Like this:\n\n```python\nx = f(1)\ny = x\n```"),
        ("One", "One"),
        ("See {term}`x`", r"See \{term\}`x`"),
    ],
)
def test_a_docstring_is_text_with_code_in_backticks(text, markdown):
    assert prose(text) == markdown
