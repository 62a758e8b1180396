"""The compact form of many claims that are alike: a printed table, one claim for each cell.

    - table: tursynbek2020/table1
      names: {data: MNIST}               # what every row has, if anything
      columns: [eps, sgd, dpsgd]         # the names of what follows the name of a row
      rows:                              # as printed, so that an eye can compare them
        - [eps 0.3, 0.3, 1.00, 0.23]
      each: {kind: value, unit: percent, ...}                  # the fields of every cell
      cells:                             # a claim a row for each of these, and its own fields
        sgd: {statement: 'Accuracy of SGD, {title}.', measure: {name: accuracy, eps: '{eps}'}}
      override:                          # fields of the cells row/cell that a pattern matches
        eps-0.3/*: {tolerance: 2.0}

A cell's id is table/row/cell, or table/row of a cell '.'. Its `published` is the number in its
column. '{name}' in a field is what the row has in that column, what `names` has, or the row's
`title` (its name as written), `row` (as in the id) or `table`. An empty cell (~) is no claim. A
column that `cells` does not name only lends its values. A cell of kind derived takes nothing of
`each` but paper and locus.
"""

from collections.abc import Iterator, Mapping, Sequence
from fnmatch import fnmatchcase
from typing import Any

from privrob.lab.spec import known, require

Fields = Mapping[str, Any]
_NEEDED = ("table", "columns", "rows", "each", "cells")
_KEYS = (*_NEEDED, "names", "override")
_SHARED = ("paper", "locus")  # what a derived cell has in common with those that need runs


def cells(entry: Fields) -> Iterator[dict[str, Any]]:
    """The claims of a table, each as if written out; ValueError for a table that is none."""
    for name in entry:
        known("field", name, _KEYS)
    missing = [name for name in _NEEDED if name not in entry]
    require(not missing, f"a table lacks {', '.join(missing)}")
    for name, own in entry["cells"].items():
        require(isinstance(own, dict), f"the fields of cell {name!r} must have names")
    rows = [_context(entry, row) for row in entry["rows"]]
    _check_patterns(entry, rows)
    for context in rows:
        for name, own in entry["cells"].items():
            fields = _cell(entry, context, name, own)
            if fields["published"] is not None:
                yield _with_tolerance(fields, context, name)


def _context(entry: Fields, row: Sequence[Any]) -> dict[str, Any]:
    """What the fields of a row's cells may name."""
    title, *values = row
    columns = entry["columns"]
    require(
        len(values) == len(columns),
        f"row {title!r} has {len(values)} values for {len(columns)} columns",
    )
    names = {**entry.get("names", {}), "table": entry["table"], "title": title}
    slug = str(title).lower().replace(" ", "-")
    return {**names, "row": slug, **dict(zip(columns, values, strict=True))}


def _cell(entry: Fields, context: Fields, name: str, own: Fields) -> dict[str, Any]:
    each = entry["each"]
    if own.get("kind") == "derived":
        each = {key: each[key] for key in _SHARED if key in each}
    cell = f"{context['row']}/{name}"
    over = (f for pattern, f in entry.get("override", {}).items() if fnmatchcase(cell, pattern))
    fields = {"published": f"{{{name}}}", **each, **own}
    for more in over:
        fields |= more
    fields = {key: _filled(value, context) for key, value in fields.items()}
    return {"id": f"{entry['table']}/{cell.removesuffix('/.')}", **fields}


def _filled(value: Any, context: Fields) -> Any:
    """`value` with '{name}' replaced; a text that is only that becomes what is named, a number."""
    if isinstance(value, dict):
        return {key: _filled(each, context) for key, each in value.items()}
    if isinstance(value, list):
        return [_filled(each, context) for each in value]
    if not isinstance(value, str) or "{" not in value:
        return value
    inner = value[1:-1]
    if value == f"{{{inner}}}" and "{" not in inner:
        known("column", inner, context)
        return context[inner]
    try:
        return value.format_map(context)
    except KeyError as error:
        raise ValueError(f"no column {error} for {value!r}") from error


def _with_tolerance(fields: dict[str, Any], context: Fields, name: str) -> dict[str, Any]:
    """A tolerance that is a rule becomes its number."""
    rule = fields.get("tolerance")
    return (
        {**fields, "tolerance": _share(context, name, **rule)} if isinstance(rule, dict) else fields
    )


def _share(
    context: Fields, name: str, *, share: float, least: float, most: float, of: str | None = None
) -> float:
    """A share of the errors in percent that column `of`, the cell's own if none, leaves to 100."""
    accuracy = context[of or name]
    require(isinstance(accuracy, int | float), f"row {context['title']!r}: no number {accuracy!r}")
    return round(min(max(share * (100 - accuracy), least), most), 1)


def _check_patterns(entry: Fields, rows: Sequence[Fields]) -> None:
    """A pattern that matches no cell is a slip."""
    names = [f"{context['row']}/{name}" for context in rows for name in entry["cells"]]
    for pattern in entry.get("override", {}):
        found = any(fnmatchcase(name, pattern) for name in names)
        require(found, f"override: no cell matches {pattern!r}")
