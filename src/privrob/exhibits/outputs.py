"""The outputs that song2019's authors stored, beside our models, and what follows from them.

Every number and verdict comes from the ledger; `SETS` are its exhibits of stored outputs.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import lru_cache

from privrob import plot
from privrob.exhibits.figures import unmeasured
from privrob.exhibits.leaks import (
    INFERENCES,
    Leak,
    accuracy_cells,
    inference_cells,
    leak_stamp,
    leaks,
)
from privrob.exhibits.tables import words
from privrob.lab import claims, registry, song2019
from privrob.lab.arithmetic import ADVERSARIAL, ATTACKS, BENIGN, chance
from privrob.lab.claims import Entry
from privrob.lab.spec import Spec
from privrob.membership import threshold

PAPER = "song2019"
SETS = {"yale": "Yale Face", "fashion-mnist": "Fashion-MNIST", "cifar10": "CIFAR-10"}
LARGE = {"fashion-mnist": "fashion", "cifar10": "cifar"}  # experiments' names begin so
LETTERS = {BENIGN: "I_B", ADVERSARIAL: "I_A"}
ROBUST = tuple(m for m in song2019.NAMES if m != "natural")
TableRow = dict[str, object]
_COLUMNS = {
    "train": "members,\nbenign",
    "test": "others,\nbenign",
    "adversarial-train": "members,\nadversarial",
    "adversarial-test": "others,\nadversarial",
}  # as `leaks.accuracy_cells` has them
DRAWN = {"faces": "drawn faces", "digits": "digits"}  # what small models see
SCORE = "confidence"  # the score of the official attack


# -- the ledger ---------------------------------------------------------------------------------


@lru_cache(maxsize=1)
def entries() -> Mapping[str, Entry]:
    """The claims of the stored outputs and of both contributions, by id without the paper."""
    exhibits = [f"{PAPER}/{name}" for name in (*SETS, "contribution1", "contribution2")]
    return {e.claim.id.removeprefix(f"{PAPER}/"): e for e in claims.ledger(exhibits=exhibits)}


@lru_cache(maxsize=1)
def _slugs() -> dict[str, str]:
    """Of each model of `song2019.NAMES` the row of the ledger: 'abs' -> 'abstract-...'."""
    cells = [e.claim for name, e in entries().items() if name.startswith("yale/")]
    return {c.arguments["model"]: c.id.split("/")[2] for c in cells}


def stored(name: str) -> dict[str, dict[str, float]]:
    """Of a data set of `SETS`, model -> output -> percent, as stored: 'pgd' -> 'infer-benign'."""
    found: dict[str, dict[str, float]] = {}
    for model, slug in _slugs().items():
        start = f"{name}/{slug}/"
        row = {i.removeprefix(start): e for i, e in entries().items() if i.startswith(start)}
        if row:
            found[model] = {column: float(e.claim.published) for column, e in row.items()}
    return found


def sizes(name: str) -> dict[str, int]:
    """The numbers of members and of non-members behind a data set's inference accuracies."""
    sets = entries()[f"{name}/natural/{BENIGN}"].claim.sets
    assert sets is not None
    return dict(sets)


def contrast(exhibit: str, name: str, model: str, *, part: str = "stored") -> Entry | None:
    """The claim of a contribution on a model ('all' of them), if there is.

    `part` '' is that on our records, 'verified' the same by I_V.
    """
    row = "all" if model == "all" else _slugs()[model].split("-")[0]
    return entries().get(f"{exhibit}/{name}-{row}/{part}".rstrip("/"))


def recorded(name: str) -> list[Leak]:
    """The recorded models of a data set too large for two cores: of full, then of reduced scale."""
    return [k for end in ("membership", "reduced") for k in leaks(f"{PAPER}/{LARGE[name]}-{end}")]


def full_scale(leak: Leak) -> bool:
    """Whether a model is one of the authors' settings, as evidence must be."""
    return bool(leak.row.variant.train.scale == "paper")


# -- side by side -------------------------------------------------------------------------------


def accuracies(name: str, leaks: Sequence[Leak] = ()) -> list[TableRow]:
    """Accuracies of members and others: a row for the stored outputs of a model and each of ours.

    `leaks` are of the same data set, or the small models in its place.
    """
    rows: list[TableRow] = []
    for model, row in stored(name).items():
        cells: TableRow = {"model": song2019.NAMES[model], "evidence": "stored output"}
        for column, title in _COLUMNS.items():
            cells[title] = plot.Value(row[column], tier="published")
        rows.append(cells)
        rows += [_ours(leak) | accuracy_cells(leak) for leak in leaks if leak.model == model]
    return rows


def inferences(name: str, leaks: Sequence[Leak] = ()) -> list[TableRow]:
    """Inference accuracies by the official rule, each with what chance gives and, of ours, twins.

    Beside the stored outputs stands the chance of scores without ties: the scores are not stored.
    """
    rows: list[TableRow] = []
    most = chance(**sizes(name)).most
    for model, row in stored(name).items():
        cells: TableRow = {"model": song2019.NAMES[model], "evidence": "stored output"}
        for attack, word in LETTERS.items():
            cells[word] = plot.Value(row[attack], tier="published")
            cells[f"{word}, 95 %\nof chance"] = plot.Value(most, tier="derived")
            cells[f"{word},\nheld out"] = None
        rows.append(cells)
        rows += [_ours(leak) | _attacked(leak) for leak in leaks if leak.model == model]
    return rows


def _ours(leak: Leak) -> TableRow:
    reduced = "" if full_scale(leak) else "reduced, "
    seed = leak.row.variant.seed
    small = f"quick, {DRAWN.get(leak.row.variant.train.data.name)}"
    words = small if leak.source else f"recorded, {reduced}seed {seed}"
    return {"model": song2019.NAMES[leak.model], "evidence": words}


def _attacked(leak: Leak) -> TableRow:
    there = [i for i in INFERENCES if i != "verified" or leak.has(i)]
    cells = (inference_cells(leak, i, score=SCORE) for i in there)
    return {name: value for one in cells for name, value in one.items()}


# -- advantages ---------------------------------------------------------------------------------


def advantages() -> list[TableRow]:
    """What follows from the stored outputs: advantages in percent, and over the natural model's."""
    rows: list[TableRow] = []
    for name, title in SETS.items():
        table = stored(name)
        base = best(table["natural"])[1]
        for model, row in table.items():
            found = {w: 2 * (row[a] - 50) for a, w in LETTERS.items()}
            found["best over\nnatural's"] = (best(row)[1] - 50) / (base - 50)
            cells: TableRow = {"data set": title, "model": song2019.NAMES[model]}
            rows.append(cells | {w: plot.Value(v, tier="derived") for w, v in found.items()})
    return rows


def best(row: Mapping[str, float]) -> tuple[str, float]:
    """The better attack on a model, 'I_A', and its stored accuracy in percent."""
    attack = max(ATTACKS, key=lambda a: row[a])
    return LETTERS[attack], row[attack]


def own_advantages(leaks: Sequence[Leak]) -> list[TableRow]:
    """The same of our models of one data set, each beside the natural one of its scale and seed.

    Beside an advantage stand that of an accuracy which chance gives, and the cross-fitted one.
    No ratio stands where the natural model's own accuracy is one that chance gives: it would be
    noise by noise.
    """
    natural = {_kind(k): k for k in leaks if k.model == "natural"}
    rows: list[TableRow] = []
    for leak in leaks:
        row = _ours(leak)
        for inference in INFERENCES:
            cells = inference_cells(leak, inference, score=SCORE)
            row |= {name: _as_advantage(leak, cell) for name, cell in cells.items()}
        ratio = _ratio(leak, natural.get(_kind(leak)))
        row["best over\nnatural's"] = None if ratio is None else plot.Value(ratio, **leak.evidence)
        rows.append(row)
    return rows


def _as_advantage(leak: Leak, accuracy: object) -> plot.Value | None:
    if not isinstance(accuracy, plot.Value):
        return None
    ends = (accuracy.mean, accuracy.low, accuracy.high)
    return leak.value(*(2 * (end - 50) for end in ends if end is not None))


def _kind(leak: Leak) -> tuple[str, bool, int]:
    return leak.tier, full_scale(leak), leak.row.variant.seed


def _ratio(leak: Leak, natural: Leak | None) -> float | None:
    if natural is None or not any(a.above_chance for a in _audits(natural)):
        return None
    top, base = (max(a.advantage for a in _audits(k)) for k in (leak, natural))
    return top / base


def _audits(leak: Leak) -> list[threshold.Audit]:
    return [leak.audit(i, score=SCORE) for i in INFERENCES if leak.has(i)]


# -- the headline claims ------------------------------------------------------------------------


def ratios() -> list[TableRow]:
    """The three printed ratios, what the stored outputs give, and what our records say."""
    rows: list[TableRow] = []
    for name, title in SETS.items():
        claim, given = (entries()[f"contribution2/{name}-ratio{end}"] for end in ("", "/stored"))
        evidence = given.headline.evidence
        assert evidence is not None
        printed = float(claim.claim.published)
        rows.append(
            {
                "data set": title,
                "printed": plot.Value(printed, tier="published", digits=1),
                "from the\nstored outputs": plot.Value(evidence.value, tier="derived"),
                "verdict on the stored outputs": str(given.headline.verdict),
                "verdict by our records": _brief(claim.headline),
            }
        )
    return rows


def _brief(a: claims.Assessment) -> str:
    """The verdict, without the cost of what was not run: that has a table of its own."""
    return str(a.verdict) if a.evidence else a.verdict.word


def worked(name: str) -> str:
    """The arithmetic of a data set's ratio in a line."""
    table = stored(name)
    base_attack, base = best(table["natural"])
    model = max(ROBUST, key=lambda m: best(table[m])[1] if m in table else 0.0)
    attack, top = best(table[model])
    up, down = 2 * (top - 50), 2 * (base - 50)
    return (
        f"{SETS[name]}: {attack} on the {song2019.NAMES[model]} model, 2 × ({top:.2f} − 50) = "
        f"{up:.2f}; {base_attack} on the natural model, 2 × ({base:.2f} − 50) = {down:.2f}; "
        f"{up:.2f} / {down:.2f} = {up / down:.2f}."
    )


# -- captions and stamps ------------------------------------------------------------------------


def lead(leaks: Sequence[Leak], *, published: bool = True, derived: bool = False) -> str:
    """The words a caption begins with, as `figures.lead` has them."""
    words = ["published"] * published
    words += ["recorded"] * any(k.tier == "recorded" for k in leaks)
    words += ["executed (quick)"] * any(k.tier == "executed" for k in leaks)
    words += ["derived"] * derived
    *first, last = words
    text = f"{', '.join(first)} and {last}" if first else last
    return text[0].upper() + text[1:]


def stamp(
    leaks: Sequence[Leak], command: str, *, published: bool = True, derived: bool = False
) -> plot.Stamp:
    """The evidence behind a table of stored outputs, unless it has none, and these models."""
    first, more = ["published"] * published, ["derived"] * derived
    if not leaks:
        return unmeasured(command, tiers=(*first, *more))
    ours = leak_stamp(leaks, command)
    return replace(ours, tiers=(*first, *ours.tiers, *more))


def settings(name: str) -> plot.Figure:
    """Where the settings of the PGD model differ between profiles paper and quick."""
    return words(registry.difference(_pgd(name, "paper"), _pgd(name, "quick")))


def reductions() -> plot.Figure:
    """Where the PGD models of reduced scale differ from the paper's."""
    rows = []
    for name, short in LARGE.items():
        both = (_pgd(f"{PAPER}/{short}-{end}", "paper") for end in ("membership", "reduced"))
        for row in registry.difference(*both):
            row["reduced"] = row.pop("quick")
            rows.append({"data set": SETS[name]} | row)
    return words(rows)


def _pgd(name: str, profile: str) -> Spec:
    return next(v.spec for v in registry.experiment(name).variants(profile) if v.model == "pgd")
