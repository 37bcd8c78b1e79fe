"""What is looked for in a corpus: how bad it is, why it matters, and what to do."""

from typing import Literal, NamedTuple

Severity = Literal["error", "warning", "note"]
SEVERITIES: tuple[Severity, ...] = ("error", "warning", "note")
"""An error keeps `mtkit train` from starting; a warning costs quality and should be looked into; a note is good to know."""
MAX_SHARE = 0.5
"""As `preprocess.max_dropped`: with more pairs than this that training drops, it does not start."""


class Rule(NamedTuple):
    """What is looked for."""

    severity: Severity
    noun: str
    """What is counted, one and several: line/lines."""
    title: str
    """What these have, told behind their number."""
    why: str
    todo: str
    """Empty where there is nothing to do."""
    min_share: float = 0.0
    """A warning with a smaller share is a note: it is rare, and training leaves it out or mends it by itself."""
    max_share: float = 1.0
    """A finding with a larger share is an error: training would drop too much, or learn the wrong thing."""


_LINES, _PAIRS = "line/lines", "pair/pairs"
_FIXED_BY = "`{}` mends it in training, `mtkit data clean` in files."
_DROPPED_BY = "`{}` leaves such pairs out of training, `mtkit data clean` out of files."

RULES = {
    "unreadable": Rule("error", "", "cannot be read", "Training would stop here.", ""),
    "unequal_counts": Rule(
        "error",
        "line too many/lines too many",
        "",
        "Line N of one side must translate line N of the other: after a line too many, all pairs are wrong.",
        "Look where they come apart, and put back what was lost, or take out what is too much. Were lines dropped from one side only?",
    ),
    "no_pairs": Rule(
        "error",
        "",
        "no pair has text on both sides",
        "There is nothing to train on.",
        "Look into the files.",
    ),
    "invalid_utf8": Rule(
        "error",
        _LINES,
        "not in UTF-8",
        "Training stops at the first of them. Nothing else is said of such a line.",
        "Convert the file with `iconv -f ENCODING -t UTF-8`, or correct these lines.",
    ),
    "shift": Rule(
        "error",
        "place/places",
        "where the sides slip against each other",
        "From there on, pairs are no translations; nothing costs more quality.",
        "Look at both files there; put back the line that was lost, or take out the one too many, and check again. "
        "If the lines are right, `preprocess.check_alignment: warning` lets training start.",
    ),
    "swapped": Rule(
        "warning",
        _PAIRS,
        "with source and target exchanged",
        "The model would write the wrong language.",
        "Exchange them. Where the languages differ in script, `clean.min_script` leaves them out.",
        max_share=MAX_SHARE,
    ),
    "exchanged_names": Rule(
        "warning",
        "",
        "the names of the files say that they are exchanged",
        "The model would translate in the other direction.",
        "Exchange the two files, or the language codes.",
    ),
    "wrong_language": Rule(
        "warning",
        _LINES,
        "in the language of the other side",
        "It was not translated, and teaches a model to copy.",
        "Look at some, and leave such pairs out. Where both sides are the same, `clean.min_copy_letters` does.",
        0.001,
        MAX_SHARE,
    ),
    "wrong_script": Rule(
        "warning",
        _LINES,
        "in letters of another language",
        "The line is in another language, or in none.",
        _DROPPED_BY.format("clean.min_script"),
        0.01,
        MAX_SHARE,
    ),
    "overlap": Rule(
        "warning",
        _PAIRS,
        "of which a side is in the training corpus",
        "The model has seen them: a score on them says nothing about new text.",
        "`clean.test_overlap: pair` leaves whole pairs out of training, `either` also those with one side in common.",
    ),
    "one_sided": Rule(
        "warning",
        "blank line/blank lines",
        "beside a line with text",
        "It translates nothing; and where blank lines were removed from one side only, the sides slip.",
        "Such pairs are left out. If there are many, look whether their neighbours still fit together.",
        0.001,
        MAX_SHARE,
    ),
    "copies": Rule(
        "warning",
        _PAIRS,
        "with equal sides",
        "Names and figures may rightly be equal; copied sentences teach a model to copy.",
        "`clean.min_copy_letters` leaves out those that are as long as sentences.",
        0.01,
        MAX_SHARE,
    ),
    "duplicates": Rule(
        "warning",
        _PAIRS,
        "that came before",
        "A pair that comes often counts often, and is learned by heart.",
        _DROPPED_BY.format("clean.duplicates"),
        0.01,
        MAX_SHARE,
    ),
    "length_ratio": Rule(
        "warning",
        _PAIRS,
        "with sides of unlikely lengths",
        "One side says more than the other, or something else.",
        "Look at some. `clean.max_char_ratio` leaves the worst out; a lower one is stricter.",
        0.005,
    ),
    "html_entities": Rule(
        "warning",
        _LINES,
        "with an HTML entity",
        "It stands for a character; the model would learn to write it.",
        _FIXED_BY.format("clean.entities"),
        0.01,
    ),
    "mojibake": Rule(
        "warning",
        _LINES,
        "with UTF-8 that was read as Windows-1252",
        "One character became two or three wrong ones, which the model would learn to write.",
        "Best convert the original again. " + _DROPPED_BY.format("clean.garbled"),
        0.001,
        MAX_SHARE,
    ),
    "replacement": Rule(
        "warning",
        _LINES,
        "with U+FFFD",
        "It stands for a character that a conversion has lost.",
        "Best convert the original again. " + _DROPPED_BY.format("clean.garbled"),
        0.001,
        MAX_SHARE,
    ),
    "cr": Rule(
        "warning",
        _LINES,
        "with a CR inside",
        "Other programs may end a line there, and the sides slip.",
        "mtkit takes it for a space. `mtkit data clean` replaces it in files.",
    ),
    "line_end": Rule(
        "warning",
        _LINES,
        "with a character that some programs end a line at",
        "Python's splitlines and some editors do at U+0085, U+2028 or a form feed, and the sides slip.",
        "mtkit ends lines at LF only. " + _FIXED_BY.format("clean.invisible"),
    ),
    "nul": Rule(
        "warning",
        _LINES,
        "with NUL",
        "Many programs end a text there.",
        _FIXED_BY.format("clean.invisible"),
    ),
    "bom_inside": Rule(
        "warning",
        _LINES,
        "with a byte order mark inside",
        "Nobody sees it, but it makes a new word of a known one. Files were joined with their marks.",
        _FIXED_BY.format("clean.invisible"),
        0.01,
    ),
    "control": Rule(
        "warning",
        _LINES,
        "with control characters",
        "They are no text, and split words.",
        _FIXED_BY.format("clean.invisible"),
        0.01,
    ),
    "tokenised": Rule(
        "warning",
        "",
        "looks tokenised",
        "The model would write such text, and expect it; its scores could be compared with no one's.",
        "Take the text from before it was tokenised, or detokenise it.",
    ),
    "lower_cased": Rule(
        "warning",
        "",
        "looks lower-cased",
        "The model would write no capital letters, or not know those that it meets.",
        "Take the text as people wrote it.",
    ),
    "few_letters": Rule(
        "note",
        _LINES,
        "with almost no letters",
        "Figures, code or leftovers: little to learn from.",
        _DROPPED_BY.format("clean.min_letters"),
        max_share=MAX_SHARE,
    ),
    "long": Rule(
        "note",
        _LINES,
        "too long for a sentence",
        "Whole paragraphs, or lines that were joined.",
        _DROPPED_BY.format("clean.max_chars"),
        max_share=MAX_SHARE,
    ),
    "folded_duplicates": Rule(
        "note",
        _PAIRS,
        "that came before, but for case and punctuation",
        "They add little.",
        "`clean.duplicates: folded` leaves them out of training, `exact` does not.",
    ),
    "several_translations": Rule(
        "note",
        _PAIRS,
        "with another translation of a source that came before",
        "That is as it should be, unless a few lines have very many: headings, boilerplate.",
        "",
    ),
    "several_sources": Rule(
        "note",
        _PAIRS,
        "with another source of a translation that came before",
        "That is as it should be, unless a few lines have very many: headings, boilerplate.",
        "",
    ),
    "blank": Rule(
        "note", _PAIRS, "blank on both sides", "They are left out.", "", max_share=MAX_SHARE
    ),
    "invisible": Rule(
        "note",
        _LINES,
        "with characters that nobody sees",
        "Soft hyphens, zero-width spaces and direction marks make new words of known ones.",
        _FIXED_BY.format("clean.invisible"),
    ),
    "private_use": Rule(
        "note",
        _LINES,
        "with characters for private use",
        "One font alone knows what they mean; often from a PDF.",
        "Replace them by what they mean.",
    ),
    "not_nfc": Rule(
        "note",
        _LINES,
        "not in Unicode's normal form C",
        "Words that look equal are spelt in two ways.",
        _FIXED_BY.format("clean.normal_form"),
    ),
    "tab": Rule(
        "note",
        _LINES,
        "with a tab",
        "It would be a column too many in TSV.",
        _FIXED_BY.format("clean.spaces"),
    ),
    "edge_spaces": Rule(
        "note",
        _LINES,
        "with a space at an end",
        "Lines that look equal are not.",
        _FIXED_BY.format("clean.spaces"),
    ),
    "crlf": Rule(
        "note",
        _LINES,
        "ending in CR LF",
        "mtkit drops the CR; not every program does.",
        "`dos2unix`, for other programs.",
    ),
    "bom": Rule(
        "note", "", "begins with a byte order mark", "mtkit drops it; not every program does.", ""
    ),
}
"""What can be found, in the order in which it is told."""


def severity_of(name: str, share: float, *, is_trained_on: bool = True) -> Severity:
    """How bad a finding is.

    Args:
        name: The rule.
        share: The share of the lines or pairs that have it.
        is_trained_on: Whether the corpus is a training corpus; of others nothing is dropped.
    """
    rule = RULES[name]
    if is_trained_on and share > rule.max_share:
        return "error"
    return "note" if rule.severity == "warning" and share < rule.min_share else rule.severity
