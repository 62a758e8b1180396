"""The API reference, from signatures and docstrings as they stand in the source.

The source is parsed, never imported, and docstrings are read as what they are: paragraphs and
lists in plain text, where backticks mean code.
"""

import ast
import re
from collections.abc import Iterator, Sequence
from functools import cache
from inspect import cleandoc
from pathlib import Path
from typing import NamedTuple

PACKAGE = Path(__file__).parents[1]
CORE = ("data", "zoo", "models", "evaluate", "attacks", "training", "privacy", "stats", "device")
NOTEBOOKS = ("lab.study", "lab.registry", "lab.measures", "exhibits", "plot")
# Modules that no page needs: behind `data.load`, `plot.accuracy_curves` and the command line.
INTERNAL = ("paths", "data.drawing", "data.fonts", "plot.labels")
Definition = ast.FunctionDef | ast.ClassDef


class Group(NamedTuple):
    """Public names of one source file: its docstring and its definitions."""

    text: str
    definitions: list[Definition]


def write() -> dict[str, str]:
    """File name -> text of the reference's pages."""
    core = (
        "What takes tensors and gives tensors: usable without the book, its records or its "
        "settings. Scientific parameters have names and no defaults."
    )
    notebooks = "What notebooks call to get results and to show them with their evidence."
    return {
        "api-core.md": _page("API: the core", core, [*CORE, *_newcomers()]),
        "api-notebooks.md": _page("API: for notebooks", notebooks, NOTEBOOKS),
    }


def _newcomers() -> list[str]:
    """Core modules without a place in CORE: they come last."""
    found = {p.stem for p in PACKAGE.iterdir() if p.suffix == ".py" or (p / "__init__.py").exists()}
    known = {*CORE, *INTERNAL, "lab", "exhibits", "plot", "cli"}
    return sorted(name for name in found - known if not name.startswith("_"))


def _page(title: str, intro: str, names: Sequence[str]) -> str:
    return "\n\n".join([f"# {title}", intro, *(part for n in names for part in _module(n))]) + "\n"


# -- what is public -----------------------------------------------------------------------------


def _module(name: str) -> Iterator[str]:
    """A section for a module, or for a package and for each of its modules that it does not lift.

    A package that lifts names of its modules to itself shows them as its own.
    """
    path = _path(name)
    lifted = _lifted(name)
    exported = set(_exports(path))
    own = Group(_text(path), _definitions(path, exported))
    groups = [Group(_text(_path(m)), _definitions(_path(m), set(ns))) for m, ns in lifted.items()]
    yield from _section(name, [own, *groups])
    if path.name == "__init__.py":
        inside = [*path.parent.glob("[!_]*.py"), *path.parent.glob("[!_]*/__init__.py")]
        stems = (p.parent.name if p.stem == "__init__" else p.stem for p in inside)
        modules = [f"{name}.{stem}" for stem in sorted(stems)]
        for module in modules:
            if module not in lifted and module not in INTERNAL:
                yield from _module(module)


def _path(name: str) -> Path:
    path = PACKAGE.joinpath(*name.split("."))
    return path / "__init__.py" if path.is_dir() else path.with_suffix(".py")


@cache
def _tree(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"))


def _text(path: Path) -> str:
    return ast.get_docstring(_tree(path)) or ""


def _exports(path: Path) -> list[str]:
    """The names in a module's `__all__`, or else all that it defines without an underscore."""
    for node in _tree(path).body:
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "__all__":
            return list(ast.literal_eval(node.value))
    nodes = [n for n in _tree(path).body if isinstance(n, Definition)]
    return [n.name for n in nodes if not n.name.startswith("_")]


def _lifted(name: str) -> dict[str, list[str]]:
    """Module -> names that a package imports from it and exports."""
    exported, found = set(_exports(_path(name))), dict[str, list[str]]()
    for node in _tree(_path(name)).body:
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith(f"privrob.{name}."):
            names = [a.name for a in node.names if a.name in exported]
            if names:
                module = (node.module or "").removeprefix("privrob.")
                found.setdefault(module, []).extend(names)
    return found


def _definitions(path: Path, names: set[str]) -> list[Definition]:
    return [n for n in _tree(path).body if isinstance(n, Definition) and n.name in names]


# -- how it is written --------------------------------------------------------------------------


def _section(name: str, groups: Sequence[Group]) -> Iterator[str]:
    """A heading and the entries of a module's groups; nothing for a module without any."""
    if any(group.definitions for group in groups):
        full = f"privrob.{name}"
        yield f"## {full}"
        yield f"```{{py:currentmodule}} {full}\n```"
        for group in groups:
            if group.definitions or group is groups[0]:
                yield prose(group.text)
            yield from (_entry(definition) for definition in group.definitions)


def _entry(node: Definition) -> str:
    if isinstance(node, ast.FunctionDef):
        return _directive("py:function", _call(node, node.args), node, [])
    methods = [n for n in node.body if isinstance(n, ast.FunctionDef)]
    members = [_member(n) for n in methods if not n.name.startswith("_") and _tells(n)]
    error = node.name.endswith("Error")
    return _directive("py:exception" if error else "py:class", _constructor(node), node, members)


def _tells(node: ast.FunctionDef) -> bool:
    """Something stands under its signature: a docstring, or the type of a property."""
    return bool(ast.get_docstring(node) or node.decorator_list)


def _member(node: ast.FunctionDef) -> str:
    """A method, or a property without its call."""
    marks = [ast.unparse(d) for d in node.decorator_list]
    if "property" in marks or "cached_property" in marks:
        head = f"{{py:property}} {node.name}\n:type: {_annotation(node.returns)}"
        return f"::::{head}\n\n{_body(node)}\n::::"
    return f"::::{{py:method}} {_call(node, _bound(node))}\n\n{_body(node)}\n::::"


def _bound(node: ast.FunctionDef) -> ast.arguments:
    """A method's arguments without `self` or `cls`."""
    return ast.arguments(
        **{f: getattr(node.args, f) for f in node.args._fields} | {"args": node.args.args[1:]}
    )


def _call(node: ast.FunctionDef, arguments: ast.arguments) -> str:
    return f"{node.name}({ast.unparse(arguments)}) -> {_annotation(node.returns)}"


def _annotation(node: ast.expr | None) -> str:
    """A type as text; one that had to be quoted, without its quotes."""
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return node.value
    return ast.unparse(node) if node else "None"


def _constructor(node: ast.ClassDef) -> str:
    """The name with a dataclass's fields, with the arguments of `__init__`, or alone."""
    decorators = " ".join(ast.unparse(d) for d in node.decorator_list)
    if "dataclass" in decorators or any(ast.unparse(b) == "NamedTuple" for b in node.bases):
        star = ["*"] if "kw_only=True" in decorators else []
        lines = [ast.unparse(n) for n in node.body if isinstance(n, ast.AnnAssign)]
        return f"{node.name}({', '.join([*star, *lines])})" if lines else node.name
    for n in node.body:
        if isinstance(n, ast.FunctionDef) and n.name == "__init__":
            return f"{node.name}({ast.unparse(_bound(n))})"
    return node.name


def _directive(kind: str, signature: str, node: Definition, members: Sequence[str]) -> str:
    body = "\n\n".join([_body(node), *members])
    return f":::::{{{kind}}} {signature}\n\n{body}\n:::::"


def _body(node: Definition) -> str:
    return prose(ast.get_docstring(node) or "")


def prose(docstring: str) -> str:
    """A docstring as Markdown: lines of Python as code, all but backticks and lists as text."""
    parts = cleandoc(docstring).split("\n\n")
    return "\n\n".join(f"```python\n{p}\n```" if _is_python(p) else _escaped(p) for p in parts)


def _is_python(paragraph: str) -> bool:
    """Whether a paragraph is code: nothing but calls and assignments, which English never is."""
    try:
        body = ast.parse(paragraph).body
    except SyntaxError:
        return False
    return all(isinstance(n, ast.Assign) or _is_call(n) for n in body)


def _is_call(node: ast.stmt) -> bool:
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Call)


def _escaped(paragraph: str) -> str:
    """Plain text in which Markdown sees nothing but code in backticks and lists."""
    pieces = re.split(r"(`[^`]+`)", paragraph)
    pieces[::2] = [re.sub(r"([\\*_<>$\[\]{}|#~])", r"\\\1", piece) for piece in pieces[::2]]
    return "".join(pieces)
