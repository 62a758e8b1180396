"""CONTRIBUTING.md is followed to the letter in a copy of the package; its tools are pinned."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import yaml

ROOT = Path(__file__).parents[1]
STEP = re.compile(
    r"One (?:file|entry in one file)\. `(src/\S+)`.*?\n```python\n(.*?)```", re.DOTALL
)


def sections():
    text = (ROOT / "CONTRIBUTING.md").read_text()
    parts = re.split(r"^## (.+)$", text, flags=re.MULTILINE)[1:]
    return dict(zip(parts[::2], parts[1::2], strict=True))


def run(copy, code, **environment):
    """The output of Python code that imports the copy of the package."""
    done = subprocess.run(
        [sys.executable, "-c", code],
        env=os.environ | {"PYTHONPATH": str(copy / "src")} | environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    return done.stdout


@pytest.fixture
def copy(tmp_path):
    shutil.copytree(ROOT / "src/privrob", tmp_path / "src/privrob")
    (tmp_path / "records").symlink_to(ROOT / "records")
    return tmp_path


@pytest.mark.slow
@pytest.mark.parametrize("title", ["Add an attack", "Add a defence"])
def test_one_new_file_is_enough(copy, title):
    [(path, code)] = STEP.findall(sections()[title])
    assert not (copy / path).exists()
    (copy / path).write_text(code)
    use = re.findall(r"```python\n(.*?)```", sections()[title], re.DOTALL)[1]
    numbers = [float(word) for word in run(copy, use).split()]
    assert numbers[-1] > 0.2  # above chance, under attack


@pytest.mark.slow
def test_one_entry_is_enough_for_a_data_set(copy, tmp_path):
    [(path, entry)] = STEP.findall(sections()["Add a data set"])
    catalogue = copy / path
    text = catalogue.read_text()
    catalogue.write_text(text.replace("REAL = {\n", "REAL = {\n" + entry, 1))
    arrays = {f"x_{part}": np.zeros((4, 28, 28), np.uint8) for part in ("train", "test")}
    arrays |= {f"y_{part}": np.arange(4) + 20 for part in ("train", "test")}
    np.savez(tmp_path / "letters.npz", **arrays)
    code = """
from privrob import data
try:
    data.load("letters")
except data.DataError as error:
    print(str(error).split("checksum ")[1].split(",")[0])
"""
    checksum = run(copy, code, PRIVROB_DATA=str(tmp_path)).strip()
    entered = entry.replace("{}", f'{{"{checksum}": "published"}}')
    catalogue.write_text(text.replace("REAL = {\n", "REAL = {\n" + entered, 1))
    code = 'from privrob import data; s = data.load("letters"); print(s.variant, s.train.x.shape)'
    assert run(copy, code, PRIVROB_DATA=str(tmp_path)).startswith("published torch.Size([4, 1, 28")


def test_every_file_and_target_that_it_names_is_there():
    text = (ROOT / "CONTRIBUTING.md").read_text()
    for name in re.findall(r"`((?:lab|data)/\w+\.py|tests/\w+\.py|tests/expected/\w+\.py)`", text):
        assert (ROOT / name).exists() or (ROOT / "src/privrob" / name).exists(), name
    targets = re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE)
    assert set(re.findall(r"\bmake ([a-z-]+)", text)) <= {*targets}


def hooks():
    config = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text())
    assert [repo["repo"] for repo in config["repos"]] == ["local"], "a second place of versions"
    return config["repos"][0]["hooks"]


def test_the_hooks_run_the_pinned_tools():
    pins = (ROOT / "constraints.txt").read_text()
    for hook in hooks():
        tool, *words = hook["entry"].split()
        assert tool.startswith(".venv/bin/")
        assert f"\n{Path(tool).name}==" in pins
        assert "additional_dependencies" not in hook
        assert [w for w in words if w.startswith("tests/") and not (ROOT / w).exists()] == []


def test_a_hook_refuses_what_the_linter_refuses(tmp_path):
    bad = tmp_path / "bad.py"
    bad.write_text("import os\nx = {  'a':1}\n")
    ruff = [hook["entry"].split() for hook in hooks() if hook["id"].startswith("ruff")]
    assert len(ruff) == 2
    for tool, *words in ruff:
        command = [Path(sys.executable).with_name(Path(tool).name), *words, bad]
        assert subprocess.run(command, capture_output=True, cwd=ROOT, check=False).returncode == 1
