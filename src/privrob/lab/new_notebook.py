"""A new notebook from the template, entered wherever a check asks for it.

The template is a whole notebook that runs. What a notebook needs beside its own file is a line in
the contents of the book, a line in the README's table and a place among the expected numbers.
"""

import json
import re
from pathlib import Path

from privrob import paths

TEMPLATE = Path(__file__).with_name("template.md")
NAME, TITLE = "NN-name", "Title of the page"
_GOOD = re.compile(r"[0-9]{2}(-[a-z0-9]+)+")
_IN_CONTENTS = re.compile(r"^ *- file: notebooks/(\S+)$", re.MULTILINE)
_IN_README = re.compile(r"^\| \[[^]]*\]\(notebooks/(\S+)\.md\) \|.*$", re.MULTILINE)


def create(name: str, *, title: str) -> list[Path]:
    """Write notebooks/<name>.md and enter it; the files written, the notebook first.

    Raises ValueError for a name that is not of the form '12-curvature', a title that is not one
    line, or a file without a place for it, and FileExistsError where the number is taken. Then
    nothing was written.
    """
    root = paths.repository()
    check_name(name, sorted(p.stem for p in (root / "notebooks").glob("*.md")))
    if not title.strip() or "\n" in title:
        raise ValueError(f"a title is one line of text, got {title!r}")
    template = TEMPLATE.read_text(encoding="utf-8")
    line = f"      - file: notebooks/{name}"
    row = f"| [{title}](notebooks/{name}.md) | the figure or table | The question? |"
    texts = {
        root / "notebooks" / f"{name}.md": template.replace(NAME, name).replace(TITLE, title),
        **_entered(root / "book" / "_toc.yml", _IN_CONTENTS, name, line),
        **_entered(root / "README.md", _IN_README, name, row),
        **_expecting_nothing(root / "tests" / "expected" / "quick.json", name),
    }
    for path, text in texts.items():
        path.write_text(text, encoding="utf-8")
    return list(texts)


def check_name(name: str, taken: list[str]) -> None:
    """ValueError for a malformed name, FileExistsError for one whose number is taken."""
    if not _GOOD.fullmatch(name):
        raise ValueError(
            "a notebook is named by two digits and words in small letters, as '12-curvature'; "
            f"got {name!r}"
        )
    for other in taken:
        if other[:2] == name[:2]:
            free = next(n for n in range(10, 100) if f"{n}-" not in {t[:3] for t in taken})
            raise FileExistsError(f"{name}: {other[:2]} is taken by {other}; {free} is free")


def _entered(path: Path, pattern: re.Pattern[str], name: str, line: str) -> dict[Path, str]:
    """The file's text with `line` after the last notebook that comes before, by number."""
    text = path.read_text(encoding="utf-8")
    found = list(pattern.finditer(text))
    if not found:
        raise ValueError(f"{path}: no line of a notebook to put {name} beside")
    before = [match for match in found if match[1] < name]
    if not before:
        at = found[0].start()
        return {path: f"{text[:at]}{line}\n{text[at:]}"}
    at = before[-1].end()
    return {path: f"{text[:at]}\n{line}{text[at:]}"}


def _expecting_nothing(path: Path, name: str) -> dict[Path, str]:
    """The expected numbers with an empty place for a notebook that puts none forward yet."""
    expected = json.loads(path.read_text(encoding="utf-8"))
    expected["notebooks"] = dict(sorted({**expected["notebooks"], name: {}}.items()))
    return {path: json.dumps(expected, indent=1) + "\n"}
