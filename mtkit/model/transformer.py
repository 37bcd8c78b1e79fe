"""The Transformer (Vaswani et al. 2017, arXiv:1706.03762): one core for training, scoring and search."""

from collections.abc import Callable
from functools import partial
from typing import NamedTuple, cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from mtkit.config.model import AlignmentHead, ModelConfig
from mtkit.engines.cpu.packed_cache import PackedCache, SourceGroup
from mtkit.engines.cpu.packed_decoder import MakeLinear, PackedDecoder
from mtkit.engines.cpu.packed_linear import Int8Linear, OneDnnLinear, PackedLinear, can_pack
from mtkit.model.attention import ALL_HEADS, attention_bias
from mtkit.model.cache import DecoderCache, LayerCache, attention_dtype
from mtkit.model.dropout import Dropout
from mtkit.model.embedding import TokenEmbedding
from mtkit.model.init import init_weights
from mtkit.model.layers import DecoderLayer, EncoderLayer, make_norm
from mtkit.model.linear import Linear
from mtkit.model.positions import LearnedPositions, SinusoidalPositions


class Memory(NamedTuple):
    """The encoder's output, and where it may be attended to (None: everywhere)."""

    states_BSD: Tensor
    may_attend_B11S: Tensor | None


class Transformer(nn.Module):
    """Encoder and decoder with their embeddings.

    Args:
        config: Dimensions and variants.
        src_vocab_size: Pieces of the source vocabulary.
        tgt_vocab_size: Pieces of the target vocabulary; equal to the source's when the embeddings of both sides are tied.
        src_pad_id: Id of padding in source batches.
        tgt_pad_id: Id of padding in target batches.
    Raises:
        ValueError: The embeddings of both sides are tied, but the vocabularies differ in size.
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
                f"tied embeddings need one vocabulary, not {src_vocab_size} and {tgt_vocab_size} pieces"
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
        self.src_positions = _make_positions(config)
        self.tgt_positions = _make_positions(config)
        self.dropout = Dropout(config.dropout)
        self.encoder_layers = nn.ModuleList(
            EncoderLayer(config) for _ in range(config.n_encoder_layers)
        )
        self.decoder_layers = nn.ModuleList(
            DecoderLayer(config) for _ in range(config.n_decoder_layers)
        )
        self.packed_output: PackedLinear | None = None
        self.packed_decoder: PackedDecoder | None = None
        self._make_packed: MakeLinear | None = None
        is_pre = config.norm == "pre"
        self.encoder_norm = make_norm(config) if is_pre else nn.Identity()
        self.decoder_norm = make_norm(config) if is_pre else nn.Identity()
        init_weights(self.encoder_layers, config.init == "depth_scaled")
        init_weights(self.decoder_layers, config.init == "depth_scaled")
        if self.output is not None:
            nn.init.normal_(self.output.weight, std=config.d_model**-0.5)

    @property
    def output_weight(self) -> Tensor:
        """The matrix that turns states into logits. Shape (V, D)."""
        return self.tgt_embedding.weight if self.output is None else self.output.weight

    def pack(self, int8: bool = False, by_row: bool = False) -> None:
        """Prepare for search: on a CPU, lay the weights out for fast products. They must not change afterwards.

        Args:
            int8: Multiply 8-bit integers; all but the products stays as it is, in float32.
            by_row: Of int8: see `Int8Linear`.
        """
        if not can_pack(self.output_weight):
            return
        self._make_packed = make = partial(Int8Linear, by_row=by_row) if int8 else OneDnnLinear
        self.packed_output = make(self.output_weight, None)
        self.packed_decoder = PackedDecoder(
            self._decoder(), self.decoder_norm, make, is_exact=by_row or not int8
        )
        decoder_reads_source = [layer.cross_attention.inner.key_value for layer in self._decoder()]
        for module in [*self.encoder_layers.modules(), *decoder_reads_source]:
            if isinstance(module, Linear):
                module.packed = make(module.weight, module.bias)

    def output_for(self, token_ids: Tensor) -> Callable[[Tensor], Tensor]:
        """An output layer for some pieces only, by which `decode_step` gives logits of these alone, in their order. Ids of shape (V',)."""
        weight = self.output_weight.index_select(0, token_ids)
        return (
            self._make_packed(weight, None)
            if self._make_packed is not None
            else lambda states: F.linear(states, weight)
        )

    def encode(self, src_BS: Tensor) -> Memory:
        """Read the source. Ids of shape (B, S), padded with `src_pad_id`."""
        may_attend_BS = src_BS != self.src_pad_id
        # Asking whether there is padding would make a GPU wait; on a CPU it is free and saves the mask.
        has_no_padding = (
            not torch.compiler.is_compiling()
            and src_BS.device.type == "cpu"
            and bool(may_attend_BS.all())
        )
        may_attend_B11S = None if has_no_padding else may_attend_BS[:, None, None, :]
        x_BSD = self._embed(self.src_embedding, self.src_positions, src_BS)
        for layer in self.encoder_layers:
            x_BSD = layer(x_BSD, may_attend_B11S)
        return Memory(self.encoder_norm(x_BSD), may_attend_B11S)

    def decode(self, tgt_in_BT: Tensor, memory: Memory) -> Tensor:
        """Logits of every next token of a given target. Ids of shape (B, T) that start with BOS to logits of shape (B, T, V)."""
        return self.logits(self.decode_states(tgt_in_BT, memory))

    def decode_states(self, tgt_in_BT: Tensor, memory: Memory) -> Tensor:
        """The decoder's last hidden states, before the output layer. Ids of shape (B, T) to states of shape (B, T, D)."""
        return self._decode(tgt_in_BT, memory, None)[0]

    def _decode(
        self, tgt_in_BT: Tensor, memory: Memory, aligning: AlignmentHead | None
    ) -> tuple[Tensor, Tensor | None]:
        x_BTD = self._embed(self.tgt_embedding, self.tgt_positions, tgt_in_BT)
        log_weights_BTS = None
        for number, layer in enumerate(self.decoder_layers):
            if aligning is not None and number == aligning.layer:
                head = ALL_HEADS if aligning.head is None else aligning.head
                x_BTD, log_weights_BTS = layer(
                    x_BTD, memory.states_BSD, memory.may_attend_B11S, head
                )
            else:
                x_BTD = layer(x_BTD, memory.states_BSD, memory.may_attend_B11S)
        return self.decoder_norm(x_BTD), log_weights_BTS

    def logits(self, states: Tensor) -> Tensor:
        """Unnormalised log-probabilities over the target vocabulary. Shape (..., D) to (..., V)."""
        if self.packed_output is not None and torch.is_inference_mode_enabled():
            return self.packed_output(states)
        weight = self.output_weight
        if (
            states.device.type == "cuda"
            and states.dtype == weight.dtype != torch.float32
            and torch.is_inference_mode_enabled()
        ):
            # Rounded to 8 or 11 bits, many pieces would seem equally probable.
            return torch.mm(states.flatten(0, -2), weight.mT, out_dtype=torch.float32).unflatten(
                0, states.shape[:-1]
            )
        return F.linear(states, weight)

    def forward(
        self, src_BS: Tensor, tgt_in_BT: Tensor, aligning: AlignmentHead | None = None
    ) -> Tensor | tuple[Tensor, Tensor]:
        """Encode and decode.

        Args:
            src_BS: Ids of the sources.
            tgt_in_BT: Ids of the targets, which start with BOS.
            aligning: A head whose attention is wanted too.
        Returns:
            The decoder's last hidden states, which `logits` takes; shape (B, T, D). With a head also the logarithms of its attention, in float32:
            how much each target position, as it predicts the next token, looks at each source position; shape (B, T, S).
        """
        states_BTD, log_weights_BTS = self._decode(tgt_in_BT, self.encode(src_BS), aligning)
        return states_BTD if log_weights_BTS is None else (states_BTD, log_weights_BTS)

    def start_cache(self, memory: Memory) -> DecoderCache | PackedCache:
        """The cache for decoding these sentences step by step."""
        if self.can_mix:
            return self.start_mixed([memory], [list(range(len(memory.states_BSD)))])
        return DecoderCache(*self._read_by_layers(memory))

    def _read_by_layers(self, memory: Memory) -> tuple[list[LayerCache], Tensor | None]:
        """What the decoder's layers attend to, and what is added to their scores."""
        bias_B11S = (
            None
            if memory.may_attend_B11S is None
            else attention_bias(memory.may_attend_B11S, memory.states_BSD)
        )
        return [layer.project_memory(memory.states_BSD) for layer in self._decoder()], bias_B11S

    @property
    def can_mix(self) -> bool:
        """Whether sentences whose sources are padded to different lengths can be decoded together; see `start_mixed`."""
        return self.packed_decoder is not None and torch.is_inference_mode_enabled()

    def start_mixed(self, memories: list[Memory], places: list[list[int]]) -> PackedCache:
        """The cache for decoding the sentences of several memories together.

        Args:
            memories: What `encode` gave.
            places: For each memory the places of its sentences in the batch, which is filled by all together.
        """
        groups = []
        for memory, own in zip(memories, places, strict=True):
            layers, bias_B11S = self._read_by_layers(memory)
            arrays = [
                (layer.memory_key_BHSK.numpy(), layer.memory_value_BHSK.numpy()) for layer in layers
            ]
            groups.append(SourceGroup(own, arrays, bias_B11S))
        return PackedCache(
            groups, may_forget=self.packed_decoder is not None and not self.packed_decoder.is_exact
        )

    def prepare_positions(self, n_steps: int) -> list[Tensor]:
        """Make the decoder's positions of so many steps ahead, for steps that the device counts.

        Returns:
            The tables that such steps read; they must stay alive as long as a recorded step may be played.
        """
        positions = self.tgt_positions
        return (
            [positions.reaching(n_steps, self.output_weight.device)]
            if isinstance(positions, SinusoidalPositions)
            else []
        )

    @property
    def cache_dtype(self) -> torch.dtype:
        """The number format of the decoder's keys and values."""
        return attention_dtype(self.output_weight)

    def decode_step(
        self,
        token_ids_BW: Tensor,
        cache: DecoderCache | PackedCache,
        may_attend_BWM: Tensor | None,
        output: Callable[[Tensor], Tensor] | None = None,
    ) -> Tensor:
        """Logits of the next token of W hypotheses of each sentence.

        Args:
            token_ids_BW: The last token of each hypothesis; BOS at first.
            cache: The steps before; takes up this one.
            may_attend_BWM: Each hypothesis's ancestors among the M cached positions, this step's included (`ancestor_mask`);
                None when each sentence has had one hypothesis from the start.
            output: An output layer in place of the whole one; see `output_for`.
        Returns:
            Shape (B, W, V).
        """
        position = cache.n_steps
        x_BWD = self._embed(
            self.tgt_embedding, self.tgt_positions, token_ids_BW, start=position, stride=0
        )
        # What the attention of every layer would make of it.
        bias_B1WM = (
            None if may_attend_BWM is None else attention_bias(may_attend_BWM[:, None], x_BWD)
        )
        if isinstance(cache, PackedCache):
            assert self.packed_decoder is not None
            states_BWD = self.packed_decoder(x_BWD, cache, bias_B1WM)
        else:
            for layer, layer_cache in zip(self._decoder(), cache.layers, strict=True):
                x_BWD = layer.step(x_BWD, layer_cache, bias_B1WM, cache.memory_bias_B11S, position)
            states_BWD = self.decoder_norm(x_BWD)
        cache.n_steps += 1
        return (output or self.logits)(states_BWD)

    def _decoder(self) -> list[DecoderLayer]:
        return cast(list[DecoderLayer], list(self.decoder_layers))

    def _embed(
        self,
        embedding: nn.Module,
        positions: nn.Module | None,
        ids_BQ: Tensor,
        start: int | Tensor = 0,
        stride: int = 1,
    ) -> Tensor:
        x_BQD = embedding(ids_BQ)
        return self.dropout(x_BQD if positions is None else positions(x_BQD, start, stride))


def _make_positions(config: ModelConfig) -> nn.Module | None:
    if config.positions == "sinusoidal":
        return SinusoidalPositions(config.d_model)
    if config.positions == "learned":
        return LearnedPositions(config.max_positions, config.d_model)
    return None
