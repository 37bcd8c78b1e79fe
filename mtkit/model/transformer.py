"""The Transformer (Vaswani et al. 2017, arXiv:1706.03762), for training, scoring and search."""

from typing import NamedTuple, cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from mtkit.config.model import AlignmentHead, ModelConfig
from mtkit.model.attention import ALL_HEADS
from mtkit.model.cache import DecoderCache, LayerCache
from mtkit.model.dropout import Dropout
from mtkit.model.embedding import TokenEmbedding
from mtkit.model.init import init_weights
from mtkit.model.layers import DecoderLayer, EncoderLayer, make_norm
from mtkit.model.positions import LearnedPositions, SinusoidalPositions


class Memory(NamedTuple):
    """The encoder's output."""

    states_BSD: Tensor
    may_attend_B11S: Tensor
    """True on tokens, False on padding."""


class Transformer(nn.Module):
    """Encoder and decoder with their embeddings.

    Args:
        config: Dimensions and variants.
        src_vocab_size: Size of the source vocabulary.
        tgt_vocab_size: Size of the target vocabulary.
        src_pad_id: Padding id in source batches.
        tgt_pad_id: Padding id in target batches.
    Raises:
        ValueError: Source and target embeddings are tied, but the vocabularies differ in size.
    """

    def __init__(
        self,
        config: ModelConfig,
        src_vocab_size: int,
        tgt_vocab_size: int,
        src_pad_id: int,
        tgt_pad_id: int,
    ) -> None:
        super().__init__()
        tied = config.tied_embeddings
        has_one_embedding = tied in ("inputs", "all")
        if has_one_embedding and src_vocab_size != tgt_vocab_size:
            raise ValueError(
                "tied embeddings need one vocabulary, not vocabularies of "
                f"{src_vocab_size} and {tgt_vocab_size} tokens"
            )
        self.config = config
        self.src_pad_id, self.tgt_pad_id = src_pad_id, tgt_pad_id
        self.src_embedding = TokenEmbedding(src_vocab_size, config.d_model)
        self.tgt_embedding = (
            self.src_embedding
            if has_one_embedding
            else TokenEmbedding(tgt_vocab_size, config.d_model)
        )
        self.output = (
            None
            if tied in ("output", "all")
            else nn.Linear(config.d_model, tgt_vocab_size, bias=False)
        )
        # Apart from the matrix, which may be tied.
        self.output_bias = nn.Parameter(torch.zeros(tgt_vocab_size)) if config.output_bias else None
        self.src_positions = _make_positions(config)
        self.tgt_positions = _make_positions(config)
        self.dropout = Dropout(config.dropout)
        self.encoder_layers = nn.ModuleList(
            EncoderLayer(config) for _ in range(config.n_encoder_layers)
        )
        self.decoder_layers = nn.ModuleList(
            DecoderLayer(config) for _ in range(config.n_decoder_layers)
        )
        # With the norm before each sublayer, nothing else normalizes the last layer's output.
        is_pre = config.norm == "pre"
        self.encoder_norm = make_norm(config) if is_pre else nn.Identity()
        self.decoder_norm = make_norm(config) if is_pre else nn.Identity()
        init_weights(self.encoder_layers, config.init == "depth_scaled")
        init_weights(self.decoder_layers, config.init == "depth_scaled")
        if self.output is not None:
            nn.init.normal_(self.output.weight, std=config.d_model**-0.5)

    def forward(
        self,
        src_BS: Tensor,
        tgt_in_BT: Tensor,
        aligning: AlignmentHead | None = None,
        kept: tuple[Tensor, Tensor] | None = None,
    ) -> Tensor | tuple[Tensor, Tensor]:
        """Encode and decode.

        Args:
            src_BS: Source ids, padded with `src_pad_id`.
            tgt_in_BT: Target ids, which start with BOS.
            aligning: A head whose attention is returned too.
            kept: Factors of the token embeddings of source and target, of shapes (B, S) and (B, T);
                0 hides a token (token cutoff; Shen et al. 2020, arXiv:2009.13818).
        Returns:
            The decoder's last hidden states, the input of `logits`; shape (B, T, D). With a head
            also the logarithms of its attention, in float32: how much each target position attends
            to each source position as it predicts the next token; shape (B, T, S).
        """
        kept_BS, kept_BT = kept or (None, None)
        memory = self.encode(src_BS, kept_BS)
        states_BTD, log_weights_BTS = self._decode(tgt_in_BT, memory, aligning, kept_BT)
        return states_BTD if log_weights_BTS is None else (states_BTD, log_weights_BTS)

    def encode(self, src_BS: Tensor, kept_BS: Tensor | None = None) -> Memory:
        """Encode source ids, padded with `src_pad_id`; see `forward`. Shape (B, S)."""
        may_attend_B11S = (src_BS != self.src_pad_id)[:, None, None, :]
        x_BSD = self._embed(src_BS, self.src_embedding, self.src_positions, kept_BQ=kept_BS)
        for layer in self._encoder():
            x_BSD = layer(x_BSD, may_attend_B11S, layer.draw_skip())
        return Memory(self.encoder_norm(x_BSD), may_attend_B11S)

    def decode(self, tgt_in_BT: Tensor, memory: Memory) -> Tensor:
        """Return the logits of every next token of a given target.

        Ids of shape (B, T), which start with BOS, to logits of shape (B, T, V).
        """
        return self.logits(self.decode_states(tgt_in_BT, memory))

    def decode_states(self, tgt_in_BT: Tensor, memory: Memory) -> Tensor:
        """Return the decoder's last hidden states. Ids of shape (B, T) to shape (B, T, D)."""
        return self._decode(tgt_in_BT, memory, None)[0]

    def _decode(
        self,
        tgt_in_BT: Tensor,
        memory: Memory,
        aligning: AlignmentHead | None,
        kept_BT: Tensor | None = None,
    ) -> tuple[Tensor, Tensor | None]:
        x_BTD = self._embed(tgt_in_BT, self.tgt_embedding, self.tgt_positions, kept_BQ=kept_BT)
        log_weights_BTS = None
        for number, layer in enumerate(self._decoder()):
            if aligning is not None and number == aligning.layer:
                head = ALL_HEADS if aligning.head is None else aligning.head
                x_BTD, log_weights_BTS = layer(x_BTD, *memory, head)
            else:
                x_BTD = layer(x_BTD, *memory, is_skipped=layer.draw_skip())
        return self.decoder_norm(x_BTD), log_weights_BTS

    def logits(self, states: Tensor) -> Tensor:
        """Return unnormalized log-probabilities of target tokens. Shape (..., D) to (..., V)."""
        if self.output is None:
            return F.linear(states, self.tgt_embedding.weight, self.output_bias)
        logits = self.output(states)
        return logits if self.output_bias is None else logits + self.output_bias

    @property
    def output_weight(self) -> Tensor:
        """The matrix that turns states into logits. Shape (V, D)."""
        return self.tgt_embedding.weight if self.output is None else self.output.weight

    def start_cache(self, memory: Memory) -> DecoderCache:
        """Make the cache for decoding these sentences step by step."""
        layers = [
            LayerCache(*layer.cross_attention.inner.project(memory.states_BSD))
            for layer in self._decoder()
        ]
        n_steps = torch.zeros(1, dtype=torch.long, device=memory.states_BSD.device)
        return DecoderCache(layers, memory.may_attend_B11S, n_steps)

    def decode_step(
        self, token_ids_BW: Tensor, cache: DecoderCache, may_attend_BWM: Tensor | None = None
    ) -> Tensor:
        """Extend W hypotheses of each sentence by one token.

        Args:
            token_ids_BW: Last token of each hypothesis; BOS in the first step.
            cache: State of the decoder, to which this step is added.
            may_attend_BWM: True at those of the M cached positions, this step's included, that each
                hypothesis descends from; None if each sentence has had one hypothesis throughout.
        Returns:
            The decoder's last hidden states, the input of `logits`. Shape (B, W, D).
        """
        may_attend_B1WM = None if may_attend_BWM is None else may_attend_BWM[:, None]
        x_BWD = self._embed(token_ids_BW, self.tgt_embedding, self.tgt_positions, cache.n_steps)
        for layer, layer_cache in zip(self._decoder(), cache.layers, strict=True):
            x_BWD = layer.step(
                x_BWD, layer_cache, may_attend_B1WM, cache.may_attend_B11S, cache.n_steps
            )
        cache.n_steps += 1
        return self.decoder_norm(x_BWD)

    def _encoder(self) -> list[EncoderLayer]:
        return cast(list[EncoderLayer], list(self.encoder_layers))

    def _decoder(self) -> list[DecoderLayer]:
        return cast(list[DecoderLayer], list(self.decoder_layers))

    def _embed(
        self,
        ids_BQ: Tensor,
        embedding: nn.Module,
        add_positions: nn.Module | None,
        positions: Tensor | None = None,
        kept_BQ: Tensor | None = None,
    ) -> Tensor:
        x_BQD = embedding(ids_BQ)
        if kept_BQ is not None:
            x_BQD = x_BQD * kept_BQ[:, :, None]
        return self.dropout(x_BQD if add_positions is None else add_positions(x_BQD, positions))


def n_parameters(model: nn.Module) -> int:
    """Return the number of parameters; tied ones count once."""
    return sum(parameter.numel() for parameter in model.parameters())


def _make_positions(config: ModelConfig) -> nn.Module | None:
    if config.has_sinusoids:
        return SinusoidalPositions(config)
    if config.positions == "learned":
        return LearnedPositions(config.max_positions, config.d_model)
    # Rotary positions act inside self-attention.
    return None
