"""The benchmarks: fair races, honest gates, goals, the page and the command; nothing is timed."""

import importlib.util
import json
from itertools import count
from pathlib import Path

import pytest
import torch
from typer.testing import CliRunner

from privrob import paths
from privrob.cli import app
from privrob.lab import benchmark_goals, benchmark_results, benchmarks, benchmarks_page
from privrob.lab.benchmark_goals import Goal, Limit
from privrob.lab.benchmarks import WARMUP, Contestant
from privrob.lab.files import StoreError

CPU = torch.device("cpu")


class Clock:
    """Time that passes only where a contestant says so."""

    def __init__(self):
        self.now = 0.0

    def __call__(self):
        return self.now

    def takes(self, *seconds):
        """A contestant whose n-th run takes seconds[n], the last for ever after."""
        runs = count()

        def run():
            self.now += seconds[min(next(runs), len(seconds) - 1)]

        return run


# -- the race -----------------------------------------------------------------------------------


def test_warm_up_rounds_are_dropped():
    clock = Clock()
    slow_first = [50.0] * WARMUP + [1.0, 2.0, 3.0]
    assert WARMUP > 0
    seconds = benchmarks.race({"a": clock.takes(*slow_first)}, rounds=3, clock=clock)
    assert seconds == {"a": [1.0, 2.0, 3.0]}


def test_a_ratio_is_taken_within_a_round():
    clock = Clock()
    busy = [1.0] * WARMUP + [1.0, 10.0, 100.0]  # the machine slows down: both sides alike
    runs = {"a": clock.takes(*busy), "b": clock.takes(*(2 * t for t in busy))}
    seconds = benchmarks.race(runs, rounds=3, clock=clock)
    assert benchmarks.ratios(seconds["a"], seconds["b"]) == [0.5, 0.5, 0.5]


def test_every_second_round_goes_backwards_and_the_device_is_waited_for():
    order = []
    runs = {name: (lambda name=name: order.append(name)) for name in "ab"}
    benchmarks.race(runs, rounds=2, wait=lambda: order.append("wait"))
    ran = [name for name in order if name != "wait"]
    assert ran == ["a", "b", "b", "a"] * ((WARMUP + 2) // 2)
    assert order[:3] == ["wait", "a", "wait"]


def test_spread_is_median_and_quartiles():
    assert benchmarks.spread([5.0, 1.0, 2.0, 4.0, 3.0]) == [3.0, 2.0, 4.0]
    assert benchmarks.spread([7.0]) == [7.0, 7.0, 7.0]


def test_no_rounds_are_refused():
    with pytest.raises(ValueError, match="at least 1, got 0"):
        benchmarks.race({}, rounds=0)


# -- who may race -------------------------------------------------------------------------------


def run():
    return None


def absent():
    raise ImportError("No module named 'nobody'", name="nobody")


def field(gap):
    return {
        "ours": Contestant(lambda: run, ours=True),
        "peer": Contestant(lambda: run, lambda: gap),
    }


@pytest.mark.parametrize(("gap", "passes"), [(0.0, True), (1e-10, True), (1e-9, False)])
def test_only_equal_answers_are_timed(gap, passes):
    runs, notes = benchmarks.admit(field(gap), 1e-10)
    assert list(runs) == (["ours", "peer"] if passes else ["ours"])
    assert notes["peer"]["passed"] is passes
    assert notes["peer"]["gap"] == gap


def test_an_answer_that_is_no_number_does_not_pass():
    runs, notes = benchmarks.admit(field(float("nan")), 1e-10)
    assert "peer" not in runs
    json.dumps(notes, allow_nan=False)  # a record can hold it


@pytest.mark.parametrize("where", ["prepare", "gap"])
def test_a_missing_library_is_left_out_by_name_with_what_to_install(where):
    parts = {"prepare": lambda: run, "gap": lambda: 0.0} | {where: absent}
    runs, notes = benchmarks.admit({"peer": Contestant(**parts)}, 0)
    assert runs == {}
    assert notes["peer"]["skipped"] == "nobody is not installed: make .venv/oracles"


# -- a subject of one's own ---------------------------------------------------------------------

SUBJECT = """
from privrob.lab.benchmarks import Contestant
TITLE = "Adding"
GAP = "difference"
GAP_LIMIT = 0
ROUNDS = 4
SETTINGS, GROWTH, GROWTH_AT, GROWTH_OF = {"n": 3, "m": 1}, {"n": (1, 2)}, {"m": 5}, ("mine",)
seen = []
def contestants(device, *, n, m):
    seen.append((n, m))
    run = lambda: bytearray(n * 4_000_000)
    wrong = Contestant(lambda: run, lambda: 1)
    return {
        "mine": Contestant(lambda: run, ours=True),
        "theirs": Contestant(lambda: run, lambda: 0),
        "wrong": wrong,
    }
"""


@pytest.fixture
def checkout(monkeypatch, tmp_path):
    """A checkout with one small subject; records in it."""
    (tmp_path / "benchmarks").mkdir()
    (tmp_path / "benchmarks" / "adding.py").write_text(SUBJECT)
    (tmp_path / "benchmarks" / "helper.py").write_text('"""No subject."""\n')
    monkeypatch.setattr(paths, "repository", lambda: tmp_path)
    monkeypatch.setenv("PRIVROB_RECORDS", str(tmp_path / "records"))
    monkeypatch.setattr(benchmarks, "memory", lambda *which: 1.5)
    return tmp_path


def test_a_file_is_all_that_a_new_subject_needs(checkout):
    assert benchmarks.names() == ["adding"]
    heard = []
    found = benchmarks.measure(
        "adding", device=CPU, rounds=None, on_step=lambda *step: heard.append(step)
    )
    everyone = found["contestants"]
    assert set(everyone["mine"]["ratios"]) == {"theirs"}
    assert everyone["theirs"]["ratios"] == {}
    assert "seconds" not in everyone["wrong"]
    assert everyone["mine"]["peak_mib"] == 1.5
    assert [(p["setting"], p["value"]) for p in found["growth"]] == [("n", 1), ("n", 2)]
    assert [list(p["seconds"]) for p in found["growth"]] == [["mine"], ["mine"]]
    assert found["rounds"] == 4
    shares = [done / total for _, done, total in heard]
    assert shares == sorted(shares)
    assert shares[-1] == 1


def test_growth_changes_one_setting_and_leaves_the_others_as_told(checkout, monkeypatch):
    subject = benchmarks.load("adding")
    monkeypatch.setattr(benchmarks, "load", lambda name: subject)
    benchmarks.measure("adding", device=CPU, rounds=1)
    assert subject.seen == [(3, 1), (1, 5), (2, 5)]


def test_an_installed_copy_without_its_checkout_says_so(monkeypatch, tmp_path):
    monkeypatch.setattr(paths, "repository", lambda: tmp_path)
    with pytest.raises(benchmarks.BenchmarkError, match="installed without it; clone"):
        benchmarks.names()


@pytest.mark.skipif(not Path("/proc/self/clear_refs").exists(), reason="Linux counts this")
def test_peak_memory_is_what_a_run_takes_above_what_was_held(checkout, monkeypatch):
    text = SUBJECT.replace("bytearray(n * 4_000_000)", 'len(b"x" * (n * 20_000_000))')
    (checkout / "benchmarks" / "adding.py").write_text(text)
    peak = benchmarks.peak_bytes("adding", "mine", "cpu")
    assert 55e6 < peak < 80e6  # 60 MB, and what the interpreter takes


# -- goals --------------------------------------------------------------------------------------


def note(**fields):
    return {"ours": False, "gap": 0.0, "skipped": None, "passed": True} | fields


def subject(ratio, **peer):
    ours = note(ours=True, gap=None, seconds=[0.01] * 3, ratios={"peer": ratio}, peak_mib=12.5)
    theirs = note(seconds=[0.02] * 3, ratios={}, peak_mib=40.0) | peer
    growth = [{"setting": "batch", "value": v, "seconds": {"me": v / 1000}} for v in (64, 128)]
    return {
        "title": "A subject",
        "settings": {"batch": 256, "width": 1.0},
        "gap_means": "difference",
        "gap_limit": 1e-10,
        "rounds": 9,
        "contestants": {"me": ours, "peer": theirs},
        "growth": growth,
        "growth_rounds": 3,
        "growth_at": {},
    }


@pytest.fixture
def goal(monkeypatch):
    goal = Goal("thing", "me", "peer", 0.5, "Because of <this>.")
    monkeypatch.setattr(benchmark_goals, "GOALS", (goal,))
    return goal


@pytest.mark.parametrize(("median", "met"), [(0.49, True), (0.5, True), (0.51, False)])
def test_a_goal_is_met_by_the_median(goal, median, met):
    [outcome] = benchmark_goals.judge({"thing": subject([median, 0.4, 0.6])})
    assert outcome.met is met
    assert outcome.ratio == (median, 0.4, 0.6)


def test_a_goal_without_a_ratio_says_why(goal):
    gone = "nobody is not installed"
    cases = {
        "not measured": {},
        f"peer: {gone}": {"thing": subject([1, 1, 1], skipped=gone)},
        "peer gives another answer": {"thing": subject([1, 1, 1], passed=False)},
    }  # fmt: skip
    for words, subjects in cases.items():
        [outcome] = benchmark_goals.judge(subjects)
        assert outcome.met is None
        assert words in outcome.missing


@pytest.mark.parametrize(("most", "word"), [(20.0, "met"), (12.5, "met"), (12.4, "not met")])
def test_a_limit_of_memory_is_of_the_race(most, word):
    limit = Limit("thing", "me", "MiB", most)
    assert limit.needed({"thing": subject([1, 1, 1])}) == 12.5
    assert limit.verdict({"thing": subject([1, 1, 1])}) == word


def test_a_limit_of_time_is_of_the_growth_at_its_value():
    limit = Limit("thing", "me", "s", 0.1, "batch", 128)
    assert limit.needed({"thing": subject([1, 1, 1])}) == 0.128
    assert limit.verdict({"thing": subject([1, 1, 1])}) == "not met"
    assert (
        Limit("thing", "me", "s", 0.1, "batch", 64).verdict({"thing": subject([1, 1, 1])}) == "met"
    )


@pytest.mark.parametrize(
    ("name", "setting", "value"), [("me", "batch", 99), ("me", "width", 64), ("none", "batch", 64)]
)
def test_a_limit_without_a_measurement_is_not_met(name, setting, value):
    limit = Limit("thing", name, "s", 9.0, setting, value)
    for subjects in ({}, {"thing": subject([1, 1, 1])}):
        assert limit.verdict(subjects) == "not measured"


def test_every_limit_names_what_exists():
    for limit in benchmark_goals.LIMITS:
        module = benchmarks.load(limit.subject)
        assert f'"{limit.ours}"' in (benchmarks.folder() / f"{limit.subject}.py").read_text()
        if limit.unit == "s":
            assert limit.value in module.GROWTH[limit.setting]
            assert limit.ours in module.GROWTH_OF


def test_every_goal_names_a_subject_and_contestants_that_exist():
    source = {n: (benchmarks.folder() / f"{n}.py").read_text() for n in benchmarks.names()}
    assert {"dp_step", "fgsm_grid", "pgd"} <= set(source)
    for goal in benchmark_goals.GOALS:
        for name in (goal.ours, goal.peer):
            assert f'"{name}"' in source[goal.subject]


# -- records and the page -----------------------------------------------------------------------


def record(**fields):
    subjects = {"thing": subject([0.25, 0.2, 0.3])}
    return benchmark_results.result(subjects, device=CPU, load=[3.5, 1.0, 1.0]) | fields


def test_a_result_is_kept_whole_and_a_changed_one_is_found(checkout):
    mine = record(device="A CPU (3rd)", cores=2, threads=1, created="2026-02-03T04:05:06+00:00")
    name = benchmark_results.file_name(mine)
    assert name == "a-cpu-3rd-2-cores-1-thread-2026-02-03.json"
    path = benchmark_results.folder() / name
    benchmark_results.save(mine, path)
    [(where, found)] = benchmark_results.results()
    assert (where, found["subjects"]) == (path, mine["subjects"])
    assert [p.name for p in path.parent.iterdir()] == [name]
    path.write_text(path.read_text().replace("0.25", "0.15"))
    with pytest.raises(StoreError, match="was changed"):
        benchmark_results.results()


def test_a_run_of_some_subjects_replaces_no_file_that_has_others(checkout):
    both, one = record(subjects={"a": {}, "b": {}}), record(subjects={"a": {}})
    first = benchmark_results.place(both, subjects=["a", "b"])
    benchmark_results.save(both, first)
    second = benchmark_results.place(one, subjects=["a"])
    assert second.name == f"{first.stem}-2.json"
    benchmark_results.save(one, second)
    assert benchmark_results.place(one, subjects=["a"]) == second
    assert benchmark_results.place(both, subjects=["a", "b"]) == first


def test_results_come_newest_first(checkout):
    for day in ("2026-02-03", "2026-02-10", "2026-01-31"):
        made = record(created=f"{day}T00:00:00+00:00", device=day)
        benchmark_results.save(made, benchmark_results.folder() / f"{day[::-1]}.json")
    days = [found["device"] for _, found in benchmark_results.results()]
    assert days == ["2026-02-10", "2026-02-03", "2026-01-31"]


def test_the_page_says_when_there_is_no_result(checkout):
    text = benchmarks_page.benchmarks_page()
    assert text.startswith("# Benchmarks\n\n:::{warning}\nNo result is kept here.")


def test_the_page_shows_machine_goals_ratios_memory_and_growth(checkout, goal):
    made = record(device="A <CPU>", threads=1, created="2026-02-03T00:00:00+00:00")
    benchmark_results.save(made, benchmark_results.folder() / "one.json")
    text = benchmarks_page.benchmarks_page()
    assert "## A &lt;CPU&gt;, 1 thread, 2026-02-03" in text
    assert "load average before: 3.5 " in text
    assert "<td>me / peer</td><td>0.5</td><td>0.25 [0.20, 0.30]</td><td>met</td><td></td>" in text
    assert "With a goal, and not measured here: threshold, corruptions, whole_set." in text
    assert "not measured</td>" not in text
    assert "<td>me</td><td>10.0</td><td>12.5</td>" in text
    assert "<td>peer</td><td>20.0</td><td>40.0</td><td>0.25 [0.20, 0.30]</td><td>0</td>" in text
    assert "grows with batch (width 1), in milliseconds" in text
    assert "<tr><td>128</td><td>128.0</td></tr>" in text


def test_the_page_gives_the_reason_for_a_goal_that_is_missed(checkout, goal):
    made = record(subjects={"thing": subject([0.75, 0.7, 0.8])})
    benchmark_results.save(made, benchmark_results.folder() / "one.json")
    text = benchmarks_page.benchmarks_page()
    assert "<td>not met</td><td>Because of &lt;this&gt;.</td>" in text


def test_the_page_names_a_contestant_that_was_left_out(checkout, goal):
    gone = subject([1, 1, 1], skipped="nobody is not installed: make .venv/oracles")
    del gone["contestants"]["peer"]["seconds"]
    gone["contestants"]["me"]["ratios"] = {}
    benchmark_results.save(record(subjects={"thing": gone}), benchmark_results.folder() / "a.json")
    text = benchmarks_page.benchmarks_page()
    assert text.count("nobody is not installed: make .venv/oracles") == 2


# -- the command --------------------------------------------------------------------------------


def cli(*words):
    return CliRunner().invoke(app, ["bench", *words])


def test_an_unknown_name_is_refused_with_the_nearest(checkout):
    result = cli("ading")
    assert result.exit_code == 2
    assert "no benchmark 'ading'; did you mean 'adding'?" in result.stderr
    assert not benchmark_results.folder().exists()


def test_the_command_measures_shows_and_writes(checkout):
    result = cli("adding", "--rounds", "1", "--out", str(checkout / "new" / "r.json"))
    assert result.exit_code == 0, result.output
    made = json.loads((checkout / "new" / "r.json").read_text())
    assert made["subjects"]["adding"]["rounds"] == 1
    assert made["versions"]["torch"]
    lines = {line.split()[0]: line for line in result.stdout.splitlines() if line.strip()}
    assert "another answer: no ratio" in lines["wrong"]
    assert "[" in lines["theirs"]


def test_left_alone_the_result_goes_to_the_records(checkout):
    assert cli("--rounds", "1").exit_code == 0
    [(path, made)] = benchmark_results.results()
    assert path.parent == checkout / "records" / "benchmarks"
    assert path.name == benchmark_results.file_name(made)


# -- the subjects themselves --------------------------------------------------------------------


def test_the_usual_network_is_ours_in_another_order():
    place = benchmarks.folder() / "networks.py"
    spec = importlib.util.spec_from_file_location("networks", place)
    networks = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(networks)
    ours = networks.ours(CPU, width=0.2, dtype=torch.float64)
    usual = networks.usual(ours)
    x = torch.rand(4, 1, 28, 28, dtype=torch.float64)
    torch.testing.assert_close(usual(x), ours(x), rtol=1e-12, atol=1e-12)
    kinds = [type(layer).__name__ for layer in usual]
    assert kinds[:6] == ["Conv2d", "ReLU", "MaxPool2d"] * 2


@pytest.mark.parametrize(
    "name", ["dp_step", "dp_head", "fgsm_grid", "pgd", "corruptions", "bounds", "defences"]
)
def test_in_every_subject_all_contestants_give_our_answer(name):
    pytest.importorskip("torchattacks")
    pytest.importorskip("foolbox")
    subject = benchmarks.load(name)
    small = {
        "dp_step": {"batch": 4},
        "dp_head": {"batch": 4},
        "fgsm_grid": {"batch": 8},
        "pgd": {"batch": 8, "steps": 3},
    }
    small |= {"corruptions": {"images": 3}, "bounds": {"batch": 4}}
    small |= {"defences": {"batch": 2, "width": 0.125}}
    settings = subject.SETTINGS | small[name]
    runs, notes = benchmarks.admit(subject.contestants(CPU, **settings), subject.GAP_LIMIT)
    assert list(runs) == list(notes)
    assert set(subject.GROWTH_OF) <= set(runs)
    for run in runs.values():
        run()
