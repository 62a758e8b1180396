"""The four tiers of evidence, each with its word, marker and colour; the shared stylesheet."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Tier:
    """How a tier looks: `marker` in matplotlib's notation, `symbol` the same shape as a character.

    `colour` has a contrast of at least 3:1 on white and on the book's dark background, so that it
    is safe where no stylesheet applies; `dark` replaces it where the dark theme is known.
    """

    word: str
    marker: str
    symbol: str
    hollow_symbol: str
    colour: str
    dark: str
    meaning: str

    @property
    def css_colour(self) -> str:
        """The colour as CSS: the theme's variable, with the safe colour as its fallback."""
        return f"var(--privrob-{self.word}, {self.colour})"


# All eight colours are Okabe and Ito's; blue and vermillion step aside for sky blue and orange
# on dark, where they would be dull.
TIERS: dict[str, Tier] = {
    tier.word: tier
    for tier in (
        Tier("published", "D", "◆", "◇", "#CC79A7", "#CC79A7", "printed in the paper"),
        Tier("recorded", "o", "●", "○", "#0072B2", "#56B4E9", "computed earlier, full scale"),
        Tier("executed", "^", "▲", "△", "#D55E00", "#E69F00", "computed in this very build"),
        Tier("derived", "s", "■", "□", "#009E73", "#009E73", "arithmetic on published values"),
    )
}

# What an executed value was computed with. The small models are drawn hollow: less evidence.
SOURCES: dict[str, str] = {"quick": "quick model", "zoo": "zoo model on the embedded slice"}
HOLLOW = "quick"


def tier(word: str) -> Tier:
    """The tier of that name; `ValueError` with the known names otherwise."""
    if word not in TIERS:
        raise ValueError(f"tier {word!r} is unknown; it is one of {', '.join(TIERS)}")
    return TIERS[word]


def symbol(word: str, source: str = "") -> str:
    """The tier's character, hollow for values of the quick models."""
    return tier(word).hollow_symbol if source == HOLLOW else tier(word).symbol


def check_source(word: str, source: str) -> None:
    """Only executed values have a source, and they must name it."""
    if word == "executed" and source not in SOURCES:
        raise ValueError(f"an executed value names its source, one of {', '.join(SOURCES)}")
    if word != "executed" and source:
        raise ValueError(f"source {source!r} belongs to the tier executed, not to {word}")


def _palette(attribute: str) -> str:
    return ";".join(f"--privrob-{t.word}:{getattr(t, attribute)}" for t in TIERS.values())


# Travels with every figure, so that a notebook looks the same without the book's own style files.
STYLESHEET = f"""
.privrob,.privrob-tier{{{_palette("colour")}}}
.privrob{{--privrob-paper:var(--pst-color-background,var(--jp-layout-color0,
var(--vscode-editor-background,transparent)));margin:1.25rem 0;color:inherit}}
@media screen{{html[data-theme=dark] :is(.privrob,.privrob-tier),
body[data-jp-theme-light=false] :is(.privrob,.privrob-tier){{{_palette("dark")}}}}}
{"".join(f".tier-{t.word}{{color:{t.css_colour}}}" for t in TIERS.values())}
html[data-theme=dark] .bd-content div.cell_output .text_html.text_html:has(.privrob){{
background:none;color:inherit;padding:0}}
.privrob svg{{display:block}}
.privrob figcaption{{text-align:left;max-width:44rem;margin:.5rem 0 0;font:inherit;
font-size:.9375em;line-height:1.5;color:inherit}}
.privrob .badge-tier{{white-space:nowrap;font-weight:600}}
.privrob .stamp{{display:block;margin-top:.4rem;font-size:.8125em;line-height:1.6;
overflow-wrap:anywhere;opacity:.85}}
.privrob .stamp code{{font-size:.95em;color:inherit;background:none;border:0;padding:0}}
.privrob .stale{{border:1.5px solid currentColor;border-radius:.2em;padding:0 .35em;
font-weight:700}}
.privrob-table{{overflow-x:auto}}
.privrob-table table{{border-collapse:collapse;margin:0;font-variant-numeric:tabular-nums;
color:inherit;background:none;font-size:.9375em}}
.privrob-table :is(th,td){{padding:.35rem .75rem;text-align:right;border:0;vertical-align:top;
border-bottom:1px solid rgba(128,128,128,.3);background:none;color:inherit}}
.privrob-table thead th{{border-bottom:1.5px solid currentColor;vertical-align:bottom;
white-space:pre}}
.privrob-table tbody tr:last-child>*{{border-bottom:1.5px solid currentColor}}
.privrob-table :is(th,td).words{{text-align:left}}
.privrob-table :is(th,td):first-child{{padding-left:0}}
.privrob-table tbody th{{font-weight:400;min-width:10rem}}
.privrob-table .interval{{display:block;font-size:.8125em;opacity:.8;white-space:nowrap}}
.privrob .hidden-word{{position:absolute;width:1px;height:1px;overflow:hidden;
clip-path:inset(50%);white-space:nowrap}}
@media print{{.privrob{{break-inside:avoid}}.privrob-table{{overflow:visible!important}}}}
""".strip()
