"""Modules that names cannot tell apart, since they do more than bind names.

A module is opaque if importing it calls something for its effect, loops, assigns to parts of
objects, decorates with the package's own functions or imports a star, or if something in it looks
up or binds the module's names while the program runs. In doubt it is opaque.
"""

import ast
import builtins
import sys
from collections.abc import Iterator
from functools import cache

from privrob.lab.sources import (
    Chain,
    Definition,
    Function,
    Source,
    bound,
    chain_of,
    is_text,
    locate,
    read,
    root_of,
)

HARMLESS = {*sys.stdlib_module_names, "torch", "numpy", "scipy"}  # their decorators keep no list
DYNAMIC = {"globals", "locals", "vars", "exec", "eval", "__import__"}
CHANGING = {
    "add", "append", "clear", "discard", "extend", "insert", "pop", "popitem", "register",
    "remove", "setdefault", "update",
}  # fmt: skip


@cache
def opaque(module: str) -> bool:
    """Importing or running this module of the package does more than its names tell."""
    source = read(module)
    dynamic = "__getattr__" in source.defined or any(map(_dynamic, ast.walk(source.tree)))
    return dynamic or not all(_plain(statement, source) for statement in source.tree.body)


def _dynamic(node: ast.AST) -> bool:
    """Names are looked up, or bound anew, while the program runs."""
    if isinstance(node, ast.Name):
        return node.id in DYNAMIC
    return isinstance(node, ast.Global) or chain_of(node) == ("sys", ("modules",))


def _plain(node: ast.stmt, source: Source, within: frozenset[str] = frozenset()) -> bool:
    """The statement, of a module or of a class that binds `within`, does nothing but bind names."""
    if isinstance(node, ast.Import | ast.ImportFrom):
        return all(item.chain != ("*",) for item in source.imports(node).values())
    if isinstance(node, ast.Pass) or is_text(node):
        return True
    if isinstance(node, ast.If) and chain_of(node.test)[0] == "TYPE_CHECKING" and not node.orelse:
        return all(isinstance(part, ast.Import | ast.ImportFrom) for part in node.body)
    if isinstance(node, ast.Assign | ast.AnnAssign):
        targets = node.targets if isinstance(node, ast.Assign) else [node.target]
        names = all(isinstance(n, ast.Name | ast.Tuple | ast.List | ast.Starred | ast.expr_context)
                    for t in targets for n in ast.walk(t))  # fmt: skip
        return names and _calls_plain([node.value] if node.value else [], source)
    if isinstance(node, Definition):
        harmless = all(_harmless(d, source, within) for d in node.decorator_list)
        return harmless and _calls_plain(node.decorator_list, source) and _body_plain(node, source)
    return False


def _body_plain(node: Definition, source: Source) -> bool:
    """What importing runs of a definition: a function's defaults, the whole body of a class."""
    if isinstance(node, Function):
        defaults = [*node.args.defaults, *(d for d in node.args.kw_defaults if d)]
        return _calls_plain(defaults, source)
    names = frozenset(name for part in node.body for name in bound(part))
    bases = [base for base in node.bases if not _quiet_base(base, source)]
    return not (node.keywords or bases) and all(_plain(p, source, names) for p in node.body)


def _harmless(decorator: ast.expr, source: Source, within: frozenset[str]) -> bool:
    """A decorator of the standard library, torch, numpy or scipy, or a property's `setter`."""
    root, chain = chain_of(decorator.func if isinstance(decorator, ast.Call) else decorator)
    if root in source.imported:
        found = source.imported[root]
        parts = (*found.module.split("."), *found.chain, *chain)
        keeps = any(part == "library" or part.startswith("register") for part in parts)
        return parts[0] in HARMLESS and not keeps
    if root in within:
        return chain[-1:] in (("setter",), ("getter",), ("deleter",))
    return root not in source.defined and hasattr(builtins, root)


def _quiet_base(base: ast.expr, source: Source) -> bool:
    """Being its subclass runs none of the package's code."""
    root, chain = chain_of(base.value if isinstance(base, ast.Subscript) else base)
    home = locate(source.name, (root, *chain)) if root else None
    if home is None:
        return bool(root)
    for node in read(home[0]).defined[home[1]]:
        hooks = {"__init_subclass__", "__set_name__", "__prepare__"}
        names = {p.name for p in ast.walk(node) if isinstance(p, ast.FunctionDef)}
        if not isinstance(node, ast.ClassDef) or hooks & names or node.keywords:
            return False
        if not all(_quiet_base(b, read(home[0])) for b in node.bases):
            return False
    return True


def _calls_plain(expressions: list[ast.expr], source: Source) -> bool:
    """Nothing that these expressions call when the module is imported changes what is there."""
    for part in (p for e in expressions for p in _running(e)):
        if isinstance(part, ast.NamedExpr) or _changes(part, frozenset(), source):
            return False
        if isinstance(part, ast.Call):
            root, chain = chain_of(part.func)
            if root and _acts(source.name, (root, *chain), frozenset()):
                return False
    return True


def _running(node: ast.AST) -> Iterator[ast.AST]:
    """The node and its parts, but for the bodies of lambdas, which run later."""
    yield node
    for child in ast.iter_child_nodes(node):
        if not (isinstance(node, ast.Lambda) and child is node.body):
            yield from _running(child)


def _acts(module: str, chain: Chain, seen: frozenset[tuple[str, str]]) -> bool:
    """Calling this name of the package changes something that was there before."""
    home = locate(module, chain)
    if home is None or home in seen:
        return False
    source, seen = read(home[0]), seen | {home}
    for node in source.defined[home[1]]:
        own = _locals(node)
        if not isinstance(node, Definition):  # a method of an object that the package made
            return any(isinstance(n, ast.Name) and locate(home[0], (n.id,)) not in (None, home)
                       for n in ast.walk(node))  # fmt: skip
        for part in ast.walk(node):
            root, rest = chain_of(part.func) if isinstance(part, ast.Call) else ("", ())
            called = root and root not in own
            if _changes(part, own, source) or (called and _acts(home[0], (root, *rest), seen)):
                return True
    return False


def _changes(part: ast.AST, own: frozenset[str], source: Source) -> bool:
    """One node changes something that is not in `own`, the names made in the same function."""
    if isinstance(part, ast.Attribute | ast.Subscript) and not isinstance(part.ctx, ast.Load):
        return root_of(part) not in own | {"self"}
    func = part.func if isinstance(part, ast.Call) else None
    if isinstance(func, ast.Attribute):
        root, chain = chain_of(func)
        outside = root in source.imported and not source.imported[root].inside
        makes_new = outside and len(chain) == 1  # as np.append(a, b)
        return func.attr in CHANGING and root_of(func) not in own and not makes_new
    return func is not None and chain_of(func) in (("setattr", ()), ("delattr", ()))


def _locals(node: ast.AST) -> frozenset[str]:
    """Names that a function makes, its parameters aside: those are of its caller."""
    stored = {
        n.id for n in ast.walk(node) if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Store)
    }
    return frozenset(stored - {a.arg for a in ast.walk(node) if isinstance(a, ast.arg)})
