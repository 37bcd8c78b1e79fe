"""Recipe section `model:`: dimensions and variants of the Transformer."""

from typing import Literal, Self

from pydantic import Field, model_validator

from mtkit.config.section import NonNegativeInt, Section


class ModelConfig(Section):
    """Dimensions and variants of the Transformer. Recipe section `model:`."""

    d_model: int = Field(default=512, gt=0, le=65_536)
    """Width of every hidden vector."""
    n_heads: int = Field(default=8, gt=0, le=65_536)
    """Number of attention heads; divides d_model."""
    d_ff: int = Field(default=2048, gt=0, le=1_048_576)
    """Inner width of the feed-forward network."""
    n_encoder_layers: int = Field(default=6, gt=0, le=1000)
    """Number of encoder layers."""
    n_decoder_layers: int = Field(default=6, gt=0, le=1000)
    """Number of decoder layers."""
    norm: Literal["post", "pre"] = "post"
    """Position of the layer normalisation: after the residual connection (post, as in the paper),
    or before the sublayer (pre, easier to train when deep)."""
    norm_type: Literal["layer", "rms"] = "layer"
    """LayerNorm (Ba et al. 2016) or RMSNorm (Zhang and Sennrich 2019)."""
    activation: Literal["relu", "gelu", "swiglu"] = "relu"
    """Activation of the feed-forward network: relu as in the paper, gelu, or swiglu (Shazeer 2020;
    needs a third matrix)."""
    positions: Literal["sinusoidal", "learned", "rotary"] = "sinusoidal"
    """Position encoding: sinusoidal as in the paper, learned, or rotary (Su et al. 2021)."""
    max_positions: int = Field(default=1024, gt=0, le=1_048_576)
    """Maximum sequence length; with learned positions also the size of their table."""
    tied_embeddings: Literal["none", "output", "inputs", "all"] = "all"
    """Shared matrices: none; target embedding and output layer (output); source and target
    embedding (inputs); all three (all). The last two need a joint vocabulary."""
    dropout: float = Field(default=0.1, ge=0.0, lt=1.0)
    """Dropout rate of the output of each sublayer and of the embeddings, in training."""
    attention_dropout: float = Field(default=0.0, ge=0.0, lt=1.0)
    """Dropout rate of the attention weights, in training."""
    activation_dropout: float = Field(default=0.0, ge=0.0, lt=1.0)
    """Dropout rate of the inner values of the feed-forward network, in training."""
    layer_drop: float = Field(default=0.0, ge=0.0, lt=1.0)
    """Probability of skipping a whole layer for a batch in training (LayerDrop, Fan et al. 2020);
    0.1 to 0.2 is common for deep models."""
    init: Literal["xavier", "depth_scaled"] = "xavier"
    """Initial weights: Xavier uniform, or that divided by the square root of the layer's number
    (Zhang et al. 2019)."""

    @property
    def d_head(self) -> int:
        """Width of one attention head."""
        return self.d_model // self.n_heads

    @model_validator(mode="after")
    def heads_divide_width(self) -> Self:
        if self.d_model % self.n_heads:
            nearest = max(1, round(self.d_model / self.n_heads)) * self.n_heads
            raise ValueError(
                f"d_model ({self.d_model}) is not a multiple of n_heads ({self.n_heads}); for "
                f"example d_model {nearest} with n_heads {self.n_heads}"
            )
        if self.positions == "sinusoidal" and self.d_model % 2:
            raise ValueError(f"d_model ({self.d_model}) is odd; sinusoidal positions need pairs")
        if self.positions == "rotary" and self.d_head % 2:
            raise ValueError(
                f"d_model / n_heads ({self.d_head}) is odd; rotary positions need pairs"
            )
        return self


class AlignmentHead(Section):
    """Head of the decoder's cross-attention that has learned word alignments."""

    layer: NonNegativeInt
    """Decoder layer, from 0."""
    head: NonNegativeInt | None = 0
    """Head of that layer, from 0; None is the mean of all its heads, none of which was trained for
    it."""

    @classmethod
    def untrained(cls, n_layers: int) -> Self:
        """Return the layer that aligns best if no head was trained to: the fifth of six.

        Garg et al. 2019 (arXiv:1909.02074). Of up to five layers, that is the last one.
        """
        return cls(layer=-(-5 * n_layers // 6) - 1, head=None)
