"""tokenizer.json of the tokenizers library, where it contains a SentencePiece model of type BPE."""

import base64
import binascii
from collections.abc import Iterator
from typing import Any

from mtkit.interop.obstacles import Obstacle
from mtkit.tokenizer.model_proto import make_bpe_model
from mtkit.tokenizer.normalize import WORD_BOUNDARY

_NO_EFFECT = {
    "dropout": (None, 0),
    "continuing_subword_prefix": (None, ""),
    "end_of_word_suffix": (None, ""),
    "byte_fallback": (False, None),
    "ignore_merges": (False, None),
}
"""Settings of a BPE model with other values than these split text differently."""


class TokenizerJson:
    """Content of tokenizer.json.

    Args:
        tree: The parsed file.
    """

    def __init__(self, tree: dict[str, Any]) -> None:
        self.tree = tree
        self.model = _object(tree.get("model"))
        added = tree.get("added_tokens")
        entries = [_object(entry) for entry in added] if isinstance(added, list) else []
        self._added = [
            entry
            for entry in entries
            if isinstance(entry.get("content"), str) and type(entry.get("id")) is int
        ]

    @property
    def ids(self) -> dict[str, int]:
        """Ids of all tokens."""
        added = {entry["content"]: entry["id"] for entry in self._added}
        return _object(self.model.get("vocab")) | added

    @property
    def special_tokens(self) -> list[str]:
        """Tokens that are not text, in the order of their ids."""
        entries = sorted(self._added, key=lambda entry: entry["id"])
        return [entry["content"] for entry in entries if entry.get("special") is True]

    @property
    def added_words(self) -> list[str]:
        """Words that are cut out of a text before it is split."""
        return [entry["content"] for entry in self._added if entry.get("special") is not True]

    def sentencepiece_model(self, obstacles: list[Obstacle]) -> bytes | None:
        """Return the SentencePiece model that the file was made from; None if it was not.

        The pieces of such a model are ordered by priority, and each may be merged from any two
        pieces that it consists of.

        Args:
            obstacles: Receives what is not that of a SentencePiece model.
        """
        n_before = len(obstacles)
        if self.model.get("type") != "BPE":
            kind = str(self.model.get("type"))[:40]
            obstacles.append(Obstacle(f"tokenizer.json has a model of type {kind}, not BPE"))
            return None
        obstacles += [
            Obstacle(f"{name} in tokenizer.json is {self.model[name]!r}"[:120])
            for name, neutral in _NO_EFFECT.items()
            if self.model.get(name) not in neutral
        ]
        vocab = _object(self.model.get("vocab"))
        merges = list(_pairs(self.model.get("merges")))
        expected = sum(
            piece[:i] in vocab and piece[i:] in vocab
            for piece in vocab
            for i in range(1, len(piece))
        )
        merged = [first + second for first, second in merges]
        if len(set(merges)) != expected or not vocab.keys() >= {*merged}:
            obstacles.append(
                Obstacle("the merges of tokenizer.json are not those of a SentencePiece model")
            )
        charsmap = self._charsmap(obstacles)
        if not _marks_spaces(self.tree.get("pre_tokenizer")):
            obstacles.append(Obstacle("tokenizer.json does not mark spaces as SentencePiece does"))
        if len(obstacles) > n_before:
            return None
        specials = {entry["content"] for entry in self._added}
        by_priority = dict.fromkeys(merged)
        single = [piece for piece in vocab if piece not in by_priority and piece not in specials]
        return make_bpe_model([*by_priority, *single], charsmap)

    def _charsmap(self, obstacles: list[Obstacle]) -> bytes:
        """Return the rules of the normalization, as SentencePiece stores them."""
        charsmap = b""
        for step in _steps(self.tree.get("normalizer"), "normalizers"):
            kind = step.get("type")
            if kind == "Precompiled":
                try:
                    charsmap = base64.b64decode(step["precompiled_charsmap"], validate=True)
                    continue
                except (KeyError, TypeError, binascii.Error):
                    pass
            # SentencePiece removes spaces too.
            elif kind in ("Replace", "Strip") and _removes_spaces(step):
                continue
            obstacles.append(Obstacle(f"tokenizer.json has a normalizer of type {str(kind)[:40]}"))
        return charsmap


def _object(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _pairs(merges: Any) -> Iterator[tuple[str, str]]:
    """Yield merges, which are pairs, or texts with a space in older files."""
    for merge in merges if isinstance(merges, list) else ():
        parts = merge.split(" ") if isinstance(merge, str) else merge
        if isinstance(parts, list) and len(parts) == 2:
            yield str(parts[0]), str(parts[1])


def _steps(value: Any, name: str) -> list[dict[str, Any]]:
    step = _object(value)
    if step.get("type") == "Sequence":
        inner = step.get(name)
        return [_object(one) for one in inner] if isinstance(inner, list) else [{}]
    return [step] if step else []


def _removes_spaces(step: dict[str, Any]) -> bool:
    if step["type"] == "Strip":
        return True
    return step.get("pattern") == {"Regex": " {2,}"} and step.get("content") in (" ", WORD_BOUNDARY)


def _marks_spaces(value: Any) -> bool:
    """Return whether a step marks spaces, and the start of the text, as SentencePiece does."""
    for step in _steps(value, "pretokenizers"):
        if step.get("type") == "Metaspace" and step.get("replacement") == WORD_BOUNDARY:
            return (
                step.get("prepend_scheme", "always") == "always"
                and step.get("add_prefix_space", True) is True
            )
    return False
