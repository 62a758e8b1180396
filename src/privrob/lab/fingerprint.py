"""The fingerprint of a task: a hash of the code that its numbers come from.

It covers the task's own function and, name by name, what that uses: each function, class and
constant of the package counts alone, wherever it is, not the module around it. A table that maps
names to functions counts with the entries that a spec names (REGISTRIES). A module that does
more than bind names (`opaque`), or that is handed about as a value, counts whole, and so does all
that it imports.

Comments, docstrings, layout and the annotations of functions are left out, so that they age
nothing. Two parts of the package stay out because a result names them in its key already: the
spec, by its text, and the data, by their checksum. Not followed are names that only exist while
the program runs, as in `getattr(x, "re" + "ad")`.
"""

import ast
import hashlib
from collections.abc import Callable, Collection, Iterator
from copy import deepcopy
from dataclasses import dataclass
from functools import cache
from typing import Any

from privrob.lab import sources
from privrob.lab.opaque import opaque
from privrob.lab.sources import Chain, Import

IN_THE_KEY = ("privrob.lab", "privrob.data")
TASKS = "privrob.lab.tasks"

# Tables of which a task reads one entry: the one whose key its spec has, as the name of a network
# or as the type of a part. A dictionary written out, with text for keys; nothing may loop over it.
REGISTRIES = (
    "privrob.models.MODELS",
    "privrob.lab.tasks.training.METHODS",
    "privrob.lab.tasks.defences.LOSSES",
)


def fingerprint(function: Callable[..., Any], *, chosen: Collection[str]) -> str:
    """16 hexadecimal digits for a function at the top level of a module of this package.

    `chosen` are the keys of REGISTRIES' tables whose entries count; see `choices`.
    """
    texts = covered(function, chosen=chosen)
    whole = "\n\n".join(f"{name}\n{texts[name]}" for name in sorted(texts))
    return hashlib.sha256(whole.encode()).hexdigest()[:16]


def covered(function: Callable[..., Any], *, chosen: Collection[str]) -> dict[str, str]:
    """What counts: 'module.name' of a statement, or 'module' whole -> its text.

    Of a function from outside the package, such as a stand-in for a task, the name alone.
    """
    reach = _Reach(frozenset(chosen))
    module, name = function.__module__, function.__name__
    if not _in(module, (sources.PACKAGE,)):
        return {f"{module}.{name}": ""}
    reach.follow(module, (name,))
    return reach.texts


def choices(text: Any) -> frozenset[str]:
    """What a spec, as plain data, names: the type of each of its parts, and its networks."""
    if isinstance(text, list):
        return frozenset().union(*map(choices, text))
    if not isinstance(text, dict):
        return frozenset()
    own = {text["type"]} if "type" in text else set()
    own |= {text["name"]} if own == {"Model"} else set()
    return frozenset(own).union(*map(choices, text.values()))


class _Reach:
    """All that one task needs, collected."""

    def __init__(self, chosen: frozenset[str]) -> None:
        self.chosen = chosen
        self.texts: dict[str, str] = {}
        self._seen: set[tuple[str, Chain]] = set()
        self._loaded: set[str] = set()

    def follow(self, module: str, chain: Chain) -> None:
        """Cover what a dotted name means, seen from a module."""
        if _skipped(module) or (module, chain) in self._seen:
            return
        self._seen.add((module, chain))
        self.load(module)
        if not chain:
            self.hand_about(module)
        elif opaque(module):
            self.whole(module)
        else:
            self.name(module, chain[0], chain[1:])

    def name(self, module: str, name: str, rest: Chain) -> None:
        """Cover all that a name may mean in a module that is not opaque."""
        source, inside = sources.read(module), f"{module}.{name}"
        found = source.elsewhere(name)
        if found:
            self.imported(f"{module}:{name}", found, rest)
        if name in source.defined:
            self.define(module, name)
        if sources.path(inside) and not (found and _in(found.module, (inside,))):
            self.follow(inside, rest)
        elif name not in source.imported and name not in source.defined:
            self.whole(module)

    def imported(self, key: str, found: Import, rest: Chain) -> None:
        self.texts[key] = found.text
        if found.inside:
            self.follow(found.module, found.chain + rest)

    def define(self, module: str, name: str) -> None:
        """Cover a statement and the names that it uses."""
        key = f"{module}.{name}"
        if key in self.texts:
            return
        found = _statement(module, name, self.chosen if key in REGISTRIES else None)
        self.texts[key] = found.text
        for one in found.modules:
            self.load(one)
        for one in found.named:
            self.follow(one, ())
        for root, chain in found.uses:
            if root in found.imported:
                self.imported(f"{key}:{root}", found.imported[root], chain)
            if root in found.top_level:
                self.follow(module, (root, *chain))

    def load(self, module: str) -> None:
        """Cover the opaque ones of the modules that importing this one imports."""
        for one in _imported_with(module) - self._loaded:
            self._loaded.add(one)
            if opaque(one):
                self.whole(one)

    def hand_about(self, module: str) -> None:
        """A module as a value: any of its names, and of its modules, may be asked for."""
        self.whole(module)
        for one in sources.submodules(module):
            self.hand_about(one)

    def whole(self, module: str) -> None:
        """Cover a module and all that it imports from the package, functions' imports included."""
        if _skipped(module) or module in self.texts:
            return
        source = sources.read(module)
        self.texts[module] = ast.unparse(_Strip().visit(deepcopy(source.tree)))
        self.load(module)
        for one in sorted(source.modules(source.tree)):
            self.whole(one)


# -- which modules ------------------------------------------------------------------------------


def _skipped(module: str) -> bool:
    return _in(module, IN_THE_KEY) and not _in(module, (TASKS,))


def _in(module: str, packages: tuple[str, ...]) -> bool:
    return any(module == package or module.startswith(f"{package}.") for package in packages)


@cache
def _imported_with(module: str) -> frozenset[str]:
    """The module and all that are imported with it: its parents, and what they all import."""
    found: set[str] = set()
    todo = {module}
    while todo:
        one = todo.pop()
        if one in found or _skipped(one) or sources.path(one) is None:
            continue
        found.add(one)
        source = sources.read(one)
        imports = (s for s in source.tree.body if isinstance(s, ast.Import | ast.ImportFrom))
        todo |= {name for s in imports for name in source.modules(s)}
        todo |= {parent for parent in [one.rpartition(".")[0]] if parent}
    return frozenset(found)


# -- one statement ------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Statement:
    """The text of what binds a name, and what it needs: dotted names and its own imports."""

    text: str
    uses: list[tuple[str, Chain]]
    imported: dict[str, Import]
    modules: list[str]  # that it imports
    named: list[str]  # modules that a text in it names
    top_level: set[str]


@cache
def _statement(module: str, name: str, chosen: frozenset[str] | None) -> _Statement:
    source = sources.read(module)
    nodes = [_Bare().visit(deepcopy(node)) for node in source.defined[name]]
    if chosen is not None:
        nodes = [_entries(node, chosen) for node in nodes]
    body = ast.Module(nodes, [])
    texts = {n.value for n in ast.walk(body) if isinstance(n, ast.Constant)}
    return _Statement(
        ast.unparse(body),
        sorted(set(_uses(body))),
        source.imports(body),
        sorted(source.modules(body)),
        sorted(t for t in texts if isinstance(t, str) and _is_module(t)),
        source.defined.keys() | source.imported.keys(),
    )


def _is_module(text: str) -> bool:
    return text.startswith(f"{sources.PACKAGE}.") and sources.path(text) is not None


def _entries(node: ast.stmt, chosen: frozenset[str]) -> ast.stmt:
    """`table = {key: value, ...}` with the chosen keys alone; any other statement as it is."""
    table = getattr(node, "value", None)
    if not isinstance(node, ast.Assign) or not isinstance(table, ast.Dict):
        return node
    if not all(isinstance(k, ast.Constant) and isinstance(k.value, str) for k in table.keys):
        return node
    pairs = zip(table.keys, table.values, strict=True)
    kept = [(k, v) for k, v in pairs if isinstance(k, ast.Constant) and k.value in chosen]
    node.value = ast.Dict([k for k, _ in kept], [v for _, v in kept])
    return node


def _uses(node: ast.AST) -> Iterator[tuple[str, Chain]]:
    """Every dotted name in a node, as its root and the attributes behind."""
    root, chain = sources.chain_of(node)
    if root:
        yield root, chain
    else:
        for child in ast.iter_child_nodes(node):
            yield from _uses(child)


class _Strip(ast.NodeTransformer):
    """Takes docstrings out; unparsing drops comments and layout."""

    def generic_visit(self, node: ast.AST) -> ast.AST:
        super().generic_visit(node)
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            node.body = [s for s in node.body if not sources.is_text(s)] or [ast.Pass()]
        return node


class _Bare(_Strip):
    """And annotations, but for those of a class's fields: a dataclass is made of them."""

    def visit_ClassDef(self, node: ast.ClassDef) -> ast.AST:
        fields = {id(s): s for s in node.body if isinstance(s, ast.AnnAssign)}
        node.body = [s if id(s) in fields else self.visit(s) for s in node.body]
        node.body = [s for s in node.body if not sources.is_text(s)] or [ast.Pass()]
        return node

    def visit_FunctionDef(self, node: ast.FunctionDef) -> ast.AST:
        node.returns = None
        return self.generic_visit(node)

    def visit_AsyncFunctionDef(self, node: ast.AsyncFunctionDef) -> ast.AST:
        node.returns = None
        return self.generic_visit(node)

    def visit_arg(self, node: ast.arg) -> ast.AST:
        node.annotation = None
        return node

    def visit_AnnAssign(self, node: ast.AnnAssign) -> ast.AST:
        self.generic_visit(node)
        if node.value is None:
            return ast.copy_location(ast.Pass(), node)
        return ast.copy_location(ast.Assign([node.target], node.value), node)
