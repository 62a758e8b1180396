"""The fingerprint of a task: a hash of the code that its numbers come from.

It covers the task's own function, the functions of `lab.tasks` that this one calls, and every
module of the core that these reach by import, whole. Comments, docstrings and layout are
stripped first, so that a new docstring ages nothing. Two parts of the package stay out because a
result names them in its key already: the spec, by its text, and the data, by their checksum.
"""

import ast
import hashlib
from collections.abc import Callable, Iterator
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

PACKAGE = "privrob"
IN_THE_KEY = ("privrob.lab", "privrob.data")
TASKS = "privrob.lab.tasks"


def fingerprint(function: Callable[..., Any]) -> str:
    """16 hexadecimal digits for a function at the top level of a module of this package."""
    own, modules = _reached(function.__module__, function.__name__)
    texts = [_stripped(node) for node in own]
    texts += [f"{name}\n{_stripped(_tree(name))}" for name in sorted(modules)]
    return hashlib.sha256("\n\n".join(texts).encode()).hexdigest()[:16]


def _reached(module: str, name: str) -> tuple[list[ast.stmt], set[str]]:
    """The statements of TASKS' modules that `name` needs, and the package's modules behind them."""
    own: dict[tuple[str, str], ast.stmt] = {}
    modules: set[str] = set()
    todo = [(module, name)]
    while todo:
        module, name = todo.pop()
        defined, imported = _bindings(module)
        if name in imported and imported[name].startswith(TASKS):
            todo.append((imported[name], name))
        elif name in imported:
            _close(imported[name], modules)
        elif name in defined and (name, module) not in own:
            own[name, module] = defined[name]
            todo += sorted(
                {(module, n.id) for n in ast.walk(defined[name]) if isinstance(n, ast.Name)}
            )
    return [own[key] for key in sorted(own)], modules


@cache
def _bindings(module: str) -> tuple[dict[str, ast.stmt], dict[str, str]]:
    """What a module's top level defines, and which of its names come from which module."""
    defined: dict[str, ast.stmt] = {}
    imported: dict[str, str] = {}
    for node in _tree(module).body:
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            defined[node.name] = node
        elif isinstance(node, ast.Assign):
            defined |= {t.id: node for t in node.targets if isinstance(t, ast.Name)}
        elif isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
            defined[node.target.id] = node
        elif isinstance(node, ast.ImportFrom) and (node.module or "").startswith(PACKAGE):
            imported |= {a.asname or a.name: _target(node.module or "", a.name) for a in node.names}
    return defined, imported


def _target(module: str, name: str) -> str:
    """`from module import name`: the module meant, a submodule or the module itself."""
    return f"{module}.{name}" if _path(f"{module}.{name}") else module


def _close(module: str, seen: set[str]) -> None:
    """Add a module and all that it imports from the package, functions' own imports included."""
    if module in seen or module == PACKAGE or module.startswith(IN_THE_KEY):
        return
    seen.add(module)
    for node in ast.walk(_tree(module)):
        for name in _imports(node):
            _close(name, seen)


def _imports(node: ast.AST) -> Iterator[str]:
    if isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] == PACKAGE:
        yield from (_target(node.module or "", alias.name) for alias in node.names)
    elif isinstance(node, ast.Import):
        yield from (a.name for a in node.names if a.name.split(".")[0] == PACKAGE)


@cache
def _path(module: str) -> Path | None:
    """The source file of a module, without importing more than its parents."""
    try:
        found = find_spec(module)
    except ModuleNotFoundError:
        return None
    return Path(found.origin) if found and found.origin else None


@cache
def _tree(module: str) -> ast.Module:
    path = _path(module)
    if path is None:
        raise ValueError(f"no source for module {module!r}")
    return ast.parse(path.read_text(encoding="utf-8"))


def _stripped(node: ast.AST) -> str:
    """The code without docstrings; unparsing drops comments and layout."""
    copy = ast.parse(ast.unparse(node))
    for part in ast.walk(copy):
        if isinstance(part, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            part.body = [s for s in part.body if not _is_text(s)] or [ast.Pass()]
    return ast.unparse(copy)


def _is_text(statement: ast.stmt) -> bool:
    value = getattr(statement, "value", None)
    return isinstance(statement, ast.Expr) and isinstance(value, ast.Constant)
