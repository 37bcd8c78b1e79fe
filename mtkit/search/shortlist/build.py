"""Construction of a lexical shortlist from a training corpus."""

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
from mtkit.corpus.token_translations import learn_translations
from mtkit.errors import MtkitError
from mtkit.search.shortlist.shortlist import Shortlist
from mtkit.tokenizer.subword import Tokenizer

_CHUNK_PAIRS = 4096
_MAX_TOKENS = 256


def make_shortlist(store: TokenStore, tokenizer: Tokenizer, config: ShortlistConfig) -> Shortlist:
    """Select each source token's candidates: probable translations and the identical token.

    EOS, UNK, bytes and the most frequent target tokens are always allowed.

    Args:
        store: Training pairs, encoded with this tokenizer.
        tokenizer: Tokenizer of the model.
        config: Numbers of candidates.
    Raises:
        MtkitError: There are no pairs.
    """
    if len(store) == 0:
        raise MtkitError("there are no pairs to make a shortlist from", "give the training corpus")
    learned = learn_translations(
        store, tokenizer.src.vocab_size, tokenizer.tgt.vocab_size, max_pairs=config.max_pairs
    )
    never = tokenizer.tgt.special.never_generated
    identical = _identical_tokens(tokenizer)
    rows = []
    for src_id in range(tokenizer.src.vocab_size):
        first, last = learned.offsets[src_id], learned.offsets[src_id + 1]
        row = learned.tgt_ids[first : min(last, first + config.n_candidates)]
        tgt_id = identical.get(src_id)
        if tgt_id is not None and tgt_id not in row and tgt_id not in never:
            row = np.append(row, tgt_id)
        rows.append(row)
    settings = config.model_dump(exclude={"max_pairs"}) | {
        "n_pairs": min(len(store), config.max_pairs)
    }
    always = _always_allowed(store, tokenizer, config.n_frequent)
    return Shortlist.from_rows(rows, always, tokenizer, settings)


def _identical_tokens(tokenizer: Tokenizer) -> dict[int, int]:
    """Map source ids to the ids of target tokens with the same text."""
    if tokenizer.joint:
        return {token_id: token_id for token_id in range(tokenizer.src.vocab_size)}
    tgt_ids = {text: tgt_id for tgt_id, text in enumerate(tokenizer.tgt.token_texts)}
    return {
        src_id: tgt_ids[entry.text]
        for src_id, entry in enumerate(tokenizer.src.entries())
        if entry.text in tgt_ids
    }


def _always_allowed(store: TokenStore, tokenizer: Tokenizer, n_frequent: int) -> NDArray[np.int64]:
    special = tokenizer.tgt.special
    counts = np.zeros(tokenizer.tgt.vocab_size, np.int64)
    for first in range(0, len(store), 1 << 16):
        ids = store.gather("tgt", np.arange(first, min(first + (1 << 16), len(store)))).ids
        counts += np.bincount(ids, minlength=len(counts))
    most_frequent = np.argsort(-counts, kind="stable")[:n_frequent].tolist()
    frequent = [token_id for token_id in most_frequent if counts[token_id]]
    byte_ids = [
        token_id for token_id, entry in enumerate(tokenizer.tgt.entries()) if entry.kind == "byte"
    ]
    allowed = [special.eos, special.unk, *byte_ids, *frequent]
    return np.setdiff1d(allowed, special.never_generated).astype(np.int64)


@contextmanager
def store_of_pairs(pairs: Iterable[SentencePair], tokenizer: Tokenizer) -> Iterator[TokenStore]:
    """Write pairs to a temporary token store, which is deleted when the block ends.

    Pairs with an empty side or with more than 256 tokens on one side are left out.
    """
    with TemporaryDirectory(prefix="mtkit-") as name:
        store_dir = Path(name)
        with StoreWriter(store_dir, tokenizer.src.vocab_size, tokenizer.tgt.vocab_size) as writer:
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
                    if 0 < len(src) <= _MAX_TOKENS and 0 < len(tgt) <= _MAX_TOKENS
                ]
                writer.append([src for src, _ in kept], [tgt for _, tgt in kept])
            writer.finish({"tokenizer_sha256": tokenizer.sha256})
        yield TokenStore.open(store_dir, check_hashes=False)
