"""The command line: what each command prints, its exit codes, and what it says of mistakes."""

import json
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from typer.testing import CliRunner

from privrob import data
from privrob.cli import app
from privrob.data import MissingDataError
from privrob.lab import registry, run, tasks
from privrob.lab.run import Lab, key_of, open_store
from privrob.lab.spec import Train
from privrob.lab.tasks import Output

COMMANDS = (
    "plan", "run", "show", "claims", "notebooks", "book", "student", "new-notebook", "data",
    "models", "verify", "bench",
)  # fmt: skip
NOTE = "quick profile: not the paper's numbers"


@pytest.fixture(autouse=True)
def folders(monkeypatch, tmp_path):
    monkeypatch.setenv("PRIVROB_RECORDS", str(tmp_path / "records"))
    monkeypatch.setenv("PRIVROB_STORE", str(tmp_path / "store"))
    monkeypatch.delenv("PRIVROB_DATA", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path


def cli(*words, code=0):
    """Standard output of a command, with all runs of blanks as one; its exit code is checked."""
    result = CliRunner().invoke(app, [str(word) for word in words])
    assert result.exit_code == code, result.output + repr(result.exception)
    return " ".join(result.stdout.split())


def refused(*words, code=2):
    """The one line that a mistake gives."""
    result = CliRunner().invoke(app, [str(word) for word in words])
    assert result.exit_code == code, result.output + repr(result.exception)
    assert "Traceback" not in result.output
    return " ".join(result.stderr.split())


class Stubs:
    """Stand-ins for the tasks: `computed` lists their specs, `before` is called ahead of each."""

    def __init__(self):
        self.computed = []
        self.before = lambda spec: None

    def task(self, spec, upstream, context):
        self.before(spec)
        context.progress(1, 2)
        context.progress(2, 2)
        self.computed.append(spec)
        if isinstance(spec, Train):
            arrays = {"history": np.ones(1), "correct_test": np.arange(8) > 0}
            return Output(arrays, {"w": torch.zeros(2)})
        eps = np.array(spec.eps)
        correct = np.arange(8)[None] >= np.arange(len(eps))[:, None]
        return Output({"eps": eps, "correct": correct})


@pytest.fixture
def stubs(monkeypatch):
    both = Stubs()
    for kind in tasks.TASKS:
        monkeypatch.setitem(tasks.TASKS, kind, both.task)
    monkeypatch.setattr(run, "fingerprint_of", lambda spec: "code of today")
    return both


# -- help ---------------------------------------------------------------------------------------


def test_help_names_every_command_in_the_order_of_work():
    text = cli("--help")
    places = [text.index(f"│ {name} ") for name in COMMANDS]
    assert places == sorted(places)
    assert CliRunner().invoke(app, []).exit_code == 2  # and prints the same


@pytest.mark.parametrize("words", [*((name,) for name in COMMANDS), ("data", "fetch")])
def test_each_command_explains_itself_with_an_example(words):
    text = cli(*words, "--help")
    assert f"Example: privrob {' '.join(words)}" in text


def test_help_needs_no_heavy_import():
    heavy = "{'torch', 'numpy', 'matplotlib', 'papermill', 'jupytext'}"
    code = f"import sys, privrob.cli; sys.exit(bool({heavy} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


# -- mistakes -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("words", "hint"),
    [
        (["pln"], "Did you mean 'plan'"),
        (["plan", "tursynbek2020/fgms"], "did you mean 'tursynbek2020/fgsm'"),
        (["run", "tursynbek2020/pdg"], "did you mean 'tursynbek2020/pgd'"),
        (["run", "nothing-like-*"], "experiment: no 'nothing-like-*'"),
        (["show", "tursynbek2020/bas"], "did you mean 'tursynbek2020/base'"),
        (["plan", "--profile", "papr"], "no profile 'papr'; did you mean 'paper'"),
        (["run", "--device", "gpu"], "no device 'gpu'; did you mean 'cpu'"),
        (["run", "--threads", "0"], "--threads"),
        (["run", "--minutes", "-1"], "--minutes"),
        (["claims", "--paper", "song2020"], "did you mean 'song2019'"),
        (["claims", "--verdict", "reproducd"], "did you mean 'reproduced'"),
        (["data", "fetch", "mnits"], "no data set 'mnits'; did you mean 'mnist'"),
        (["notebooks", "10-fgms"], "no notebook '10-fgms'"),
        (["notebooks", "-p", "seed"], "NAME=VALUE, got 'seed'"),
        (["new-notebook", "curvature"], "as '12-curvature'; got 'curvature'"),
        (["verify", "--recompute", "--name", "tursynbek2020/fgs"], "did you mean"),
    ],
)
def test_unknown_names_are_refused_with_the_nearest_known_one(words, hint):
    assert hint in refused(*words)


@pytest.mark.parametrize(
    "error", [ValueError("eps must be 0 or more"), OSError("disk"), data.DataError("x.npz: bad")]
)
def test_an_error_is_one_line_and_code_1(stubs, error):
    def fails(spec):
        raise error

    stubs.before = fails
    assert refused("run", code=1) == f"privrob: {error}"


def test_a_broken_record_is_named(stubs, folders):
    cli("run", "tursynbek2020/base")
    path = next((folders / "store").glob("train/*/manifest.json"))
    path.write_text("{")
    assert path.parent.name in refused("plan", code=1).replace(" ", "")


def test_an_unwritable_store_is_one_line(stubs, folders):
    (folders / "store").write_text("")
    assert "cannot be written" in refused("run", code=1)
    assert stubs.computed == []


def test_a_bug_keeps_its_traceback(stubs):
    def fails(spec):
        raise KeyError("a mistake of ours")

    stubs.before = fails
    assert isinstance(CliRunner().invoke(app, ["run"]).exception, KeyError)


# -- plan and run -------------------------------------------------------------------------------


def test_a_plan_before_and_after_a_run(stubs):
    before = cli("plan", "tursynbek2020/fgsm")
    assert "4 units in profile quick: 4 missing, about" in before
    assert NOTE in before
    text = cli("run", "tursynbek2020/fgsm")
    assert len(stubs.computed) == 4
    assert "test accuracy 87.50%" in text
    assert "accuracy 100.00% at eps 0, " in text
    assert NOTE in text
    after = cli("plan", "tursynbek2020/[fp]g*")
    assert "4 fresh, 2 missing" in after
    cli("run", "tursynbek2020/fgsm")
    assert len(stubs.computed) == 4


def test_a_plan_shows_keys_notes_and_states(stubs, monkeypatch):
    cli("run", "tursynbek2020/base")
    monkeypatch.setattr(run, "fingerprint_of", lambda spec: "changed")
    spec = registry.experiment("tursynbek2020/base").variants("quick")[0].spec
    text = cli("plan", "tursynbek2020/base")
    assert key_of(spec) in text
    assert "2 stale" in text
    assert "step size 2/255" in cli("plan", "tursynbek2020/pgd", "--profile", "paper")
    assert "nothing in profile quick" in cli("plan", "tursynbek2020/readings")


def test_a_plan_names_a_unit_by_its_note_unless_it_serves_several(stubs):
    text = cli("plan", "tursynbek2020/corruptions", "--profile", "paper")
    for kind in ("train", "corrupted"):
        assert f"{kind} DP-SGD on mnist, matched, seed 0 sigma 1.3, C 0.8 missing" in text
        assert f"{kind} SGD on mnist, matched, seed 0 missing" in text  # it stands beside them all


def test_the_paper_profile_writes_records(stubs, folders):
    text = cli("run", "tursynbek2020/base", "--profile", "paper", "--device", "cpu")
    assert NOTE not in text
    kept = len(list((folders / "records").glob("train/*/manifest.json")))
    assert kept == len(registry.experiment("tursynbek2020/base").variants("paper"))
    assert not (folders / "store").exists()


def test_a_spent_budget_says_what_is_left_and_how_to_go_on(stubs, monkeypatch):
    monkeypatch.setattr(run.time, "monotonic", lambda: 60.0 * len(stubs.computed))
    some = "tursynbek2020/[fp]g*"
    text = cli("run", some, "--minutes", "1.5", "--threads", "1")
    assert len(stubs.computed) == 2
    assert "the budget of 1.5 minutes is spent; 4 units left, about" in text
    assert f"to go on: privrob run '{some}' --profile quick --threads 1" in text
    cli("run", some)
    assert len(stubs.computed) == 6


def test_an_interruption_says_how_to_go_on(stubs):
    def interrupts(spec):
        if stubs.computed:
            raise KeyboardInterrupt

    stubs.before = interrupts
    handlers = {n: signal.getsignal(n) for n in (signal.SIGINT, signal.SIGTERM)}
    text = cli("run", "--device", "cpu", code=130)
    for number, handler in handlers.items():
        signal.signal(number, handler)  # a command that was stopped leaves them ignored
    assert "at most the current epoch is lost" in text
    assert "To go on: privrob run '*' --profile quick --device cpu" in text
    assert "1 fresh" in cli("plan")


# -- show and claims ----------------------------------------------------------------------------


def test_show_has_claims_settings_cost_and_states(stubs):
    text = cli("show", "tursynbek2020/fgsm")
    for words in (
        "Figure 2",
        "15.4 points",
        "train.training.epochs 50",
        "0, 0.01, ... 0.3 (31 values)",
        "0.00426667",
        "seeds: 0, 1, 2, 3, 4; command: privrob run tursynbek2020/fgsm --profile paper",
        "to compute on two cores",
    ):
        assert words in text
    assert NOTE in cli("show", "tursynbek2020/fgsm", "--profile", "quick")


def test_a_misspelt_claim_is_named_with_the_nearest():
    result = refused("claims", "song2019/figur1")
    assert "'song2019/figur1'" in result
    assert "did you mean 'song2019/figure1/*'?" in result


def test_claims_as_a_table_and_as_json():
    counted = cli("claims")
    assert "tursynbek2020/clean/sgd" not in counted
    assert "not attempted" in counted
    text = cli("claims", "tursynbek2020/clean/*")
    assert "tursynbek2020/clean/sgd" in text
    assert text.endswith("3 claims")
    everything = json.loads(CliRunner().invoke(app, ["claims", "--json"]).stdout)
    assert {"id", "paper", "locus", "kind", "published", "verdict", "n", "tier"} <= set(
        everything[0]
    )
    verdict = ["claims", "--json", "--paper", "tursynbek2020", "--verdict", "reproduced"]
    some = json.loads(CliRunner().invoke(app, verdict).stdout)
    assert len(some) < len(everything)


# -- notebooks and book -------------------------------------------------------------------------


def test_notebooks_get_their_parameters(monkeypatch, folders):
    from privrob.lab import book

    asked = {}

    def execute(names, *, profile, parameters, on_progress):
        asked.update(names=names, profile=profile, parameters=parameters)
        on_progress("one", 0, 1)
        on_progress("", 1, 1)
        return [folders / "one.ipynb"]

    monkeypatch.setattr(book, "sources", lambda: {"one": folders / "one.md"})
    monkeypatch.setattr(book, "execute", execute)
    text = cli("notebooks", "one", "-p", "seed=1", "-p", "eps=0.1")
    assert asked == {
        "names": ["one"],
        "profile": "quick",
        "parameters": {"seed": "1", "eps": "0.1"},
    }
    assert "one.ipynb" in text
    assert NOTE in text


def test_the_book_says_where_it_is_and_a_failure_is_one_line(monkeypatch):
    from privrob.lab import book

    index = Path.cwd() / "build" / "book" / "index.html"
    monkeypatch.setattr(book, "build", lambda **options: index)
    assert "the book is in build/book/index.html" in cli("book", "--no-execute")

    def fails(**options):
        raise book.BookError("notebook 10-fgsm failed")

    monkeypatch.setattr(book, "build", fails)
    assert refused("book", code=1) == "privrob: notebook 10-fgsm failed"


# -- data, models, verify -----------------------------------------------------------------------


def test_data_says_what_is_where(folders, monkeypatch):
    monkeypatch.setenv("PRIVROB_DATA", str(folders))
    (folders / "mnist.npz").write_bytes(b"not read")
    text = cli("data")
    assert "glyphs embedded comes with the package" in text
    assert "mnist npz" in text
    assert "cifar10 missing not in" in text


def test_fetching_downloads_and_names_the_variant(monkeypatch):
    asked = []

    def load(name, download=False):
        asked.append((name, download))
        return data.Dataset(name, {}, 10, "published")

    monkeypatch.setattr(data, "load", load)
    assert "(published)" in cli("data", "fetch", "mnist")
    assert asked == [("mnist", True)]


def test_a_failed_download_gives_the_ways_to_get_it(monkeypatch):
    def load(name, download=False):
        raise MissingDataError("mnist could not be downloaded: no route\nThree ways to get mnist:")

    monkeypatch.setattr(data, "load", load)
    assert "no route Three ways" in refused("data", "fetch", "mnist", code=1)


def base_results(monkeypatch):
    """Stored full-scale results whose weights are those of untrained networks."""
    from privrob import models

    def untrained(spec, upstream, context):
        model = models.build(spec.model.name, seed=spec.seed, **spec.model.settings)
        right = {"history": np.ones(1), "correct_test": np.arange(100) > 2}
        return Output(right, dict(model.state_dict()))

    monkeypatch.setitem(tasks.TASKS, "train", untrained)
    monkeypatch.setattr(run, "fingerprint_of", lambda spec: "code of today")
    variants = registry.experiment("tursynbek2020/base").variants("paper", seed=0)
    lab = Lab(open_store("paper"), on="cpu")
    return [lab.get(v.spec) for v in variants]


def test_models_are_kept_and_listed(monkeypatch, folders):
    assert "tursynbek2020/dpsgd" not in cli("models")
    results = base_results(monkeypatch)
    text = cli("models", "--keep")
    assert "tursynbek2020/dpsgd, seed 0: kept" in text
    assert "tursynbek2020/sgd, seed 1: no result here" in text
    assert "tursynbek2020/sgd 0 mnist_cnn, hidden (500,), normalize False, width 1.0" in text
    assert "97.00%" in text
    for result in results:  # the zoo alone is enough from now on
        (result.record.folder / "weights.safetensors").unlink()
    assert "tursynbek2020/dpsgd, seed 0: kept" in cli("models", "--keep")
    assert "the zoo: nothing broken" in cli("verify")


def test_of_a_pretraining_the_zoo_keeps_the_features_alone(monkeypatch, folders):
    from privrob import models
    from privrob.lab import cifar

    def untrained(spec, upstream, context):
        model = models.build(spec.kept.name, seed=0, **spec.kept.settings)
        right = {"history": np.ones(1), "correct_test": np.arange(100) > 2}
        return Output(right, dict(model.state_dict()))

    monkeypatch.setitem(tasks.TASKS, "pretrained", untrained)
    monkeypatch.setattr(run, "fingerprint_of", lambda spec: "code of today")
    Lab(open_store("paper"), on="cpu").get(cifar.PRETRAINING)
    text = cli("models", "--keep")
    assert "tursynbek2020/cifar100-features, seed 0: kept" in text
    assert "tursynbek2020/cifar100-features 0 cifar_features, hidden ()" in text
    assert "97.00%" in text


def test_verify_names_what_is_broken(stubs, folders):
    cli("run", "tursynbek2020/base")
    assert "2 results and the zoo: nothing broken" in cli("verify")
    path = next((folders / "store").glob("train/*/arrays.npz"))
    path.write_bytes(path.read_bytes()[:-2])
    text = cli("verify", "--recompute", code=1)
    assert path.parent.name in text.replace(" ", "")
    assert "1 broken" in text


def test_recomputing_reports_and_fails_on_a_disagreement(stubs, monkeypatch):
    from privrob.lab import recompute

    verdicts = iter([True, None, False, True, True, True])

    def judged(result, lab):
        return recompute.Outcome(result, next(verdicts), "a method", n=10)

    monkeypatch.setattr(recompute, "recompute", judged)
    cli("run", "tursynbek2020/[fp]g*")
    words = ("verify", "--recompute", "--profile", "quick")
    assert "1 agree, 0 disagree, 1 could not" in cli(*words, "--name", "tursynbek2020/base")
    text = cli(*words, "--name", "tursynbek2020/fgsm", code=1)
    assert "DISAGREES: a method; 0 of 10 differ" in text
    assert "0 agree, 0 disagree, 0 could not" in cli(*words, "--stale")  # nothing is stale
