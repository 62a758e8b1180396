"""What two checks of our own say together: equally accurate networks, and the plateaus."""

from privrob import plot
from privrob.exhibits.notes import sentence
from privrob.lab import claims
from privrob.lab.summary import HOLDS, IN_PART, NO_RUNS, NOT, OPEN, Answer, answers

_CONTROL = {
    HOLDS: "At equal accuracy DP-SGD is less robust than SGD",
    IN_PART: "At equal accuracy DP-SGD is less robust than SGD by some comparisons and not by all",
    NOT: "At equal accuracy DP-SGD is not less robust than SGD",
    OPEN: "Whether DP-SGD is less robust than SGD at equal accuracy is open",
    NO_RUNS: "Equally accurate networks are not recorded here",
}
_PLATEAU = {
    HOLDS: "the plateau that a large clipping norm gives it is robustness",
    NOT: "the plateau that a large clipping norm gives it is no robustness",
    OPEN: "whether the plateau that a large clipping norm gives it is robustness is open",
    NO_RUNS: "the attacks on its plateau are not recorded here",
}
# By control and plateau: what follows where both have an answer.
_SO = {
    (
        HOLDS,
        NOT,
    ): "So DP-SGD is easier to fool than its accuracy explains, and where FGSM shows the "
    "opposite, it is FGSM that fails.",
    (
        HOLDS,
        HOLDS,
    ): "So it is the setting that decides whether DP-SGD costs robustness or adds some.",
    (NOT, NOT): "So DP-SGD costs robustness by its accuracy alone, and adds none at a large norm.",
    (NOT, HOLDS): "So nothing here speaks for a cost in robustness, and something for a gain.",
}


def together() -> plot.Figure:
    """The verdicts on equally accurate networks and on the plateau in one sentence."""
    ledger = claims.ledger(exhibits=("tursynbek2020/controls", "tursynbek2020/section4"))
    controls = [e for e in ledger if e.claim.exhibit == "controls"]
    plateau = [e for e in ledger if e.claim.id.endswith("/robust-to-every-attack")]
    return sentence(_told(answers(controls)[-1], answers(plateau)[-1]))


def _told(control: Answer, plateau: Answer) -> str:
    """Of the last reading in which both were asked, which is the matched one."""
    parts = (_CONTROL[control.word] + _n(control), _PLATEAU[plateau.word] + _n(plateau))
    so = _SO.get((control.word, plateau.word), "")
    return f"{'; '.join(parts)}. {so}".rstrip()


def _n(found: Answer) -> str:
    return f" ({found.seeds})" if found.seeds else ""
