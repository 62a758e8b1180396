"""A paper in a minute: answers follow from verdicts, and every pattern names a claim."""

import re
from types import SimpleNamespace

import pytest

from privrob.lab import claims, statements, summary
from privrob.lab.claims import Assessment, Entry
from privrob.lab.verdicts import WORDS, Evidence, Verdict


def entry(id: str, literal: str, matched: str | None = None) -> Entry:
    found = [Assessment("literal", Verdict(literal), None)]
    found += [Assessment("matched", Verdict(matched), None)] if matched else []
    return Entry(SimpleNamespace(id=f"tursynbek2020/{id}"), tuple(found))


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["reproduced", "reproduced in direction"], "holds"),
        (["reproduced", "not reproduced"], "holds in part"),
        (["not reproduced", "undecided"], "does not hold"),
        (["reproduced", "undecided"], "open"),
        (["reproduced", "not attempted"], "open"),
        (["not attempted", "blocked"], "not attempted"),
    ],
)
def test_an_answer_follows_from_the_verdicts(words, expected):
    assert summary.answer([Verdict(w) for w in words]) == expected


def test_every_word_of_a_verdict_gives_an_answer():
    assert {summary.answer([Verdict(w)]) for w in WORDS} <= set(summary.ANSWERS)


def only_matched(id: str, word: str) -> Entry:
    found = Assessment("matched", Verdict(word), None)
    return Entry(SimpleNamespace(id=f"tursynbek2020/{id}"), (found,))


def told(*entries: Entry) -> list[tuple[str, str]]:
    return [(a.reading, a.word) for a in summary.answers(entries)]


def test_readings_that_differ_answer_each_for_itself():
    differing = entry("a", "not reproduced", "reproduced")
    assert told(differing) == [("literal", "does not hold"), ("matched", "holds")]
    assert told(entry("a", "undecided", "undecided")) == [("", "open")]
    assert told(entry("a", "undecided")) == [("", "open")]


def test_what_ran_in_one_reading_speaks_in_both_beside_what_ran_in_both():
    both, one = entry("a", "not reproduced", "reproduced"), entry("b", "reproduced")
    assert told(both, one) == [("literal", "holds in part"), ("matched", "holds")]
    assert told(only_matched("a", "reproduced")) == [("matched", "holds")]


def test_a_row_shows_both_readings_and_how_the_reason_fared():
    says, check = entry("a", "undecided", "reproduced"), only_matched("b", "not reproduced")
    _, answer, counted, reason = summary._row(
        summary.Question("?", "page", (says,), "because", (check,)), {}
    )
    assert [re.sub("<[^b][^>]*>", "", text) for text in (answer, counted, reason)] == [
        "literal: open<br>matched: holds, for another reason",
        "literal: 1 undecided<br>matched: 1 reproduced",
        "because:<br>matched: does not hold",
    ]


def worded(says: Entry, *checks: Entry) -> list[tuple[str, str]]:
    return [(a.reading, a.word) for a in summary.answers([says], checks)]


@pytest.mark.parametrize(
    ("checks", "word"),
    [
        ([], "holds"),
        (["reproduced"], "holds"),
        (["undecided"], "holds"),
        (["not attempted"], "holds"),
        (["not reproduced", "reproduced"], "holds"),  # the reason holds in part
        (["not reproduced"], "holds, for another reason"),
        (["not reproduced", "undecided"], "holds, for another reason"),
    ],
)
def test_what_holds_while_its_reason_does_not_says_so(checks, word):
    checked = [entry(f"c{i}", found) for i, found in enumerate(checks)]
    assert worded(entry("a", "reproduced"), *checked) == [("", word)]
    assert worded(entry("a", "not reproduced"), *checked) == [("", "does not hold")]
    assert worded(entry("a", "undecided"), *checked) == [("", "open")]


def test_a_reason_that_fails_in_one_reading_tells_them_apart():
    check = entry("b", "reproduced", "not reproduced")
    found = worded(entry("a", "reproduced", "reproduced"), check)
    assert found == [("literal", "holds"), ("matched", "holds, for another reason")]


def seeded(id: str, n: int, basis: str) -> Entry:
    found = Evidence(reading="literal", value=1, low=0, high=2, basis=basis, seeds=tuple(range(n)))
    said = Assessment("literal", Verdict("reproduced"), found)
    return Entry(SimpleNamespace(id=f"tursynbek2020/{id}"), (said,))


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ([(1, "examples")], "n = 1, over images"),
        ([(3, "seeds"), (3, "seeds")], "n = 3"),
        ([(1, "examples"), (5, "seeds")], "n = 1 to 5"),
        ([(0, "arithmetic")], ""),
        ([], ""),
    ],
)
def test_an_answer_says_how_many_seeds_it_rests_on(given, said):
    entries = [seeded(f"a{i}", *one) for i, one in enumerate(given)] or [entry("a", "reproduced")]
    assert {a.seeds for a in summary.answers(entries)} == {said}
    row = summary._row(summary.Question("?", "page", tuple(entries)), {})
    assert re.sub("<[^>]*>", "", row[1]) == f"holds {said}".strip()


def test_every_printed_number_of_the_two_tables_and_of_section_3_3_is_counted(ledger):
    exhibits = ("table1", "table2", "section3.3", "clean")
    wanted = {
        e.claim.id
        for e in ledger
        if e.claim.paper == "tursynbek2020"
        and (e.claim.kind, e.claim.exhibit) in {("value", x) for x in exhibits}
    }
    asked = summary.questions("tursynbek2020", ledger)
    counted = {
        e.claim.id
        for q in asked
        for e in q.says
        if "printed" in q.question or "clean" in q.question
    }
    assert wanted <= counted


def test_a_pattern_without_a_claim_is_an_error():
    with pytest.raises(ValueError, match="no claim is called 'figure99/"):
        summary._matching("tursynbek2020", ["figure99/*"], [entry("a", "reproduced")])


@pytest.fixture(scope="module")
def ledger(tmp_path_factory):
    from privrob.lab.store import Store

    return claims.ledger(Store(tmp_path_factory.mktemp("records")))


def test_every_claim_on_mnist_that_needs_runs_answers_a_question(ledger):
    found = summary.questions("tursynbek2020", ledger)
    used = {e.claim.id for q in found for e in (*q.says, *q.checks)}
    exhibits = {f"figure{n}" for n in (1, 2, 3, 4, 7)} | {"section4", "controls", "reasons"}
    wanted = {
        c.id for c in statements.load() if c.paper == "tursynbek2020" and c.exhibit in exhibits
    }
    assert wanted <= used


def test_every_claim_of_song2019_on_our_yale_models_answers_a_question(ledger):
    found = summary.questions("song2019", ledger)
    used = {e.claim.id for q in found for e in q.says}
    mine = {c.id for c in statements.load() if c.paper == "song2019"}
    ours = {id for id in mine if "/yale" in id or "figure1/" in id or id.endswith("/stored")}
    assert ours <= used


def test_a_page_without_reasons_has_no_column_for_them(ledger):
    text = summary.summary_page("song2019", ledger, {})
    assert "reason" not in text
    assert not any(word in text for word in summary.WITH_REASONS)
    assert "its reason, checked" in summary.summary_page("tursynbek2020", ledger, {})


def test_the_page_links_questions_to_pages_that_were_made(ledger):
    text = summary.summary_page("tursynbek2020", ledger, {"10-fgsm": None})
    assert '<a href="notebooks/10-fgsm.html">' in text
    assert "notebooks/11-pgd.html" not in text
    for q in summary.questions("tursynbek2020", ledger):
        assert all(a.word in text for a in summary.answers(q.says))
