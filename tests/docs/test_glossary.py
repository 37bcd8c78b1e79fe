"""The glossary: its keys, options and files exist, and both languages have the same entries."""

import re
import shlex
from pathlib import Path

import pytest

from mtkit.config.recipe import Recipe
from tests.pages import ROOT, check_options, code_spans, command_of, read_page, table_rows

SEARCHED = """mixed precision, gradient accumulation, gradient clipping, label smoothing, teacher forcing,
skip connection, residual connection, causal mask, overfit, hyperparameter, early stopping, warmup, beam search,
coverage, significance, fine-tuning, ensemble, dropout, perplexity, vocabulary, learning rate, checkpoint"""


def rows(page):
    """The cells of each entry: term, term in the other language, meaning, keys, files, pages."""
    return table_rows(read_page(page))[1:]


ENGLISH, KOREAN = rows("docs/glossary.md"), rows("docs/ko/glossary.md")


def known_keys():
    sections = {name: field.annotation for name, field in Recipe.model_fields.items()}
    return {
        f"{name}.{key}"
        for name, section in sections.items()
        for key in getattr(section, "model_fields", {})
    }


@pytest.mark.parametrize("row", ENGLISH, ids=lambda row: row[0])
def test_keys_options_files_and_pages_exist(row):
    assert len(row) == 6
    for span in code_spans(row[3]):
        if span.startswith("mtkit "):
            words = shlex.split(span)[1:]
            check_options(command_of(words), words)
        else:
            assert span in known_keys()
    files, pages = (re.findall(r"\[([^]]+)\]\(([^)]+)\)", cell) for cell in row[4:])
    assert files + pages
    assert [label for label, target in files if target != f"../mtkit/{label}"] == []
    assert [path for _, path in files + pages if not (ROOT / "docs" / path).exists()] == []


def test_both_languages_have_the_same_entries():
    def targets(row):
        return [Path(target).name for target in re.findall(r"\]\(([^)]+)\)", row[4] + row[5])]

    english = [(row[0], row[1], row[3], targets(row)) for row in ENGLISH]
    korean = [(row[1], row[0], row[3], targets(row)) for row in KOREAN]
    assert sorted(english) == sorted(korean)
    assert all(re.search("[가-힣]", row[2]) for row in KOREAN)


def test_entries_are_sorted_and_unique():
    terms = [row[0].lower() for row in ENGLISH]
    assert terms == sorted(set(terms))


@pytest.mark.parametrize("term", [term.strip() for term in SEARCHED.split(",")])
def test_terms_of_the_field_are_found(term):
    assert any(term in row[0] for row in ENGLISH)


def test_a_key_that_does_not_exist_would_be_noticed():
    assert "training.label_smoothing" in known_keys()
    assert "training.labelsmoothing" not in known_keys()
