"""Read pairs from gettext catalogs (PO), as a stream."""

from collections.abc import Generator, Iterator
from contextlib import closing
from pathlib import Path

from mtkit.corpus.read.columns import encoding_lang
from mtkit.corpus.read.directions import BilingualPairs
from mtkit.corpus.read.po_entries import (
    PluralForms,
    PoEntry,
    header_fields,
    plural_forms,
    read_entries,
)
from mtkit.corpus.read.xml_handler import refuse_columns
from mtkit.corpus.sentence_pair import SentencePair, SideSpecs
from mtkit.errors import MtkitError
from mtkit.io.text import read_lines


def po_pairs(path: Path, name: str, sides: SideSpecs) -> Iterator[SentencePair]:
    """Read the translated entries of a catalog; a line break within a text becomes a space.

    Entries without a translation, fuzzy ones and obsolete ones are skipped. An entry with plural
    forms is two pairs: `msgid` with the form for 1, and `msgid_plural` with the form for 5. If
    `Language` of the header is the source language of the corpus, the pairs are turned around.

    Args:
        path: The file, which may be compressed.
        name: Name of the file in errors.
        sides: The languages.
    Raises:
        MtkitError: At the call: no such file, or the recipe specifies columns. While reading: not
            a catalog, invalid UTF-8, or another language.
    """
    refuse_columns(sides, name, "PO")
    lines = read_lines(path, what="the PO corpus", name=name, lang=encoding_lang(sides))
    return _pairs(lines, name, sides)


def _pairs(
    lines: Generator[str, None, None], name: str, sides: SideSpecs
) -> Iterator[SentencePair]:
    units = BilingualPairs(name, sides)
    forms: PluralForms | None = None
    with closing(lines):
        for entry in read_entries((f"{line}\n" for line in lines), name):
            if entry.is_header:
                fields = header_fields(entry)
                units.set_languages(fields.get("x-source-language", ""), fields.get("language", ""))
                try:
                    forms = plural_forms(fields)
                except ValueError as exc:
                    raise MtkitError(
                        f"`{name}`: Plural-Forms in the header is not valid: {exc}",
                        "write it as in `nplurals=2; plural=(n != 1);`",
                    ) from exc
            elif not all(one.text for one in entry.translations):
                units.skip("without a translation")
            elif entry.is_fuzzy:
                units.skip("marked as fuzzy")
            else:
                for src, tgt in _texts(entry, forms):
                    if pair := units.pair(src, tgt):
                        yield pair
    units.finish()


def _texts(entry: PoEntry, forms: PluralForms | None) -> Iterator[tuple[str, str]]:
    """Yield source and target of an entry; two for plural forms."""
    plural = entry.get("msgid_plural")
    texts = [one.text for one in entry.translations]
    if plural is None:
        yield entry.msgid.text, texts[0]
        return
    numbers = [forms.forms[n] if forms else int(n != 1) for n in (1, 5)]
    singular, other = (min(number, len(texts) - 1) for number in numbers)
    if singular != other:
        yield entry.msgid.text, texts[singular]
    yield plural.text, texts[other]
