"""Rules of the check, with severity, explanation and recommended action."""

from typing import Literal, NamedTuple

Severity = Literal["error", "warning", "note"]
SEVERITIES: tuple[Severity, ...] = ("error", "warning", "note")
"""An error prevents training; a warning costs quality and should be examined; a note is
information.
"""
MAX_SHARE = 0.5
"""The default of `preprocess.max_dropped`: training rejects a corpus if more pairs are dropped."""


class Rule(NamedTuple):
    """A rule of the check."""

    severity: Severity
    title: str
    """Follows the number of lines or pairs in the report."""
    why: str
    todo: str
    """Recommended action; empty if there is none."""
    min_share: float = 0.0
    """A warning with a smaller share is a note: it is rare, and training drops or fixes it."""
    max_share: float = 1.0
    """A finding with a larger share is an error: too much would be dropped, or wrongly learned."""
    noun: str | None = None
    """Singular and plural of what is counted, such as place/places; empty if nothing is. Default:
    lines for a finding on one side, and pairs for others."""


_FIXED_BY = "`{}` fixes it in training, `mtkit data clean` in files."
_DROPPED_BY = "`{}` drops such pairs in training, `mtkit data clean` in files."

RULES = {
    "unreadable": Rule("error", "cannot be read", "Training would fail.", "", noun=""),
    "unequal_counts": Rule(
        "error",
        "without a counterpart",
        "Line N of one side must translate line N of the other: after an extra line, "
        "all pairs are wrong.",
        "Find where the files diverge, and restore the missing line or remove the "
        "extra one. Were lines removed on one side only?",
    ),
    "no_pairs": Rule(
        "error",
        "no pair has text on both sides",
        "There is nothing to train on.",
        "Check the files.",
        noun="",
    ),
    "invalid_utf8": Rule(
        "error",
        "not in UTF-8",
        "Training stops at the first of them. Such lines are not checked further.",
        "Convert the file with `iconv -f ENCODING -t UTF-8`, or correct these lines.",
    ),
    "shift": Rule(
        "error",
        "where the lines of the two sides shift",
        "From there on, the pairs are not translations; nothing costs more quality.",
        "Compare both files there, restore the missing line or remove the extra one, "
        "and check again. If the lines are correct, `preprocess.check_alignment: "
        "warning` allows training.",
        noun="place/places",
    ),
    "swapped": Rule(
        "warning",
        "with source and target swapped",
        "The model would generate the wrong language.",
        "Swap them. `clean.min_script` and `clean.wrong_language` drop most of them.",
        max_share=MAX_SHARE,
    ),
    "exchanged_names": Rule(
        "warning",
        "the file names suggest that they are swapped",
        "The model would translate in the opposite direction.",
        "Swap the two files, or the language codes.",
        noun="",
    ),
    "wrong_language": Rule(
        "warning",
        "in the language of the other side",
        "Untranslated lines teach a model to copy.",
        "Check some. `clean.wrong_language` drops those with frequent words, and "
        "`clean.min_copy_letters` those with the same text on both sides.",
        0.001,
        MAX_SHARE,
    ),
    "wrong_script": Rule(
        "warning",
        "in the script of another language",
        "The line is in another language, or in none.",
        _DROPPED_BY.format("clean.min_script"),
        0.01,
        MAX_SHARE,
    ),
    "overlap": Rule(
        "warning",
        "with a side that occurs in the training corpus",
        "The model has seen them: their score says nothing about new text.",
        "`clean.test_overlap: pair` drops pairs with both sides in common from "
        "training, `either` also those with one.",
    ),
    "one_sided": Rule(
        "warning",
        "blank, although the other side has text",
        "They are not translations; and if blank lines were removed on one side "
        "only, the lines are shifted.",
        "Such pairs are dropped. If there are many, check whether the lines around them match.",
        0.001,
        MAX_SHARE,
    ),
    "copies": Rule(
        "warning",
        "with equal sides",
        "Names and numbers may be equal; copied sentences teach a model to copy.",
        "`clean.min_copy_letters` drops those of sentence length.",
        0.01,
        MAX_SHARE,
    ),
    "duplicates": Rule(
        "warning",
        "that repeat an earlier pair",
        "A pair that occurs often gets a high weight and is memorized.",
        _DROPPED_BY.format("clean.duplicates"),
        0.01,
        MAX_SHARE,
    ),
    "length_ratio": Rule(
        "warning",
        "with an unusual length ratio",
        "One side contains more than the other, or something else.",
        "Check some. `clean.max_char_ratio` drops the worst; a lower value is stricter.",
        0.005,
    ),
    "html_entities": Rule(
        "warning",
        "with an HTML entity",
        "It represents a character; the model would learn to generate it.",
        _FIXED_BY.format("clean.entities"),
        0.01,
    ),
    "mojibake": Rule(
        "warning",
        "with UTF-8 that was decoded as Windows-1252",
        "One character became two or three wrong ones, which the model would learn to generate.",
        "If possible, convert the original again. " + _DROPPED_BY.format("clean.garbled"),
        0.001,
        MAX_SHARE,
    ),
    "replacement": Rule(
        "warning",
        "with U+FFFD",
        "It replaces a character that was lost in a conversion.",
        "If possible, convert the original again. " + _DROPPED_BY.format("clean.garbled"),
        0.001,
        MAX_SHARE,
    ),
    "cr": Rule(
        "warning",
        "with a CR inside",
        "Other programs may end a line there, which shifts the lines.",
        "mtkit treats it as a space. `mtkit data clean` replaces it in files.",
    ),
    "line_end": Rule(
        "warning",
        "with a character at which some programs end a line",
        "Python's splitlines and some editors do so at U+0085, U+2028 or a form "
        "feed, which shifts the lines.",
        "mtkit ends lines at LF only. " + _FIXED_BY.format("clean.invisible"),
    ),
    "nul": Rule(
        "warning",
        "with NUL",
        "Many programs end a text there.",
        _FIXED_BY.format("clean.invisible"),
    ),
    "bom_inside": Rule(
        "warning",
        "with a byte order mark inside",
        "It is invisible, but turns a known word into a new one. Files were "
        "concatenated with their marks.",
        _FIXED_BY.format("clean.invisible"),
        0.01,
    ),
    "control": Rule(
        "warning",
        "with control characters",
        "They are not text, and split words.",
        _FIXED_BY.format("clean.invisible"),
        0.01,
    ),
    "tokenized": Rule(
        "warning",
        "looks tokenized",
        "The model would generate such text and expect it; its scores would not be "
        "comparable with others.",
        "Use the text before tokenization, or detokenize it.",
        noun="",
    ),
    "lower_cased": Rule(
        "warning",
        "looks lower-cased",
        "The model would generate no capital letters, and not know those of its input.",
        "Use the text as it was written.",
        noun="",
    ),
    "few_letters": Rule(
        "note",
        "with almost no letters",
        "Numbers, code or remnants: there is little to learn from.",
        _DROPPED_BY.format("clean.min_letters"),
        max_share=MAX_SHARE,
    ),
    "long": Rule(
        "note",
        "too long for a sentence",
        "Whole paragraphs, or concatenated lines.",
        _DROPPED_BY.format("clean.max_chars"),
        max_share=MAX_SHARE,
    ),
    "folded_duplicates": Rule(
        "note",
        "that repeat an earlier pair except for case and punctuation",
        "They add little information.",
        "`clean.duplicates: folded` drops them from training, `exact` does not.",
    ),
    "several_translations": Rule(
        "note",
        "with another translation of an earlier source",
        "This is normal, unless a few lines account for most of them: headings, boilerplate.",
        "",
    ),
    "several_sources": Rule(
        "note",
        "with another source of an earlier translation",
        "This is normal, unless a few lines account for most of them: headings, boilerplate.",
        "",
    ),
    "blank": Rule("note", "blank on both sides", "They are dropped.", "", max_share=MAX_SHARE),
    "invisible": Rule(
        "note",
        "with invisible characters",
        "Soft hyphens, zero-width spaces and direction marks turn known words into new ones.",
        _FIXED_BY.format("clean.invisible"),
    ),
    "private_use": Rule(
        "note",
        "with private-use characters",
        "Their meaning depends on a font; they often come from a PDF.",
        "Replace them by the characters they stand for.",
    ),
    "not_nfc": Rule(
        "note",
        "not in Unicode normal form C",
        "Words that look equal are encoded in two ways.",
        _FIXED_BY.format("clean.normal_form"),
    ),
    "tab": Rule(
        "note",
        "with a tab",
        "In TSV, it would separate columns.",
        _FIXED_BY.format("clean.spaces"),
    ),
    "edge_spaces": Rule(
        "note",
        "with a space at the start or end",
        "Lines that look equal are different.",
        _FIXED_BY.format("clean.spaces"),
    ),
    "crlf": Rule(
        "note",
        "ending in CR LF",
        "mtkit removes the CR; not every program does.",
        "Use `dos2unix` if other programs read the file.",
    ),
    "bom": Rule(
        "note",
        "begins with a byte order mark",
        "mtkit removes it; not every program does.",
        "",
        noun="",
    ),
}
"""All rules, in the order of the report."""


def severity_of(name: str, share: float, *, is_trained_on: bool = True) -> Severity:
    """Return the severity of a finding.

    Args:
        name: The rule.
        share: Share of the lines or pairs with the finding.
        is_trained_on: Whether the corpus is a training corpus; pairs of others are not dropped.
    """
    rule = RULES[name]
    if is_trained_on and share > rule.max_share:
        return "error"
    return "note" if rule.severity == "warning" and share < rule.min_share else rule.severity
