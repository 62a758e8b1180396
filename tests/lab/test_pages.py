"""Generated pages say what the ledger says, and the README is not left behind."""

import re

from privrob import paths
from privrob.lab import claims, pages
from privrob.lab.verdicts import WORDS


def test_the_readme_is_what_the_records_say_now():
    text = (paths.repository() / "README.md").read_text()
    assert text == pages.readme(text), "run `make readme`"


def test_a_typed_number_in_the_readme_does_not_survive():
    text = (paths.repository() / "README.md").read_text()
    typed = text.replace("| Table 1 | literal |", "| Table 1 | literal | 99")
    assert typed != text
    assert pages.readme(typed) == pages.readme(text)


def test_the_claims_page_has_every_claim_once():
    entries = claims.ledger()
    text = pages.claims_page(entries)
    for entry in entries:
        assert text.count(f"<code>{entry.claim.id}</code>") == 1


def test_the_summary_s_denominators_are_all_claims():
    entries = claims.ledger()
    text = pages.verdict_summary(entries)
    totals = [int(n) for n in re.findall(r"<td>(\d+)</td></tr>", text)]
    assert sum(totals) == len(entries)
    words = {entry.headline.verdict.word for entry in entries}
    assert words == {word for word in WORDS if f">{word}<" in text}


def test_cells_cannot_break_out_of_a_table():
    assert "<script>" not in pages._short("<script>")


def test_a_build_without_a_figure_says_so():
    assert "No figure" in pages.landing_picture({})
