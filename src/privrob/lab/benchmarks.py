"""What our steps and attacks cost beside other implementations of the same: races and records.

A subject is a file of the checkout's `benchmarks/` folder. Contestants run in turn, round by
round, and a ratio is taken within a round, so that a busy machine disturbs both sides alike.
Before it is timed, each contestant must give our own answer; one that does not gets no ratio.
"""

import importlib.util
import os
import re
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from math import isfinite
from pathlib import Path
from statistics import median, quantiles
from types import ModuleType
from typing import Any

import torch

from privrob import paths
from privrob.lab.files import Manifest

Run = Callable[[], object]
WARMUP = 2  # rounds that are run and not counted
INSTALL = "make .venv/oracles"


class BenchmarkError(RuntimeError):
    """No benchmark can be run or read here; says why."""


@dataclass(frozen=True)
class Contestant:
    """One way to do a subject's work.

    `prepare` builds it and returns what is timed. `gap` says how far its answer is from ours, in
    the subject's own measure; None for the one that the others are compared with. Both may raise
    ImportError where a peer is not installed. `ours` marks code of this package.
    """

    prepare: Callable[[], Run]
    gap: Callable[[], float] | None = None
    ours: bool = False


# -- subjects -----------------------------------------------------------------------------------


def folder() -> Path:
    """Where the subjects are; BenchmarkError for a copy installed without its checkout."""
    place = paths.repository() / "benchmarks"
    if not place.is_dir():
        raise BenchmarkError(
            "the benchmarks lie in the project's checkout, and this copy of privrob was installed "
            "without it; clone the repository and run `make setup` there"
        )
    return place


def names() -> list[str]:
    """Every subject: the files of the folder that say what their gap may be at most."""
    files = sorted(folder().glob("*.py"))
    return [p.stem for p in files if re.search(r"^GAP_LIMIT\b", p.read_text("utf-8"), re.M)]


def load(name: str) -> ModuleType:
    """The subject `name`: its constants and `contestants`, as dp_step.py tells."""
    place = folder() / f"{name}.py"
    spec = importlib.util.spec_from_file_location(f"benchmarks.{name}", place)
    if spec is None or spec.loader is None or not place.exists():
        raise BenchmarkError(f"no benchmark {name!r}; there are {', '.join(names())}")
    module = importlib.util.module_from_spec(spec)
    sys.path.insert(0, str(place.parent))  # subjects share helpers in files beside them
    try:
        spec.loader.exec_module(module)
    finally:
        sys.path.remove(str(place.parent))
    return module


# -- the race -----------------------------------------------------------------------------------


def race(
    runs: Mapping[str, Run],
    *,
    rounds: int,
    clock: Callable[[], float] = time.perf_counter,
    wait: Callable[[], None] = lambda: None,
    on_round: Callable[[int], None] = lambda done: None,
) -> dict[str, list[float]]:
    """Seconds of each contestant in each counted round, after WARMUP rounds that are dropped.

    Every second round goes backwards, so that nobody always follows the same neighbour. `wait`
    lets the device finish what it was given.
    """
    if rounds < 1:
        raise ValueError(f"rounds must be at least 1, got {rounds}")
    seconds: dict[str, list[float]] = {name: [] for name in runs}
    for number in range(WARMUP + rounds):
        for name in list(runs)[:: -1 if number % 2 else 1]:
            wait()
            begun = clock()
            runs[name]()
            wait()
            if number >= WARMUP:
                seconds[name].append(clock() - begun)
        on_round(number + 1)
    return seconds


def spread(values: Sequence[float]) -> list[float]:
    """Median, lower and upper quartile."""
    if len(values) == 1:
        return [values[0]] * 3
    low, middle, high = quantiles(values, method="inclusive")
    return [middle, low, high]


def ratios(mine: Sequence[float], other: Sequence[float]) -> list[float]:
    """Median and quartiles of our time over the other's, each ratio within one round."""
    return spread([a / b for a, b in zip(mine, other, strict=True)])


def admit(
    contestants: Mapping[str, Contestant], limit: float
) -> tuple[dict[str, Run], dict[str, Any]]:
    """What may be timed, and for every contestant how its answer compares or why it is left out."""
    runs: dict[str, Run] = {}
    notes: dict[str, Any] = {}
    for name, contestant in contestants.items():
        note: dict[str, Any] = {"ours": contestant.ours, "gap": None, "skipped": None}
        try:
            gap = None if contestant.gap is None else float(contestant.gap())
            run = contestant.prepare()
        except ImportError as error:
            note["skipped"] = f"{error.name or error} is not installed: {INSTALL}"
        else:
            note["passed"] = gap is None or gap <= limit  # a NaN does not pass
            note["gap"] = gap if gap is None or isfinite(gap) else None
            if note["passed"]:
                runs[name] = run
        notes[name] = note
    return runs, notes


# -- one subject, whole -------------------------------------------------------------------------


def measure(
    name: str,
    *,
    device: torch.device,
    rounds: int | None,
    on_step: Callable[[str, int, int], None] = lambda what, done, total: None,
) -> Manifest:
    """Answers compared, race, growth and memory of one subject, as plain data.

    `rounds` None takes the subject's own number. `on_step` hears what is at work, how many rounds
    are done and how many there are; the other parts take little beside them.
    """
    subject = load(name)
    rounds = rounds or subject.ROUNDS
    few = max(1, rounds // 3)
    points = [(s, value) for s, values in subject.GROWTH.items() for value in values]
    total = WARMUP + rounds + (WARMUP + few) * len(points)
    on_step(f"{name}: are the answers the same?", 0, total)
    runs, notes = admit(subject.contestants(device, **subject.SETTINGS), subject.GAP_LIMIT)
    seconds = race(
        runs,
        rounds=rounds,
        wait=waiter(device),
        on_round=lambda done: on_step(f"{name}: race", done, total),
    )
    for who, times in seconds.items():
        notes[who] |= {"seconds": spread(times), "ratios": _beside_peers(who, seconds, notes)}
    growth = []
    for setting, value in points:
        on_step(f"{name}: {setting} {value}", total - (WARMUP + few) * len(points), total)
        growth.append(_growth(subject, device, setting, value, rounds=few, only=set(runs)))
        points = points[1:]
    for who in runs:
        on_step(f"{name}: memory of {who}", total, total)
        notes[who]["peak_mib"] = memory(name, who, device)
    return {
        "title": subject.TITLE,
        "settings": subject.SETTINGS,
        "gap_means": subject.GAP,
        "gap_limit": subject.GAP_LIMIT,
        "rounds": rounds,
        "contestants": notes,
        "growth_rounds": few,
        "growth_at": subject.GROWTH_AT,
        "growth": growth,
    }


def _beside_peers(
    who: str, seconds: Mapping[str, Sequence[float]], notes: Mapping[str, Any]
) -> dict[str, list[float]]:
    """The ratios of one of ours to every peer; none for a peer."""
    if not notes[who]["ours"]:
        return {}
    return {n: ratios(seconds[who], seconds[n]) for n in seconds if not notes[n]["ours"]}


def _growth(
    subject: ModuleType,
    device: torch.device,
    setting: str,
    value: Any,
    *,
    rounds: int,
    only: set[str],
) -> dict[str, Any]:
    """Median seconds of the subject's GROWTH_OF with one setting changed."""
    settings = {**subject.SETTINGS, **subject.GROWTH_AT, setting: value}
    everyone = subject.contestants(device, **settings)
    runs = {n: everyone[n].prepare() for n in subject.GROWTH_OF if n in only}
    times = race(runs, rounds=rounds, wait=waiter(device))
    medians = {name: median(each) for name, each in times.items()}
    return {"setting": setting, "value": value, "seconds": medians}


def waiter(device: torch.device) -> Callable[[], None]:
    """Waits until the device has done all that it was given; nothing to wait for on a CPU."""
    if device.type == "cuda":
        return lambda: torch.cuda.synchronize(device)
    return lambda: None


# -- memory -------------------------------------------------------------------------------------


def memory(subject: str, contestant: str, device: torch.device) -> float | None:
    """MiB that a contestant's run takes at its peak above what it held ready to run.

    Measured in a process of its own: what one contestant has freed, the next would get for
    nothing. None where the system does not say.
    """
    code = (
        "import sys; from privrob.lab import benchmarks as b; "
        "sys.stdout.write(str(b.peak_bytes(*sys.argv[1:])))"
    )
    words = [sys.executable, "-c", code, subject, contestant, str(device)]
    threads = str(torch.get_num_threads())
    env = os.environ | {"OMP_NUM_THREADS": threads, "MKL_NUM_THREADS": threads}
    done = subprocess.run(words, check=False, capture_output=True, text=True, env=env)
    if done.returncode:
        last = (done.stderr.strip().splitlines() or ["no message"])[-1]
        raise BenchmarkError(f"{subject}: memory of {contestant!r} cannot be measured: {last}")
    return None if done.stdout == "None" else round(int(done.stdout) / 2**20, 1)


def peak_bytes(subject: str, contestant: str, device_name: str) -> int | None:
    """The same, in this process: three runs, the first of which may build what is kept."""
    device = torch.device(device_name)
    module = load(subject)
    run = module.contestants(device, **module.SETTINGS)[contestant].prepare()
    before, peak = _held(device)
    for _ in range(3):
        run()
    waiter(device)()
    after = peak()
    return None if before is None or after is None else max(0, after - before)


def _held(device: torch.device) -> tuple[int | None, Callable[[], int | None]]:
    """Bytes held now, and a function that gives the most that were held since."""
    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats(device)
        return torch.cuda.memory_allocated(device), lambda: torch.cuda.max_memory_allocated(device)
    try:
        Path("/proc/self/clear_refs").write_text("5")  # the high-water mark starts anew
    except OSError:
        return None, lambda: None
    return _status("VmRSS"), lambda: _status("VmHWM")


def _status(field: str) -> int | None:
    """A size from the kernel's account of this process; Linux alone."""
    text = Path("/proc/self/status").read_text()
    found = re.search(rf"^{field}:\s+(\d+) kB", text, re.M)
    return int(found[1]) * 1024 if found else None
