"""From results to what a notebook shows: groups of one tier, figures, tables and checks.

groups = exhibits.gather("tursynbek2020/fgsm", computed)
plot.accuracy_curves(top, exhibits.accuracy_curves(groups), anchors=exhibits.clean_anchors())
plot.show(figure, ..., stamp=exhibits.stamp(groups, command))
"""

from privrob.exhibits import answers, controls
from privrob.exhibits.check import Agreement, agreement_table, agreements, images, model
from privrob.exhibits.figures import (
    accuracy,
    accuracy_curves,
    bands,
    claim,
    clean_anchors,
    gap_anchors,
    gap_curves,
    lead,
    printed,
    stamp,
    strip,
)
from privrob.exhibits.groups import MODELS, Estimate, Group, gather, live, pick, quick, the_quick
from privrob.exhibits.notes import Headline, headline, held, sentence
from privrob.exhibits.tables import (
    beside_one_another,
    beside_published,
    budgets,
    diagnostics,
    measured,
    pgd_variants,
    settings,
    unclipped,
    verdicts,
    words,
)

__all__ = [
    "MODELS",
    "Agreement",
    "Estimate",
    "Group",
    "Headline",
    "accuracy",
    "accuracy_curves",
    "agreement_table",
    "agreements",
    "answers",
    "bands",
    "beside_one_another",
    "beside_published",
    "budgets",
    "claim",
    "clean_anchors",
    "controls",
    "diagnostics",
    "gap_anchors",
    "gap_curves",
    "gather",
    "headline",
    "held",
    "images",
    "lead",
    "live",
    "measured",
    "model",
    "pgd_variants",
    "pick",
    "printed",
    "quick",
    "sentence",
    "settings",
    "stamp",
    "strip",
    "the_quick",
    "unclipped",
    "verdicts",
    "words",
]
