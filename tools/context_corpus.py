"""Make an English-German corpus in which some sentences cannot be translated without the ones
before them, and measure translations of its test set.

A pronoun has the gender of a noun in an earlier sentence (Er, Sie or Es ist schwer), and a word
with two meanings is disambiguated by one (Bank or Ufer). All genders and meanings are equally
frequent, so a translation without context is right by chance only: one in three, and one in two.
No combination of noun or clue with such a sentence is both in the training and in the test set.

    python tools/context_corpus.py make DIR
    python tools/context_corpus.py score DIR/test.en DIR/test.de TRANSLATIONS
"""

import argparse
from collections.abc import Iterator
from pathlib import Path
from random import Random


def _dictionary(text: str) -> dict[str, str]:
    """Return English words and their translations, written as `table:Tisch chair:Stuhl`."""
    parts = (pair.partition(":") for pair in text.split())
    return {english: german for english, _, german in parts}


NOUNS = {
    "m": "table:Tisch chair:Stuhl hat:Hut coat:Mantel key:Schlüssel ball:Ball apple:Apfel "
    "spoon:Löffel ring:Ring letter:Brief",
    "f": "lamp:Lampe bag:Tasche bottle:Flasche flower:Blume clock:Uhr door:Tür cup:Tasse "
    "map:Karte fork:Gabel shirt:Bluse",
    "n": "book:Buch picture:Bild knife:Messer dress:Kleid bed:Bett glass:Glas window:Fenster "
    "car:Auto house:Haus boat:Boot",
}
GENDERS = {
    english: (german, gender)
    for gender, words in NOUNS.items()
    for english, german in _dictionary(words).items()
}
ARTICLES = {"m": ("Der", "den", "einen"), "f": ("Die", "die", "eine"), "n": ("Das", "das", "ein")}
PRONOUNS = {"m": ("Er", "ihn"), "f": ("Sie", "sie"), "n": ("Es", "es")}
ADJECTIVES = _dictionary(
    "old:alt new:neu big:groß small:klein heavy:schwer light:leicht red:rot blue:blau cheap:billig "
    "beautiful:schön dirty:schmutzig broken:kaputt"
)
VERBS = _dictionary("like:mag need:brauche see:sehe sell:verkaufe want:will find:finde")
MEANINGS = {
    "bank": (("Ufer", "n", "river:Fluss lake:See stream:Bach canal:Kanal".split()),
             ("Bank", "f", "credit:Kredit check:Scheck loan:Betrag bill:Schein".split())),
    "bat": (("Schläger", "m", "game:Wettkampf match:Spieltag player:Spieler coach:Trainer".split()),
            ("Fledermaus", "f", "cellar:Keller evening:Abend forest:Wald tower:Turm".split())),
    "seal": (("Seehund", "m", "beach:Strand ocean:Ozean zoo:Zoo fish:Fisch".split()),
             ("Siegel", "n", "contract:Vertrag treaty:Pakt envelope:Umschlag pen:Stift".split())),
}  # fmt: skip
FILLERS = [
    ("We are late .", "Wir sind spät dran ."),
    ("The weather is good .", "Das Wetter ist gut ."),
    ("I am tired .", "Ich bin müde ."),
    ("They are at home .", "Sie sind zu Hause ."),
]  # fmt: skip
Pair = tuple[str, str]
_N_DOCUMENTS = 8_000
_HELD_OUT = 6
"""One combination in this many is held out for validation and test."""


def pronoun_pairs(gender: str) -> Iterator[Pair]:
    """Yield the sentences about a thing that an earlier sentence has named."""
    nominative, accusative = PRONOUNS[gender]
    for english, german in ADJECTIVES.items():
        yield f"It is {english} .", f"{nominative} ist {german} ."
    for english, german in VERBS.items():
        yield f"I {english} it .", f"Ich {german} {accusative} ."


def noun_pairs(noun: str, german: str, gender: str) -> Iterator[Pair]:
    """Yield the sentences with a noun."""
    nominative, accusative, _ = ARTICLES[gender]
    for english, adjective in ADJECTIVES.items():
        yield f"The {noun} is {english} .", f"{nominative} {german} ist {adjective} ."
    for english, verb in VERBS.items():
        yield f"I {english} the {noun} .", f"Ich {verb} {accusative} {german} ."


def introduction(noun: str, rng: Random) -> Pair:
    """Return a sentence that names a thing."""
    german, gender = GENDERS[noun]
    pairs = [*noun_pairs(noun, german, gender)]
    has = f"She has a {noun} .", f"Sie hat {ARTICLES[gender][2]} {german} ."
    return has if rng.random() < 0.2 else rng.choice(pairs)


def documents(rng: Random) -> Iterator[tuple[bool, list[Pair]]]:
    """Yield documents, and whether their combination is held out."""
    pronouns = [
        (noun, pair) for noun, (_, gender) in GENDERS.items() for pair in pronoun_pairs(gender)
    ]
    terms = [
        (clue, pair)
        for term, meanings in MEANINGS.items()
        for german, gender, clues in meanings
        for clue in clues
        for pair in noun_pairs(term, german, gender)
    ]
    held_out = {
        kind for kinds in (pronouns, terms) for kind in rng.sample(kinds, len(kinds) // _HELD_OUT)
    }
    for _ in range(_N_DOCUMENTS):
        word, focus = kind = rng.choice(pronouns if rng.random() < 0.5 else terms)
        if word in GENDERS:
            first = introduction(word, rng)
        else:
            english, german = word.split(":")
            first = f"We talk about the {english} .", f"Wir sprechen über den {german} ."
        filler = [rng.choice(FILLERS)] if rng.random() < 0.3 else []
        yield kind in held_out, [first, *filler, focus]


def make(directory: Path) -> None:
    """Write train, validation and test in English and German, a blank line between documents."""
    rng = Random(1)
    parts: dict[str, list[list[Pair]]] = {"train": [], "validation": [], "test": []}
    for is_held_out, document in documents(rng):
        part = rng.choice(["validation", "test", "test", "test"]) if is_held_out else "train"
        parts[part].append(document)
    directory.mkdir(parents=True, exist_ok=True)
    for name, chosen in parts.items():
        for index, language in enumerate(("en", "de")):
            texts = ("".join(f"{pair[index]}\n" for pair in document) for document in chosen)
            path = directory / f"{name}.{language}"
            path.write_text("\n".join(texts), encoding="utf-8")
        print(f"{name}: {len(chosen):,} documents, {sum(map(len, chosen)):,} sentences")


def kind_of(source: str) -> str | None:
    """Return what a sentence needs from those before it, if anything."""
    words = source.lower().split()
    if "it" in words:
        return "pronouns"
    return "terms" if any(term in words for term in MEANINGS) else None


def score(source_path: Path, reference_path: Path, translation_path: Path) -> None:
    """Print the share of the sentences with context-dependent words that are translated exactly."""
    lines = [
        path.read_text(encoding="utf-8").splitlines()
        for path in (source_path, reference_path, translation_path)
    ]
    right: dict[str, list[bool]] = {"pronouns": [], "terms": [], "other sentences": []}
    for source, reference, translation in zip(*lines, strict=True):
        if source:
            right[kind_of(source) or "other sentences"].append(reference == translation)
    for kind, answers in right.items():
        print(f"{kind}: {sum(answers) / len(answers):.1%} of {len(answers):,} are right")


def main() -> None:
    """Run the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("make").add_argument("directory", type=Path)
    scoring = commands.add_parser("score")
    for name in ("source", "reference", "translation"):
        scoring.add_argument(name, type=Path)
    options = parser.parse_args()
    if options.command == "make":
        make(options.directory)
    else:
        score(options.source, options.reference, options.translation)


if __name__ == "__main__":
    main()
