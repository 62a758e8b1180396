"""What the leak of a model hangs on: budgets, fractions, widths, sizes, the adversary's radius.

A row is one setting; its values are audits of `leaks`, of every seed and tier that is there.
"""

from collections.abc import Sequence

from privrob import plot, stats, zoo
from privrob.exhibits.leaks import INFERENCES, Leak, TableRow, accuracy_cells, leak_stamp
from privrob.exhibits.notes import sentence
from privrob.exhibits.tables import words
from privrob.lab import registry
from privrob.lab.markup import duration
from privrob.lab.run import key_of
from privrob.lab.study import lacking, overruns

SCORE = "log_odds"  # orders points as the confidence does, which rounds to 1 for many of them
ATTACKED = ("benign", "adversarial")
PERCENT, POINTS = "accuracy (%)", "points"
_READ = (
    "Markers: thresholds from other points, with 95 % intervals over the images. Bars: thresholds "
    "chosen on the very points. Bands: what 95 % of the bars would not exceed if there were "
    "nothing to infer."
)


# -- values -------------------------------------------------------------------------------------


def audited(leak: Leak, inference: str, *, row: str = "") -> plot.Reached:
    """The held-out accuracy of an inference, beside the official one and its null; percent."""
    a = leak.audit(inference, score=SCORE)
    return plot.Reached(
        row or leak.name,
        100 * a.held_out.accuracy,
        100 * a.interval.low,
        100 * a.interval.high,
        **leak.evidence,
        chosen=100 * a.official.accuracy,
        chance=100 * a.null.high,
    )


def gap(leak: Leak, kind: str) -> plot.Reached:
    """Accuracy of members minus that of the others, on 'benign' or 'adversarial' inputs; points.

    The interval is over the images of this one model.
    """
    members, others = leak.sides(f"correct_{kind}")
    counts = int(members.sum()), len(members), int(others.sum()), len(others)
    ends = stats.difference_interval(*counts)
    value = float(members.mean() - others.mean())
    return plot.Reached(leak.name, 100 * value, 100 * ends.low, 100 * ends.high, **leak.evidence)


def inference_columns(shown: Sequence[Leak], *, rows: Sequence[str] = ()) -> list[plot.Column]:
    """I_B and I_A of every model; `rows` names them where their own names would not do."""
    names = rows or [leak.name for leak in shown]
    return [
        plot.Column(
            INFERENCES[i],
            [audited(leak, i, row=row) for leak, row in zip(shown, names, strict=True)],
            PERCENT,
        )
        for i in ATTACKED
    ]


def gap_column(shown: Sequence[Leak]) -> plot.Column:
    """How much better a model stands the attack on its members than on others."""
    return plot.Column("adversarial gap", [gap(m, "adversarial") for m in shown], POINTS, rest=0.0)


# -- what a page shows --------------------------------------------------------------------------


def show_leak_sweep(name: str, shown: Sequence[Leak], *, title: str) -> plot.Figure:
    """A sweep of models: I_B, I_A and the adversarial gap by setting."""
    columns = [*inference_columns(shown), gap_column(shown)]
    return show_columns(columns, shown, title=title, command=f"privrob run {name}")


def show_columns(
    columns: Sequence[plot.Column],
    shown: Sequence[Leak],
    *,
    title: str,
    command: str,
    read: str = _READ,
) -> plot.Figure:
    """Columns of inference accuracies with the words that say how to read them."""
    figure, _ = plot.chance_columns(columns)
    caption = f"{leak_lead(shown)}: {title} {read}"
    return plot.show(
        figure,
        alt=plot.chance_alt(columns),
        caption=caption,
        stamp=leak_stamp(shown, command),
        data=plot.chance_rows(columns),
    )


def leak_lead(shown: Sequence[Leak], *, derived: bool = False) -> str:
    """'Recorded, executed (quick) and derived', as a caption begins."""
    found = dict.fromkeys(f"{m.tier}{f' ({m.source})' if m.source else ''}" for m in shown)
    *first, last = [*found, *["derived"] * derived]
    return " and ".join(filter(None, [", ".join(first), last])).capitalize()


def accuracy_rows(shown: Sequence[Leak]) -> list[TableRow]:
    """A row for every model, once: how many members it has, its accuracies on both sides."""
    return [
        {"model": leak.name, "members": len(leak.sides("labels")[0])} | accuracy_cells(leak)
        for leak in once(shown)
    ]


def once(shown: Sequence[Leak]) -> list[Leak]:
    """Every model once, by the name that it has first: sweeps share models."""
    found: dict[str, Leak] = {}
    for leak in shown:
        found.setdefault(leak.row.result.key, leak)
    return list(found.values())


def told(shown: Sequence[Leak], inference: str) -> plot.Figure:
    """Which of the models leak more than chance explains, in a sentence a tier."""
    tiers: dict[str, list[Leak]] = {}
    for leak in once(shown):
        tiers.setdefault(leak_lead([leak]), []).append(leak)
    return sentence(" ".join(_told(tier, models, inference) for tier, models in tiers.items()))


def _told(tier: str, models: Sequence[Leak], inference: str) -> str:
    above = [leak.name for leak in models if leak.audit(inference, score=SCORE).above_chance]
    which = f": {'; '.join(above)}" if above else ""
    counts = f"{len(above)} of {len(models)}"
    return f"{tier}: {INFERENCES[inference]} lies above its band for {counts}{which}."


# -- what was not run ---------------------------------------------------------------------------


TIMED = ("song2019/yale-membership", "song2019/fashion-reduced", "song2019/cifar-reduced")


def lacking_caption() -> str:
    """The caption of `not_attempted`, with how good such estimates were for what is recorded."""
    caption = "Derived: what is not recorded here, and the hours that it would take, an estimate"
    if ratios := overruns(TIMED):
        caption += (
            f" for two free cores; what is recorded of song2019 from CPUs took {min(ratios):.1f} "
            f"to {max(ratios):.1f} times its estimate"
        )
    return f"{caption}."


def not_attempted(*names: str) -> list[TableRow]:
    """For each experiment: how many full-scale models are not recorded, and their hours."""
    return [_missing(name) for name in names]


def _missing(name: str) -> TableRow:
    wanted = registry.experiment(name).variants("paper")
    missing, minutes = lacking(wanted)
    trains = {v.train for v in missing}
    seeds = len({v.seed for v in wanted})
    state = f"not attempted: about {duration(minutes)} on two CPU cores" if trains else "recorded"
    return {
        "experiment": name,
        "settings": len({(v.model, v.note) for v in wanted}),
        "seeds": seeds,
        "models lacking": len(trains),
        "state": state,
    }


def weightless(found: Sequence[Leak]) -> plot.Figure:
    """Which recorded models have scores here and no weights in the zoo, in words."""
    kept = {entry.key for entry in zoo.entries()}
    full = {leak.name: key_of(leak.row.variant.train) for leak in found if leak.tier == "recorded"}
    lost = [name for name, key in full.items() if key not in kept]
    return sentence(
        f"Recorded, without weights in the zoo: {', '.join(lost)}."
        if lost
        else "The zoo has the weights of every model that is recorded above."
    )


def quick_differences(name: str) -> plot.Figure:
    """Where profile quick differs from the paper's, for the first PGD model of an experiment."""
    flats = {}
    for profile in ("paper", "quick"):
        variants = registry.experiment(name).variants(profile, seed=registry.LIVE_SEED)
        first = next(v for v in variants if v.model == "pgd")
        flats[profile] = registry.settings(first.spec, labels=False)
    settings = dict.fromkeys(s for values in flats.values() for s in values)
    rows = [
        {"setting": s} | {profile: values.get(s) for profile, values in flats.items()}
        for s in settings
    ]
    return words([row for row in rows if str(row["paper"]) != str(row["quick"])])
