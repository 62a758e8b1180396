"""The package's own source, read and not run: what each module binds and imports."""

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from importlib.util import find_spec, resolve_name
from pathlib import Path

PACKAGE = "privrob"

Chain = tuple[str, ...]
Function = ast.FunctionDef | ast.AsyncFunctionDef
Definition = Function | ast.ClassDef


@dataclass(frozen=True)
class Import:
    """What an imported name stands for: `chain` of attributes from `module`, and how it is said."""

    module: str
    chain: Chain
    text: str

    @property
    def inside(self) -> bool:
        return self.module.split(".")[0] == PACKAGE


@dataclass(frozen=True, eq=False)
class Source:
    """One module: `defined` has every statement at its top level that binds a name."""

    name: str
    is_package: bool
    tree: ast.Module
    defined: dict[str, list[ast.stmt]]
    imported: dict[str, Import]

    def elsewhere(self, name: str) -> Import | None:
        """What an imported name stands for, unless it is a module of this very package."""
        found = self.imported.get(name)
        return None if found and (found.module, found.chain) == (self.name, (name,)) else found

    def imports(self, node: ast.AST) -> dict[str, Import]:
        """The names that a node imports, wherever in it."""
        return dict(pair for part in ast.walk(node) for pair in self._names(part))

    def modules(self, node: ast.AST) -> set[str]:
        """The modules of the package that a node imports, wherever in it, without their parents."""
        found = set()
        for part in ast.walk(node):
            if isinstance(part, ast.ImportFrom):
                module = self._origin(part)
                found |= {one for a in part.names for one in _meant(module, a.name)}
            elif isinstance(part, ast.Import):
                found |= {a.name for a in part.names}
        return {module for module in found if module.split(".")[0] == PACKAGE}

    def _origin(self, node: ast.ImportFrom) -> str:
        parent = self.name if self.is_package else self.name.rpartition(".")[0]
        return resolve_name("." * node.level + (node.module or ""), parent)

    def _names(self, node: ast.AST) -> Iterator[tuple[str, Import]]:
        if isinstance(node, ast.ImportFrom):
            module = self._origin(node)
            for a in node.names:
                text = f"from {module} import {a.name} as {a.asname or a.name}"
                yield a.asname or a.name, Import(module, (a.name,), text)
        elif isinstance(node, ast.Import):
            for a in node.names:
                root = a.name.split(".")[0]
                module = a.name if a.asname else root
                yield a.asname or root, Import(module, (), f"import {module} as {a.asname or root}")


def _meant(module: str, name: str) -> set[str]:
    """`from module import name`: the submodule of that name, the module itself, or both."""
    sub = f"{module}.{name}"
    if path(sub) is None:
        return {module}
    source = read(module)
    return {sub, module} if name in source.defined or source.elsewhere(name) else {sub}


@cache
def path(module: str) -> Path | None:
    """The file of a module of the package, or None; nothing is imported for it."""
    head, *parts = module.split(".")
    found = find_spec(head) if head == PACKAGE else None
    if found is None or found.origin is None:
        return None
    place = Path(found.origin).parent.joinpath(*parts)
    files = (place / "__init__.py", place.with_name(f"{place.name}.py"))
    return next((file for file in files[: None if parts else 1] if file.is_file()), None)


@cache
def read(module: str) -> Source:
    """A module of the package. ValueError where it has no source."""
    file = path(module)
    if file is None:
        raise ValueError(f"no source for module {module!r}")
    tree = ast.parse(text_of(file))
    source = Source(module, file.name == "__init__.py", tree, {}, {})
    for node in tree.body:
        source.imported.update(source._names(node))
        for name in bound(node):
            source.defined.setdefault(name, []).append(node)
    return source


def text_of(file: Path) -> str:
    return file.read_text(encoding="utf-8")


def submodules(module: str) -> list[str]:
    """Those directly in a package; none of a plain module."""
    file = path(module)
    if file is None or file.name != "__init__.py":
        return []
    names = {p.stem if p.is_file() else p.name for p in file.parent.iterdir()} - {"__init__"}
    return [f"{module}.{name}" for name in sorted(names) if path(f"{module}.{name}")]


def bound(node: ast.stmt) -> list[str]:
    """The names that a plain statement binds, imports aside."""
    if isinstance(node, Definition):
        return [node.name]
    targets = node.targets if isinstance(node, ast.Assign) else [getattr(node, "target", None)]
    return [n.id for t in targets if t for n in ast.walk(t) if isinstance(n, ast.Name)]


# -- names --------------------------------------------------------------------------------------


def locate(module: str, chain: Chain) -> tuple[str, str] | None:
    """(module, name) of the statement of the package that a dotted name means, if it is one."""
    seen = set()
    while chain and (module, chain) not in seen and path(module):
        seen.add((module, chain))
        source, name = read(module), chain[0]
        found = source.elsewhere(name)
        if found:
            module, chain = found.module, found.chain + chain[1:]
        elif name in source.defined:
            return module, name
        else:
            module, chain = f"{module}.{name}", chain[1:]
    return None


def chain_of(node: ast.AST) -> tuple[str, Chain]:
    """A dotted name as its root and the attributes behind; the root is '' where there is none."""
    chain: Chain = ()
    while isinstance(node, ast.Attribute):
        chain = (node.attr, *chain)
        node = node.value
    return (node.id, chain) if isinstance(node, ast.Name) else ("", chain)


def root_of(node: ast.AST) -> str:
    """The name that parts and items are taken of: 'a' of a.b[0].c."""
    while isinstance(node, ast.Attribute | ast.Subscript):
        node = node.value
    return node.id if isinstance(node, ast.Name) else ""


def is_text(node: ast.stmt) -> bool:
    """A docstring, or another constant alone on its line."""
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
