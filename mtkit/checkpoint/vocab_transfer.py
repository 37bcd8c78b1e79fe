"""Weights for another vocabulary: embedding rows are matched token by token."""

from collections.abc import Mapping
from typing import NamedTuple

import torch
from torch import Tensor

from mtkit.checkpoint.model_dir import TrainedModel
from mtkit.model.transformer import Transformer
from mtkit.tokenizer.cross_vocab import encode_tokens
from mtkit.tokenizer.special_ids import SpecialIds
from mtkit.tokenizer.subword import Subword, Tokenizer


class VocabMapping(NamedTuple):
    """Initialization of the embedding rows of a vocabulary from those of another one."""

    old_ids: list[list[int]]
    """For each token, ids of the old vocabulary whose mean initializes it; empty: the mean of all
    but special tokens."""
    n_same: int
    """Number of tokens that the old vocabulary has, too."""
    n_mean: int
    """Number of tokens that the old vocabulary splits into several."""

    @property
    def n_new(self) -> int:
        """Number of tokens without a counterpart in the old vocabulary."""
        return len(self.old_ids) - self.n_same - self.n_mean

    def describe(self) -> str:
        """Return a line about the number of tokens of each kind."""
        n_tokens = len(self.old_ids)
        if self.n_same == n_tokens:
            return f"all {n_tokens:,} tokens keep their embeddings"
        return (
            f"{self.n_same:,} of {n_tokens:,} tokens keep their embeddings,"
            f" {self.n_mean:,} start as the mean of their parts,"
            f" {self.n_new:,} as the mean of all"
        )


def transfer_weights(
    source: TrainedModel, model: Transformer, tokenizer: Tokenizer
) -> dict[str, VocabMapping]:
    """Copy the weights of a model to another one whose vocabulary may differ.

    A token of both vocabularies keeps its embedding. Others are initialized with a mean, of the
    tokens that they are split into or of all, rather than at random: random embeddings can have
    logits far above all others (Hewitt 2021,
    nlp.stanford.edu/~johnhew/vocab-expansion.html).

    Args:
        source: Model of the same dimensions. Matrices that it ties may be untied in `model`, and
            the number of learned positions may differ.
        model: Its weights are replaced, except for positions that the source does not have.
        tokenizer: Tokenizer of `model`.
    Returns:
        The mapping of each side: `source` and `target`, or `both` if both models have a joint
        vocabulary.
    """
    is_joint = tokenizer.joint and source.tokenizer.joint
    src = map_vocab(source.tokenizer.src, tokenizer.src)
    tgt = src if is_joint else map_vocab(source.tokenizer.tgt, tokenizer.tgt)
    old: Mapping[str, Tensor] = dict(source.model.named_parameters())
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if not name.startswith(("src_embedding.", "tgt_embedding.", "output")):
                n_rows = min(len(parameter), len(old[name]))
                parameter[:n_rows] = old[name][:n_rows]
        model.src_embedding.weight.copy_(
            _new_rows(source.model.src_embedding.weight, src, source.tokenizer.src.special)
        )
        tgt_special = source.tokenizer.tgt.special
        model.tgt_embedding.weight.copy_(
            _new_rows(source.model.tgt_embedding.weight, tgt, tgt_special)
        )
        if model.output is not None:
            model.output.weight.copy_(_new_rows(source.model.output_weight, tgt, tgt_special))
        if model.output_bias is not None and source.model.output_bias is not None:
            model.output_bias.copy_(_new_rows(source.model.output_bias, tgt, tgt_special))
    return {"both": src} if is_joint else {"source": src, "target": tgt}


def map_vocab(old: Subword, new: Subword) -> VocabMapping:
    """Map the tokens of a vocabulary to those of an older one.

    PAD, UNK, BOS and EOS are matched by their role, bytes by their value, others by their text.
    """
    entries = new.entries()
    ids_by_text = {(_kind(entry.kind), entry.text): i for i, entry in enumerate(old.entries())}
    ids_by_role = dict(zip(new.special, old.special, strict=True))
    matches = [
        ids_by_role.get(i, ids_by_text.get((_kind(entry.kind), entry.text)))
        for i, entry in enumerate(entries)
    ]
    old_ids = [[] if match is None else [match] for match in matches]
    missing = [i for i, entry in enumerate(entries) if matches[i] is None and entry.kind == "text"]
    split = encode_tokens(old, [entries[i].text for i in missing])
    for i, ids in zip(missing, split, strict=True):
        old_ids[i] = [old_id for old_id in ids if old_id != old.special.unk]
    return VocabMapping(
        old_ids,
        n_same=len(matches) - matches.count(None),
        n_mean=sum(bool(old_ids[i]) for i in missing),
    )


def _kind(kind: str) -> str:
    """Treat symbols and unused tokens as text, since they match a subword of the same text."""
    return "text" if kind in ("symbol", "unused") else kind


def _new_rows(old_VD: Tensor, mapping: VocabMapping, special: SpecialIds) -> Tensor:
    """Return the embedding matrix, or the biases, of the new vocabulary.

    Special tokens do not take part in the mean of all: in imported models, the bias of padding is
    far below all others.
    """
    new_VD = old_VD[torch.tensor([ids[0] if ids else 0 for ids in mapping.old_ids])]
    is_ordinary_V = torch.ones(len(old_VD), dtype=torch.bool)
    is_ordinary_V[list(special)] = False
    mean_D = old_VD[is_ordinary_V].mean(0)
    for i, ids in enumerate(mapping.old_ids):
        if len(ids) != 1:
            new_VD[i] = old_VD[ids].mean(0) if ids else mean_D
    return new_VD
