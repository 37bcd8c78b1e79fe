"""Makes a lexical shortlist from a training corpus."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from numpy.typing import NDArray

from mtkit.config.shortlist import ShortlistConfig
from mtkit.corpus.sentence_pair import SentencePair
from mtkit.corpus.store.token_store import StoreWriter, TokenStore
from mtkit.errors import MtkitError
from mtkit.search.shortlist.shortlist import Shortlist
from mtkit.search.shortlist.subword_translations import learn_translations
from mtkit.tokenizer.subword import Tokenizer

_CHUNK_PAIRS = 4096
_MAX_PIECES = 256


def make_shortlist(store: TokenStore, tokenizer: Tokenizer, config: ShortlistConfig) -> Shortlist:
    """Choose the candidates of each source piece: its probable translations, and the piece that reads the same.

    Always allowed are EOS, UNK, bytes, and the most frequent pieces of the target.

    Args:
        store: Training pairs in this tokenizer's pieces.
        tokenizer: Of the model.
        config: How many candidates.
    Raises:
        MtkitError: There are no pairs.
    """
    if len(store) == 0:
        raise MtkitError("there are no pairs to make a shortlist from", "give the training corpus")
    learned = learn_translations(
        store, tokenizer.src.vocab_size, tokenizer.tgt.vocab_size, max_pairs=config.max_pairs
    )
    hidden = [tokenizer.tgt.special.pad, tokenizer.tgt.special.bos]
    twins = _twins(tokenizer)
    rows = []
    for piece in range(tokenizer.src.vocab_size):
        first, last = learned.offsets[piece], learned.offsets[piece + 1]
        row = learned.tgt_ids[first : min(last, first + config.n_candidates)]
        twin = twins.get(piece)
        rows.append(row if twin is None or twin in row or twin in hidden else np.append(row, twin))
    settings = config.model_dump(exclude={"max_pairs"}) | {
        "n_pairs": min(len(store), config.max_pairs)
    }
    return Shortlist.of(rows, _always(store, tokenizer, config.n_frequent), tokenizer, settings)


def _twins(tokenizer: Tokenizer) -> dict[int, int]:
    """Which piece of the target reads as a piece of the source."""
    if tokenizer.joint:
        return {piece: piece for piece in range(tokenizer.src.vocab_size)}
    tgt_ids = {piece.text: number for number, piece in enumerate(tokenizer.tgt.entries())}
    return {
        number: tgt_ids[piece.text]
        for number, piece in enumerate(tokenizer.src.entries())
        if piece.text in tgt_ids
    }


def _always(store: TokenStore, tokenizer: Tokenizer, n_frequent: int) -> NDArray[np.int64]:
    special = tokenizer.tgt.special
    counts = np.zeros(tokenizer.tgt.vocab_size, np.int64)
    for first in range(0, len(store), 1 << 16):
        ids = store.gather("tgt", np.arange(first, min(first + (1 << 16), len(store)))).ids
        counts += np.bincount(ids, minlength=len(counts))
    frequent = [
        piece for piece in np.argsort(-counts, kind="stable")[:n_frequent].tolist() if counts[piece]
    ]
    others = [
        number for number, piece in enumerate(tokenizer.tgt.entries()) if piece.kind == "byte"
    ]
    return np.setdiff1d(
        [special.eos, special.unk, *others, *frequent], [special.pad, special.bos]
    ).astype(np.int64)


@contextmanager
def store_of_pairs(pairs: Iterable[SentencePair], tokenizer: Tokenizer) -> Iterator[TokenStore]:
    """A token store of some pairs, on disk until the block ends. Pairs with a blank side, or more than 256 pieces on one, are left out."""
    with TemporaryDirectory(prefix="mtkit-") as name:
        folder = Path(name)
        with StoreWriter(folder, tokenizer.src.vocab_size, tokenizer.tgt.vocab_size) as writer:
            iterator = iter(pairs)
            while chunk := list(islice(iterator, _CHUNK_PAIRS)):
                encoded = zip(
                    tokenizer.src.encode([pair.src for pair in chunk]),
                    tokenizer.tgt.encode([pair.tgt for pair in chunk]),
                    strict=True,
                )
                kept = [
                    (src, tgt)
                    for src, tgt in encoded
                    if 0 < len(src) <= _MAX_PIECES and 0 < len(tgt) <= _MAX_PIECES
                ]
                writer.append([src for src, _ in kept], [tgt for _, tgt in kept])
            writer.finish({"tokenizer_sha256": tokenizer.sha256})
        yield TokenStore.open(folder, check_hashes=False)
