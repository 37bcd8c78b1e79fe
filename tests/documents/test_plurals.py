"""Plural forms against the tables of Translate Toolkit, with gettext's reader of formulas."""

import gettext

import pytest

from mtkit.documents.plurals import plural_rule

LANGUAGES = (
    "ar be bg bs ca cs da de el en es et eu fa fi fr ga gd gl gu hi hr hu hy id it ja ka kk ko lt"
    " lv mn ms nb nl pl pt pt_BR ro ru sk sl sq sr sv sw ta te th tr uk ur uz vi yue"
).split()


@pytest.mark.parametrize("language", LANGUAGES)
def test_formulas_equal_those_of_translate_toolkit(language):
    data = pytest.importorskip("translate.lang.data")
    _, n_forms, formula = data.languages[language]
    rule = plural_rule(language)
    assert rule is not None and len(rule.categories) == n_forms
    ours, theirs = gettext.c2py(rule.formula), gettext.c2py(formula)
    assert [ours(n) for n in range(300)] == [theirs(n) for n in range(300)]


@pytest.mark.parametrize("language", sorted({*LANGUAGES, "he", "is", "mk", "mt", "cy", "fil"}))
def test_categories_are_those_of_cldr(language):
    data = pytest.importorskip("translate.lang.data")
    # `many` of Romance languages is for 10^6 and the like, `other` of Slavic ones for fractions.
    theirs = {*data.get_cldr_plural_tags(language), "other"}
    theirs -= {"many"} if language in ("ca", "es", "fr", "it", "pt", "pt_BR") else set()
    rule = plural_rule(language)
    assert rule is not None and {*rule.categories, "other"} == theirs


def test_every_form_is_used_in_the_order_of_the_formula():
    for language in [*LANGUAGES, "he", "is", "mk", "mt", "cy", "fil"]:
        rule = plural_rule(language)
        assert rule is not None
        index = gettext.c2py(rule.formula)
        assert {index(n) for n in range(300)} == set(range(len(rule.categories)))
        assert rule.gettext_header == (f"nplurals={len(rule.categories)}; plural={rule.formula};")


def test_codes_of_languages():
    assert plural_rule("rus") == plural_rule("ru_RU") == plural_rule("ru")
    assert plural_rule("pt-PT") != plural_rule("pt-BR") == plural_rule("pt")
    assert plural_rule("zh-Hant") == plural_rule("ko")
    assert plural_rule("xx") is None and plural_rule("") is None
