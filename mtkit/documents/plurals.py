"""Plural forms of languages: the categories of Unicode CLDR, and the formulas of gettext."""

from typing import NamedTuple

from mtkit.corpus.languages import language_code


class PluralRule(NamedTuple):
    """Plural forms of whole numbers in a language."""

    categories: tuple[str, ...]
    """CLDR categories in the order of the formula; `other` is among them or stands for fractions.
    """
    formula: str
    """Index of the category of a number `n`, as in `Plural-Forms` of a gettext catalog."""

    @property
    def gettext_header(self) -> str:
        """The value of `Plural-Forms` in a gettext catalog."""
        return f"nplurals={len(self.categories)}; plural={self.formula};"


# Categories of compact numbers such as 10^6 (`many` in French) are left out: messages without them
# use `other`.
_RULES = """
other | 0
    bo dz id ig ja jv km ko lo ms my su th to vi wo yo yue zh
one other | (n != 1)
    af an ast az bg ca ckb da de ee el en eo es et eu fi fo fur fy gl ha hu ia it ka kk kl ku ky lb
    ml mn mr nb ne nl nn no or ps rm sd so sq sv sw ta te tk tr ug ur uz xh yi
one other | (n > 1)
    ak am as bn fa ff fr gu hi hy kab kn ln mg nso pa pt si ti wa zu
one other | (n%10==1 && n%100!=11 ? 0 : 1)
    is mk
one other | (n%10==4 || n%10==6 || n%10==9 ? 1 : 0)
    fil tl
one two other | (n==1 ? 0 : n==2 ? 1 : 2)
    he iu se
one few other | (n%10==1 && n%100!=11 ? 0 : n%10>=2 && n%10<=4 && (n%100<12 || n%100>14) ? 1 : 2)
    bs hr sh sr
one few many | (n%10==1 && n%100!=11 ? 0 : n%10>=2 && n%10<=4 && (n%100<12 || n%100>14) ? 1 : 2)
    be ru uk
one few many | (n==1 ? 0 : n%10>=2 && n%10<=4 && (n%100<12 || n%100>14) ? 1 : 2)
    pl
one few other | (n==1 ? 0 : n>=2 && n<=4 ? 1 : 2)
    cs sk
one few other | (n==1 ? 0 : n==0 || (n%100>0 && n%100<20) ? 1 : 2)
    ro
one few other | (n%10==1 && (n%100<11 || n%100>19) ? 0 : n%10>=2 && (n%100<11 || n%100>19) ? 1 : 2)
    lt
zero one other | (n%10==0 || (n%100>=11 && n%100<=19) ? 0 : n%10==1 && n%100!=11 ? 1 : 2)
    lv
one two few other | (n%100==1 ? 0 : n%100==2 ? 1 : n%100==3 || n%100==4 ? 2 : 3)
    dsb hsb sl
one two few other | (n==1 || n==11 ? 0 : n==2 || n==12 ? 1 : n>=3 && n<=19 ? 2 : 3)
    gd
one two few many other | (n==1 ? 0 : n==2 ? 1 : n>=3 && n<=6 ? 2 : n>=7 && n<=10 ? 3 : 4)
    ga
one two few many other | (n==1 ? 0 : n==2 ? 1 : n==0 || (n%100>=3 && n%100<=10) ? 2 : n%100>=11 && n%100<=19 ? 3 : 4)
    mt
zero one two few many other | (n==0 ? 0 : n==1 ? 1 : n==2 ? 2 : n%100>=3 && n%100<=10 ? 3 : n%100>=11 ? 4 : 5)
    ar
zero one two few many other | (n==0 ? 0 : n==1 ? 1 : n==2 ? 2 : n==3 ? 3 : n==6 ? 4 : 5)
    cy
"""  # noqa: E501
_EUROPEAN_PORTUGUESE = PluralRule(("one", "other"), "(n != 1)")


def _rules_by_language() -> dict[str, PluralRule]:
    rules: dict[str, PluralRule] = {}
    rule = None
    for line in _RULES.strip().splitlines():
        categories, bar, formula = line.partition(" | ")
        if bar:
            rule = PluralRule(tuple(categories.split()), formula)
        else:
            assert rule is not None
            rules.update(dict.fromkeys(line.split(), rule))
    return rules


_BY_LANGUAGE = _rules_by_language()


def plural_rule(language: str) -> PluralRule | None:
    """Return the plural forms of a language; None if they are unknown.

    Args:
        language: Language code such as ru, rus or pt_BR; a region other than that of Portugal has
            no influence.
    """
    if language.lower().replace("_", "-") == "pt-pt":
        return _EUROPEAN_PORTUGUESE
    base = language.replace("_", "-").split("-")[0].lower()
    return _BY_LANGUAGE.get(base) or _BY_LANGUAGE.get(language_code(language) or "")
