"""Tables as text, Markdown and LaTeX."""

from mtkit.evaluation.tables import Table, render

TABLE = Table("A title", ["system", "BLEU"], [["a|b_1", "9.50"], ["c", "10.25 %"]])


def test_text_is_aligned():
    assert render(TABLE, "text") == (
        "A title\n"
        "system     BLEU\n"
        "a|b_1      9.50\n"
        "c       10.25 %"
    )  # fmt: skip


def test_text_is_aligned_with_hangul():
    table = Table("", ["시스템", "BLEU"], [["기준 모델", "9.50"], ["new", "10.25"]])
    assert render(table, "text") == (
        "시스템      BLEU\n"
        "기준 모델   9.50\n"
        "new        10.25"
    )  # fmt: skip


def test_markdown_escapes_its_separator():
    assert render(TABLE, "markdown") == (
        "**A title**\n\n| system | BLEU |\n| --- | ---: |\n| a\\|b_1 | 9.50 |\n| c | 10.25 % |"
    )


def test_latex_escapes_its_special_characters():
    assert render(TABLE, "latex") == (
        "% A title\n"
        "\\begin{tabular}{lr}\n"
        "\\hline\n"
        "system & BLEU \\\\\n"
        "\\hline\n"
        "a\\textbar{}b\\_1 & 9.50 \\\\\n"
        "c & 10.25 \\% \\\\\n"
        "\\hline\n"
        "\\end{tabular}"
    )
    special = Table("", ["\\~^&%$#_{}", "<0.0001>"], [])
    latex = render(special, "latex")
    assert r"\textbackslash{}\textasciitilde{}\textasciicircum{}\&\%\$\#\_\{\} &" in latex
    assert r"\textless{}0.0001\textgreater{} \\" in latex
