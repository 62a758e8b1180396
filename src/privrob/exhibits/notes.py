"""Generated sentences and the headline numbers: what a notebook says without a figure."""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from html import escape

from privrob import plot, zoo
from privrob.lab import registry
from privrob.lab.run import Lab, key_of, open_store
from privrob.lab.spec import Train

HEADLINE = "application/x-privrob-headline+json"  # as lab.book reads it


@dataclass(frozen=True)
class Headline:
    """The quick numbers of a notebook that the build compares with the expected ones."""

    values: Mapping[str, float]

    def _repr_mimebundle_(self, include: object = None, exclude: object = None) -> dict[str, str]:
        return {"text/plain": repr(self), HEADLINE: json.dumps(dict(self.values))}

    def __repr__(self) -> str:
        return "headline: " + " ".join(f"{n}={v:g}" for n, v in self.values.items())


def headline(**values: float) -> Headline:
    """The headline numbers, rounded to what can be compared."""
    return Headline({name: round(float(value), 3) for name, value in values.items()})


def sentence(text: str) -> plot.Figure:
    """A sentence made of results, for the page."""
    return plot.Figure(f'<p class="privrob">{escape(text)}</p>', text)


def held(name: str) -> plot.Figure:
    """What is recorded of an experiment here, by reading, and how many models are in the zoo."""
    lab = Lab(open_store("paper"), on="cpu")
    wanted = registry.experiment(name).variants("paper")
    parts, missing = [], 0
    for reading in registry.READINGS:
        mine = [v for v in wanted if v.reading == reading]
        if not mine:
            continue  # sweeps run in one reading
        found = sum(lab.lookup(v.spec) is not None for v in mine)
        missing += len(mine) - found
        kept = _kept(v.train for v in mine if v.seed == registry.LIVE_SEED)
        parts.append(f"{reading} reading: {found} of {len(mine)} runs recorded, {kept}")
    advice = " To compute what is missing: make records." if missing else ""
    return sentence(f"Held here for {name}: {'; '.join(parts)}.{advice}")


def _kept(trains: Iterable[Train]) -> str:
    """How many of these models, which are of one seed, the zoo keeps."""
    keys = {key_of(train) for train in trains}
    kept = len(keys & {entry.key for entry in zoo.entries()})
    return f"{kept} of the {len(keys)} models of seed {registry.LIVE_SEED} in the zoo"
