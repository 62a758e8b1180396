"""Every claim is on the claims page once, its bars add up, and the filters show what they say."""

import re
from collections import Counter
from dataclasses import replace
from types import SimpleNamespace

import pytest

from browser import CHROMIUM, served, visit
from privrob import paths
from privrob.lab import claims, claims_page, registry, verdict_bars
from privrob.lab.claims import Assessment, Entry
from privrob.lab.statements import Claim, NotAttempted
from privrob.lab.verdicts import WORDS, Evidence, Verdict

SCRIPT = paths.repository() / "book" / "_static" / "claims.js"
PARTS = re.compile(
    r'<span class="bar" role="img" aria-label="(.*?)">(.*?)</span><span class="bar-t'
)
COUNT = re.compile(r'flex-grow:(\d+)" title="\1 ([a-z ]+)" class="[^"]*">\1</span>')
TABLE1 = {"tursynbek2020/table1": ("notebooks/11-pgd.html", "Accuracy under PGD")}


def claim(name="tursynbek2020/table1/a", *, without=(), **changes) -> Claim:
    fields = {
        "id": name, "paper": name.split("/")[0], "locus": "Table 1", "kind": "value",
        "statement": "Accuracy under attack.", "published": 12.5, "unit": "percent",
        "tolerance": 1.0, "reason": "Because.", "experiment": "tursynbek2020/pgd",
        "measure": "clean_accuracy", "arguments": {"model": "sgd"},
    }  # fmt: skip
    kept = {field: value for field, value in fields.items() if field not in without}
    return Claim(**kept | changes)


def evidence(**changes) -> Evidence:
    fields = {"reading": "literal", "value": 12.25, "low": 12.0, "high": 12.5, "basis": "seeds"}
    runs = {"seeds": (0, 1), "records": ("0123456789abcdef",), "states": ("fresh",)}
    return Evidence(**fields | runs | changes)


def entry(name="tursynbek2020/table1/a", *words: str, **changes) -> Entry:
    """A claim with a verdict in each reading, the literal first."""
    found = [
        Assessment(r, Verdict(w), evidence(reading=r))
        for r, w in zip(registry.READINGS, words, strict=False)
    ]
    return Entry(claim(name, **changes), tuple(found))


def arithmetic(name: str) -> Entry:
    nothing = {"tolerance": None, "reason": None, "experiment": None}
    derived = claim(name, kind="derived", published="more", measure="column_mean", **nothing,
                    arguments={"table": "tursynbek2020/table2", "column": "sgd"})  # fmt: skip
    return Entry(derived, (Assessment("", Verdict("reproduced"), None),))


def undone(name: str) -> Entry:
    why = NotAttempted(why="no such model here", cost="a week")
    made = claim(name, without=("measure", "arguments", "experiment"), not_attempted=why)
    return Entry(made, (Assessment("literal", Verdict("not attempted", str(why)), None),))


@pytest.fixture
def few() -> list[Entry]:
    return [
        entry("tursynbek2020/table1/a", "reproduced", "reproduced"),
        entry("tursynbek2020/table1/b", "not reproduced", "undecided"),
        undone("tursynbek2020/table1/c"),
        arithmetic("tursynbek2020/table1/sum"),
        entry("tursynbek2020/table10/a", "not reproduced", "reproduced"),
        entry("tursynbek2020/table2/a", "reproduced", "reproduced"),
        undone("song2019/table1/a"),
    ]


@pytest.fixture(scope="module")
def ledger() -> list[Entry]:
    return claims.ledger()


# -- the page -----------------------------------------------------------------------------------


def test_every_claim_is_on_the_page_once(ledger):
    text = claims_page.claims_page(ledger, {})
    ids = re.findall(r'<details class="claim" id="(.*?)"', text)
    assert Counter(ids) == Counter(e.claim.id for e in ledger)
    assert len(text) < 10**6


def test_a_claim_carries_what_the_filters_ask_for(ledger):
    text = claims_page.claims_page(ledger, {})
    names = re.findall(r'<select name="(.*?)"', text)
    for name in names:
        offered = set(
            re.findall('="(.*?)"', text.split(f'<select name="{name}">')[1].split("</")[0])
        )
        carried = re.findall(rf'<details [^>]*data-{name}="(.*?)"', text)
        assert set(carried) == offered - {""}
        assert len(carried) == len(ledger)
    assert names == ["paper", "exhibit", "verdict", "tier"]


def test_the_page_asks_for_nothing_from_elsewhere(ledger):
    text = claims_page.claims_page(ledger, {}) + SCRIPT.read_text()
    assert not re.findall(
        r"(?:https?:)?//[a-z]|<script|<img|url\(|\bimport\b", text.replace("// ", "")
    )


def test_a_claim_opens_to_all_that_is_known_of_it():
    made = entry("tursynbek2020/table1/a", "reproduced", "not reproduced", direction="positive")
    text = claims_page.claim_html(made, TABLE1)
    for part in (
        "12.5 percent, Table 1", "± 1. Because.", "positive",
        "<dt>literal reading<dd>", "<dt>matched reading<dd>", "12.25 [12.00, 12.50] percent",
        "n = 2 (seeds 0, 1)", "interval over seeds", "<code>0123456789</code>",
        "<code>privrob run tursynbek2020/pgd --profile paper</code>",
        '<a href="notebooks/11-pgd.html">Accuracy under PGD</a>',
    ):  # fmt: skip
        assert part in text
    assert "stale" not in text


def test_a_stale_record_is_marked():
    made = Assessment("literal", Verdict("reproduced", stale=True), evidence())
    assert "state-stale" in claims_page.claim_html(Entry(claim(), (made,)), {})


def test_what_was_not_attempted_says_why_and_what_it_would_cost():
    text = claims_page.claim_html(undone("song2019/table1/a"), {})
    assert "no such model here; a week" in text
    assert "<dt>command" not in text


def test_values_are_shown_as_precisely_as_the_paper_prints_them():
    assert claim(published=10.0, decimals=2).shown == "10.00 percent"
    assert claims_page.number(0.12345, claim(published=0.0312)) == "0.1235"
    assert claims_page.number(0.12345, claim(published=0.1, unit="eps")) == "0.123"


@pytest.mark.parametrize(
    ("words", "shown"),
    [("quote", "“more”"), (None, "in our words: more"), ("check", "our check, not printed: more")],
)
def test_only_the_papers_own_words_are_in_quotation_marks(words, shown):
    made = arithmetic("tursynbek2020/table2/sum")
    made = Entry(replace(made.claim, words=words), made.assessments)
    text = claims_page.claim_html(made, {})
    assert f">published</span><dd>{shown}, Table 1" in text


def test_an_inference_accuracy_stands_beside_chance():
    sets = {"members": 1900, "nonmembers": 514}
    text = claims_page.claim_html(entry("song2019/yale/a", "reproduced", sets=sets), {})
    assert "gives 51.6 percent by chance on average, and at most 53.0 in 19 of 20" in text
    assert "by chance" not in claims_page.claim_html(entry("song2019/yale/a", "reproduced"), {})


def test_every_inference_accuracy_of_the_ledger_stands_beside_chance(ledger):
    for e in ledger:
        text = claims_page.claim_html(e, {})
        assert ("by chance" in text) == ("/infer-" in e.claim.id), e.claim.id


def test_stored_outputs_are_not_headed_as_tables(ledger):
    text = claims_page.claims_page(ledger, {})
    heads = re.findall(r"^### (.*stored.*)$", text, flags=re.MULTILINE)
    sets = ("CIFAR-10", "Fashion-MNIST", "Yale Face")
    assert heads == [f"{name}, stored outputs (not the paper's tables)" for name in sets]


def test_text_of_a_claim_cannot_become_markup():
    bad = '<script>"&'
    made = entry(
        "tursynbek2020/table1/<b>", "reproduced", statement=bad, locus=bad, unit=bad, reason=bad
    )
    text = claims_page.claim_html(made, {"tursynbek2020/table1": (bad, bad)})
    assert "<script>" not in text
    assert "<b>" not in text
    assert text.count('"') % 2 == 0


def test_a_claim_links_to_the_page_whose_notebook_judges_its_exhibit():
    cells = [
        SimpleNamespace(cell_type="markdown", source="# Title (Table 1)\n\nexhibits.verdicts('x')"),
        SimpleNamespace(cell_type="code", source='exhibits.verdicts("p/a", "p/b", command="c")'),
    ]
    cells.append(SimpleNamespace(cell_type="code", source='f(contributions.statement("p/c"))'))
    found = claims_page.shown_in({"11-pgd": SimpleNamespace(cells=cells)})
    assert found == dict.fromkeys(
        ("p/a", "p/b", "p/c"), ("notebooks/11-pgd.html", "Title (Table 1)")
    )


def test_of_an_exhibit_on_two_pages_each_claim_links_to_its_own():
    def notebook(title, name):
        call = f'exhibits.verdicts("tursynbek2020/figure5", experiment="tursynbek2020/{name}")'
        words = SimpleNamespace(cell_type="markdown", source=f"# {title}")
        return SimpleNamespace(cells=[words, SimpleNamespace(cell_type="code", source=call)])

    names = ("distance", "curvature")
    links = claims_page.shown_in({f"page-{name}": notebook(name, name) for name in names})
    for name in names:
        made = entry("tursynbek2020/figure5/a", "reproduced", experiment=f"tursynbek2020/{name}")
        assert f'href="notebooks/page-{name}.html"' in claims_page.claim_html(made, links)
    assert 'href="notebooks/' in claims_page.claim_html(
        arithmetic("tursynbek2020/figure5/b"), links
    )


# -- the bars -----------------------------------------------------------------------------------


def test_the_parts_of_every_bar_add_up_to_its_claims(ledger):
    text = claims_page.verdict_summary(ledger)
    headline = Counter[str]()
    for label, parts in PARTS.findall(text):
        counts = {word: int(n) for n, word in COUNT.findall(parts)}
        assert f"of {sum(counts.values())}" == label.rsplit(", ", 1)[1]
        headline.update({} if re.search(", matched[:( ]", label) else counts)
    shown = [e.headline if e.tier == "derived" else e.literal for e in ledger]
    assert headline == Counter(a.verdict.word if a else "not attempted" for a in shown)


def test_readings_have_one_denominator_and_arithmetic_is_apart(few):
    first, *_ = [g for p, x, g in verdict_bars.by_exhibit(few) if (p[0], x) == ("t", "table1")]
    found = {
        bar.name: {w: n for w, n in bar.words.items() if n} for bar in verdict_bars.bars(first)
    }
    assert found == {
        "literal": {"reproduced": 1, "not reproduced": 1, "not attempted": 1},
        "matched": {"reproduced": 1, "undecided": 1, "not attempted": 1},
        "arithmetic": {"reproduced": 1},
    }


def test_bars_and_lines_say_what_rests_on_stale_records(few):
    stale = Assessment("literal", Verdict("reproduced", stale=True), evidence())
    entries = [Entry(claim(), (stale,)), few[1]]
    first = verdict_bars.bars(entries)[0]
    assert (first.stale, first.total) == (1, 2)
    assert first.text("Table 1").startswith("Table 1, literal (1 on stale records): 1 reproduced")
    assert "literal (1 on stale records)" in verdict_bars.bars_html(entries, what="Table 1")
    assert "| literal (1 on stale records) |" in verdict_bars.lines(entries)[2]
    assert not any("stale" in line for line in verdict_bars.lines(few))


def test_exhibits_stand_in_the_order_of_their_numbers(few):
    names = [f"{p}/{x}" for p, x, _ in verdict_bars.by_exhibit(few)]
    tables = [f"tursynbek2020/table{n}" for n in (1, 2, 10)]
    assert names == ["song2019/table1", *tables]


@pytest.mark.parametrize(
    ("name", "title"),
    [("table10", "Table 10"), ("section3.1", "Section 3.1"), ("clean", "Clean"),
     ("cifar10", "CIFAR-10, stored outputs"), ("figure2a", "Figure 2a"),
     ("controls-cifar", "Controls, CIFAR-10")],
)  # fmt: skip
def test_exhibits_have_readable_names(name, title):
    assert verdict_bars.exhibit_title(name) == title


def test_every_line_of_the_readme_adds_up(ledger):
    rows = [line.strip("| ").split(" | ") for line in verdict_bars.lines(ledger)[2:]]
    for *_, total in rows:
        assert int(total) > 0
    for row in rows:
        counts = [int(cell or 0) for cell in row[3:]]
        assert len(counts) == len(WORDS) + 1
        assert sum(counts[:-1]) == counts[-1]


# -- the filters, in a browser ------------------------------------------------------------------

SEEN = """
  const shown = [...document.querySelectorAll("details.claim")].filter((c) => c.offsetParent);
  const open = shown.filter((c) => c.open).length;
  const titles = [...document.querySelectorAll("h3")].filter((h) => h.offsetParent);
  return { count: form.querySelector("output").value, hash: location.hash, open: open,
    ids: shown.map((c) => c.id), sections: titles.map((h) => h.textContent) };"""


def acting(script: str) -> str:
    """JavaScript that acts on the filters and then says what is seen."""
    choose = """const form = document.getElementById("claim-filter"), choose = (name, value) => {
      form.elements[name].value = value;
      form.elements[name].dispatchEvent(new Event("input", { bubbles: true })); };"""
    return f"(() => {{ {choose} {script}; {SEEN} }})()"


# Markdown -> HTML, headings nested as Sphinx does.
NESTING = {
    r"^```.*": "",
    r"^# (.*)": r"<section><h1>\1</h1>",
    r"^## (.*)": r"</section></section><section><h2>\1</h2><section>",
    r"^\((.*)\)=\n### (.*)": r'</section><section><span id="\1"></span><h3>\2</h3>',
}


@pytest.fixture
def site(few, tmp_path):
    """The page as Sphinx would nest it, without its theme."""
    text = claims_page.claims_page(few, {})
    for pattern, html in NESTING.items():
        text = re.sub(pattern, html, text, flags=re.MULTILINE)
    text = text.replace("</section></section>", "", 1)  # nothing is open before the first paper
    style = "<style>[hidden] { display: none !important }</style>"
    head = f"<!doctype html><link rel=icon href=data:,>{style}<script src=claims.js></script>"
    (tmp_path / "claims.html").write_text(head + text)
    (tmp_path / "claims.js").write_text(SCRIPT.read_text())
    (tmp_path / "other.html").write_text(f"{head}<p>no claims</p>")
    return tmp_path


@pytest.fixture
def seen(site):
    """What is seen at a hash of the page after a script."""

    def look(script: str, hash: str = "") -> dict:
        with served(site) as base:
            url = f"{base}/claims.html{hash}"
            page = visit([url], width=1280, theme="light", facts=acting(script))[url]
        assert not page.complaints
        return page.facts

    return look


browser = pytest.mark.skipif(CHROMIUM is None, reason="needs Chromium on the PATH")


@browser
@pytest.mark.browser
def test_a_chosen_verdict_leaves_its_claims_and_their_sections(seen):
    found = seen('choose("verdict", "not reproduced")')
    assert found["ids"] == ["tursynbek2020/table1/b", "tursynbek2020/table10/a"]
    assert found["sections"] == ["Table 1", "Table 10"]
    assert found["count"] == "2 of 7 shown"
    assert found["hash"] == "#verdict=not+reproduced"


@browser
@pytest.mark.browser
def test_an_address_with_filters_shows_the_filtered_page(seen):
    found = seen("", "#verdict=not+reproduced&exhibit=table10")
    assert found["ids"] == ["tursynbek2020/table10/a"]
    assert found["count"] == "1 of 7 shown"


@browser
@pytest.mark.browser
def test_words_narrow_and_buttons_open_and_show_all(seen):
    found = seen(
        'choose("words", "COST a week"); choose("words", "a week"); form.elements.open.click()'
    )
    assert found["ids"] == ["song2019/table1/a", "tursynbek2020/table1/c"]
    assert found["open"] == 2
    everything = seen('choose("tier", "derived"); form.elements.all.click()')
    assert everything["count"] == "7 of 7 shown"
    assert everything["hash"] == ""


@browser
@pytest.mark.browser
def test_the_address_of_a_claim_opens_it(seen):
    found = seen("", "#tursynbek2020/table10/a")
    assert found["open"] == 1
    assert found["count"] == "7 of 7 shown"


@browser
@pytest.mark.browser
def test_a_page_without_claims_is_left_alone(site):
    with served(site) as base:
        facts = "document.body.innerHTML"
        [page] = visit([f"{base}/other.html"], width=390, theme="dark", facts=facts).values()
    assert page.facts == "<p>no claims</p>"
    assert not page.complaints
