"""Generated pages say what the ledger says, and the README is not left behind."""

from privrob import paths
from privrob.lab import pages


def test_the_readme_is_what_the_records_say_now():
    text = (paths.repository() / "README.md").read_text()
    assert text == pages.readme(text), "run `make readme`"


def test_a_typed_number_in_the_readme_does_not_survive():
    text = (paths.repository() / "README.md").read_text()
    typed = text.replace("| Table 1 | literal", "| Table 1 | 99 literal")
    assert typed != text
    assert pages.readme(typed) == pages.readme(text)


def test_cells_cannot_break_out_of_a_table():
    assert "<script>" not in pages._short("<script>")


def test_a_build_without_a_figure_says_so():
    assert "No figure" in pages.landing_picture({})


def test_the_sentence_has_its_numbers_from_the_file():
    models = {
        name: {"test accuracy, points": a, "accuracy under FGSM at any eps, points": b}
        for name, a, b in (("sgd", 0.25, 3.0), ("dpsgd", 0.1, 1.5))
    }
    text = pages.repeatability({"threads": [1, 2, 4], "models": models})
    assert "Between 1, 2 and 4 threads" in text
    assert "DP-SGD up to 0.1 points of test accuracy and 1.5 of accuracy under FGSM" in text
