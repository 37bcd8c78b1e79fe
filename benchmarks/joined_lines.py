"""Loss of quality when several sentences share a line: document-level BLEU of joined test lines.

    python benchmarks/joined_lines.py MODEL SOURCE REFERENCE [--split auto,never] [--limit 1000]

Lines are translated alone and joined by twos, fives and twenties.
"""

import argparse
from collections import Counter
from pathlib import Path

import sacrebleu

from mtkit.corpus.languages import word_separator
from mtkit.translation.translator import Translator

JOINED = (1, 2, 5, 20)


def joined(lines: list[str], n: int, space: str) -> list[str]:
    """Lines joined by n, the last of them by fewer."""
    return [space.join(lines[i : i + n]) for i in range(0, len(lines), n)]


def main() -> None:
    """Print a table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("model", type=Path)
    parser.add_argument("source", type=Path)
    parser.add_argument("reference", type=Path)
    parser.add_argument("--split", default="auto,never")
    parser.add_argument("--limit", type=int, default=1000)
    args = parser.parse_args()
    translator = Translator.load(args.model)
    spaces = [
        word_separator(lang) for lang in (translator.config.src_lang, translator.config.tgt_lang)
    ]
    src, references = (
        path.read_text(encoding="utf-8").split("\n")[:-1][: args.limit]
        for path in (args.source, args.reference)
    )
    whole = spaces[1].join(references)
    print(f"{args.model}: {translator.config.training_lines}")
    print(
        "| split | joined by | BLEU of lines | BLEU of the document | flags |\n| --- | ---: | ---: | ---: | --- |"
    )
    for split in args.split.split(","):
        for n in JOINED:
            found = translator.translate(joined(src, n, spaces[0]), split_sentences=split)
            texts = [one.text for one in found]
            by_line = sacrebleu.corpus_bleu(texts, [joined(references, n, spaces[1])]).score
            document = sacrebleu.corpus_bleu([spaces[1].join(texts)], [[whole]]).score
            flags = Counter(flag for one in found for flag in one.flags)
            print(
                f"| {split} | {n} | {by_line:.2f} | {document:.2f} | {', '.join(f'{k} {v}' for k, v in sorted(flags.items()))} |"
            )


if __name__ == "__main__":
    main()
