"""The files around the package agree with one another, and name no machine."""

import re
import subprocess
import tomllib
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name
from packaging.version import Version

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
# What torch brings along beside its CPU build, and what the interpreter brings.
NOT_PINNED = re.compile(r"nvidia-|cuda-|triton|pip$")

# Written so that these lines do not match themselves.
FORBIDDEN = {
    "a path of one machine": r"(?<![\w.:~])/(?:work|tmp|farm|root|home)/[\w.-]",
    "a package host": r"pypi\.(?:org|python)|files\.python(?:hosted)|registry\.npm(?:js)",
    "a folder beside the checkout": r"(?<!\w)\.\./sha(?:red)\b",
}
MAY_NAME_THE_FOLDER = {".ci/run"}


def requirements(*extras: str) -> list[Requirement]:
    texts = [*PROJECT["dependencies"]]
    for extra in extras:
        texts += PROJECT["optional-dependencies"][extra]
    return [Requirement(text) for text in texts]


def constraints() -> dict[str, Version]:
    pins = {}
    for line in (ROOT / "constraints.txt").read_text().splitlines():
        if line and not line.startswith("#"):
            name, version = line.split("==")
            assert canonicalize_name(name) not in pins, f"{name} is pinned twice"
            pins[canonicalize_name(name)] = Version(version)
    return pins


def oracles() -> list[str]:
    [line] = re.findall(r"^ORACLES := (.*)$", (ROOT / "Makefile").read_text(), re.MULTILINE)
    return line.split()


def installed_closure(todo: list[Requirement]) -> set[str]:
    """Names of the installed distributions that the requirements lead to, directly or not."""
    seen: set[tuple[str, frozenset[str]]] = set()
    while todo:
        requirement = todo.pop()
        name, extras = canonicalize_name(requirement.name), frozenset(requirement.extras)
        try:
            needed = distribution(name).requires or []
        except PackageNotFoundError:
            continue
        if NOT_PINNED.match(name) or (name, extras) in seen:
            continue
        seen.add((name, extras))
        for needs in map(Requirement, needed):
            marker = needs.marker
            if marker is None or any(marker.evaluate({"extra": e}) for e in ("", *extras)):
                todo.append(needs)
    return {name for name, _ in seen}


def tracked() -> list[Path]:
    """Files of the repository; without git (an unpacked archive), all but build products."""
    command = ["git", "ls-files", "--cached", "--others", "--exclude-standard"]
    listing = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    if listing.returncode == 0:
        paths = [ROOT / line for line in listing.stdout.splitlines()]
    else:
        skipped = {".git", ".venv", "build"}
        paths = [p for p in ROOT.rglob("*") if not skipped & set(p.relative_to(ROOT).parts)]
    return [path for path in paths if path.is_file()]


def forbidden(text: str, *, path: str = "") -> list[str]:
    """What the text names and should not, as sentences."""
    return [
        f"{path} names {what}: {match.group()}"
        for what, pattern in FORBIDDEN.items()
        for match in re.finditer(pattern, text)
        if not (what == "a folder beside the checkout" and path in MAY_NAME_THE_FOLDER)
    ]


@pytest.mark.parametrize("requirement", requirements("book", "test"), ids=str)
def test_the_pinned_version_lies_in_the_range(requirement):
    pins = constraints()
    name = canonicalize_name(requirement.name)
    assert name in pins, f"{requirement.name} is not in constraints.txt"
    assert pins[name] in requirement.specifier


def test_everything_that_is_installed_along_is_pinned():
    names = installed_closure(requirements("book", "test"))
    assert len(names) > 100, "the walk through the requirements went wrong"
    assert names - set(constraints()) == set()


def test_the_oracles_are_pinned_and_are_no_dependencies():
    named = {canonicalize_name(name) for name in oracles()}
    assert {"foolbox", "torchattacks"} <= named <= set(constraints())
    assert not named & {canonicalize_name(r.name) for r in requirements("book", "test")}


def test_constraints_hold_plain_versions():
    assert [name for name, pin in constraints().items() if pin.local] == []
    assert "--hash" not in (ROOT / "constraints.txt").read_text()


def test_conda_environment_agrees_with_pyproject():
    environment = yaml.safe_load((ROOT / "environment.yml").read_text())
    *names, pip = environment["dependencies"]
    [python] = [name for name in names if name.startswith("python=")]
    version = python.removeprefix("python=")
    assert Version(version) in SpecifierSet(PROJECT["requires-python"])
    assert f"Python {version}" in (ROOT / "constraints.txt").read_text()
    assert "pip" in names
    # The package with its extras brings what pyproject.toml names; nothing is listed twice.
    extras = ",".join(PROJECT["optional-dependencies"])
    assert pip["pip"] == ["-c constraints.txt", f"-e .[{extras}]"]
    assert environment["name"] == PROJECT["name"]


def test_make_installs_what_the_conda_environment_does():
    extras = ",".join(PROJECT["optional-dependencies"])
    assert f"-c constraints.txt $(INDEX) -e '.[{extras}]'" in (ROOT / "Makefile").read_text()


def test_citation_names_this_version_and_both_papers():
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text())
    for field in ("cff-version", "message", "title", "authors"):
        assert citation[field]
    assert str(citation["version"]) == PROJECT["version"]
    assert citation["license"] == PROJECT["license"]
    first_authors = [entry["authors"][0]["family-names"] for entry in citation["references"]]
    assert first_authors == ["Song", "Tursynbek"]
    bibliography = (ROOT / "book/references.bib").read_text()
    for entry in citation["references"]:
        assert entry["title"] in bibliography


def test_version_is_the_same_everywhere():
    import privrob

    assert privrob.__version__ == PROJECT["version"]


def test_no_file_names_a_machine():
    paths = [path for path in tracked() if path.stat().st_size < 1_000_000]
    assert ROOT / "Makefile" in paths
    # latin-1: every byte is a character, so that the text inside binary files is seen too.
    texts = {str(path.relative_to(ROOT)): path.read_text("latin-1") for path in paths}
    assert [fault for path, text in texts.items() for fault in forbidden(text, path=path)] == []


@pytest.mark.parametrize(
    "line",
    [
        "DATA = '/wor" + "k/data'",
        "open('/tm" + "p/x.npz')",
        "--index-url https://pypi." + "org/simple",
        "https://registry.npm" + "js.org/x",
        "see ../sha" + "red/notes.md",
    ],
)
def test_the_scan_finds(line):
    assert len(forbidden(line, path="somewhere.py")) == 1


def test_the_scan_lets_ordinary_text_through():
    assert forbidden("a work/life balance, https://example.org/home/x, models shared by all") == []
    assert forbidden("sh ../sha" + "red/data/unpack", path=".ci/run") == []
