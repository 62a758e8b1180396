"""The book's one plotting style: figures and tables that carry their evidence with them.

figure, (top, bottom) = plot.panels(2, height=5.6, ratios=(3, 2))
plot.accuracy_curves(top, curves, x=None)
plot.gap_panel(bottom, gaps, anchors=[plot.Anchor(0.12, 15.4, "15.4")])
plot.show(figure, alt="...", caption="Published and recorded: ...", stamp=stamp, data=rows)
"""

from privrob.plot.chance import Column, Reached, chance_alt, chance_columns, chance_rows
from privrob.plot.counts import budget_panel, curve_rows_over, name_ticks
from privrob.plot.curves import (
    Anchor,
    Curve,
    Reference,
    accuracy_curves,
    curve_rows,
    gap_panel,
)
from privrob.plot.dots import Dots, dot_columns
from privrob.plot.histograms import Histogram, Mark, histogram_panel, histogram_rows
from privrob.plot.images import image_strip
from privrob.plot.ranked import Ranked, ranked_panels, ranked_rows
from privrob.plot.regions import Region, region_grid
from privrob.plot.show import Figure, Value, show, table
from privrob.plot.sides import (
    Chance,
    Line,
    RocLine,
    Sides,
    chance_panel,
    roc_panel,
    roc_rows,
    sides_panel,
    sides_rows,
)
from privrob.plot.spectra import spectrum_panel
from privrob.plot.stamp import Stamp, to_csv
from privrob.plot.style import label_axes, panels, style
from privrob.plot.svg import inline_svg
from privrob.plot.sweeps import sweep_curves
from privrob.plot.tiers import SOURCES, STYLESHEET, TIERS, Tier
from privrob.plot.trades import Spot, trade_alt, trade_panel, trade_rows

__all__ = [
    "SOURCES",
    "STYLESHEET",
    "TIERS",
    "Anchor",
    "Chance",
    "Column",
    "Curve",
    "Dots",
    "Figure",
    "Histogram",
    "Line",
    "Mark",
    "Ranked",
    "Reached",
    "Reference",
    "Region",
    "RocLine",
    "Sides",
    "Spot",
    "Stamp",
    "Tier",
    "Value",
    "accuracy_curves",
    "budget_panel",
    "chance_alt",
    "chance_columns",
    "chance_panel",
    "chance_rows",
    "curve_rows",
    "curve_rows_over",
    "dot_columns",
    "gap_panel",
    "histogram_panel",
    "histogram_rows",
    "image_strip",
    "inline_svg",
    "label_axes",
    "name_ticks",
    "panels",
    "ranked_panels",
    "ranked_rows",
    "region_grid",
    "roc_panel",
    "roc_rows",
    "show",
    "sides_panel",
    "sides_rows",
    "spectrum_panel",
    "style",
    "sweep_curves",
    "table",
    "to_csv",
    "trade_alt",
    "trade_panel",
    "trade_rows",
]
