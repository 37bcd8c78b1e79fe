"""The weights of a trained model in a new one of equal dimensions, whose vocabulary may be another."""

from collections.abc import Mapping
from typing import NamedTuple

import torch
from torch import Tensor

from mtkit.checkpoint.model_dir import TrainedModel
from mtkit.model.transformer import Transformer
from mtkit.tokenizer.cross_vocab import encode_tokens
from mtkit.tokenizer.subword import Subword, Tokenizer


class VocabMapping(NamedTuple):
    """Where the rows of a vocabulary's embeddings come from."""

    parts: list[list[int]]
    """For each piece the ids of the old vocabulary whose mean it starts with; none: the mean of all."""
    n_same: int
    """Pieces that the old vocabulary has too."""
    n_mean: int
    """Pieces whose text the old vocabulary splits into others."""

    @property
    def n_new(self) -> int:
        """Pieces of which the old vocabulary knows nothing."""
        return len(self.parts) - self.n_same - self.n_mean


def transfer_weights(
    source: TrainedModel, model: Transformer, tokenizer: Tokenizer
) -> dict[str, VocabMapping]:
    """Give a model the weights of another one.

    A piece that both vocabularies have keeps its row. Others start as a mean, of their parts' rows or of all, and not at random, where their logits
    may be far above all others (Hewitt 2021, nlp.stanford.edu/~johnhew/vocab-expansion.html).

    Args:
        source: Of equal dimensions; matrices that are one there may be several here. Of learned positions the model may have more or fewer.
        model: Its weights are replaced. Positions beyond the source's stay as they are.
        tokenizer: Of `model`.
    Returns:
        Where the rows come from, by side: `source` and `target`, or `both` where the sides share a vocabulary in both models.
    """
    is_joint = tokenizer.joint and source.tokenizer.joint
    src = map_vocab(source.tokenizer.src, tokenizer.src)
    tgt = src if is_joint else map_vocab(source.tokenizer.tgt, tokenizer.tgt)
    theirs: Mapping[str, Tensor] = dict(source.model.named_parameters())
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if not name.startswith(("src_embedding.", "tgt_embedding.", "output.")):
                n_rows = min(len(parameter), len(theirs[name]))
                parameter[:n_rows] = theirs[name][:n_rows]
        model.src_embedding.weight.copy_(_rows(source.model.src_embedding.weight, src))
        model.tgt_embedding.weight.copy_(_rows(source.model.tgt_embedding.weight, tgt))
        if model.output is not None:
            model.output.weight.copy_(_rows(source.model.output_weight, tgt))
    return {"both": src} if is_joint else {"source": src, "target": tgt}


def map_vocab(old: Subword, new: Subword) -> VocabMapping:
    """Find the pieces of one vocabulary in another.

    PAD, UNK, BOS and EOS are what they are by any name, bytes by their value, all others by their text.
    """
    pieces = new.entries()
    old_ids = {(_kind(piece.kind), piece.text): i for i, piece in enumerate(old.entries())}
    by_role = dict(zip(new.special, old.special, strict=True))
    found = [
        by_role.get(i, old_ids.get((_kind(piece.kind), piece.text)))
        for i, piece in enumerate(pieces)
    ]
    parts = [[] if old_id is None else [old_id] for old_id in found]
    missing = [i for i, piece in enumerate(pieces) if found[i] is None and piece.kind == "text"]
    for i, ids in zip(missing, encode_tokens(old, [pieces[i].text for i in missing]), strict=True):
        parts[i] = [old_id for old_id in ids if old_id != old.special.unk]
    return VocabMapping(
        parts, n_same=len(found) - found.count(None), n_mean=sum(bool(parts[i]) for i in missing)
    )


def _kind(kind: str) -> str:
    """A plain piece and a symbol of the same text are the same."""
    return "text" if kind == "symbol" else kind


def _rows(old_VD: Tensor, rows: VocabMapping) -> Tensor:
    """The new matrix. Shape (V, D) with the old V in, with the new V out."""
    new_VD = old_VD[torch.tensor([ids[0] if ids else 0 for ids in rows.parts])]
    mean_D = old_VD.mean(0)
    for i, ids in enumerate(rows.parts):
        if len(ids) != 1:
            new_VD[i] = old_VD[ids].mean(0) if ids else mean_D
    return new_VD
