"""Recipe section `model:`: the Transformer's dimensions and variants."""

from typing import Literal, Self

from pydantic import Field, model_validator

from mtkit.config.section import NonNegativeInt, Section


class ModelConfig(Section):
    """The Transformer's dimensions and variants. Recipe section `model:`."""

    d_model: int = Field(default=512, gt=0, le=65_536)
    """Width of every hidden vector."""
    n_heads: int = Field(default=8, gt=0, le=65_536)
    """Attention heads; divides d_model."""
    d_ff: int = Field(default=2048, gt=0, le=1_048_576)
    """Inner width of the feed-forward network."""
    n_encoder_layers: int = Field(default=6, gt=0, le=1000)
    """Layers of the encoder."""
    n_decoder_layers: int = Field(default=6, gt=0, le=1000)
    """Layers of the decoder."""
    norm: Literal["post", "pre"] = "post"
    """Where a sublayer normalises: after the residual sum (post, as in the paper) or before the sublayer (pre, easier to train deep)."""
    norm_type: Literal["layer", "rms"] = "layer"
    """LayerNorm (Ba et al. 2016) or RMSNorm (Zhang and Sennrich 2019)."""
    activation: Literal["relu", "gelu", "swiglu"] = "relu"
    """Of the feed-forward network: relu as in the paper, gelu, or swiglu (Shazeer 2020; a third matrix)."""
    positions: Literal["sinusoidal", "learned", "rotary"] = "sinusoidal"
    """How order is told: sinusoidal as in the paper, learned vectors, or rotary (Su et al. 2021)."""
    max_positions: int = Field(default=1024, gt=0, le=1_048_576)
    """Longest sequence that the model takes; with learned positions also the size of their table."""
    tied_embeddings: Literal["none", "output", "inputs", "all"] = "all"
    """Shared matrices: none; target embedding and output layer (output); source and target embedding (inputs); all three (all). The last two need a
    joint vocabulary."""
    dropout: float = Field(default=0.1, ge=0.0, lt=1.0)
    """Share of each sublayer's output, and of the embeddings, set to zero in training."""
    attention_dropout: float = Field(default=0.0, ge=0.0, lt=1.0)
    """Share of the attention weights set to zero in training."""
    activation_dropout: float = Field(default=0.0, ge=0.0, lt=1.0)
    """Share of the feed-forward network's inner values set to zero in training."""
    layer_drop: float = Field(default=0.0, ge=0.0, lt=1.0)
    """Probability with which each layer as a whole is left out of a batch in training (Fan et al. 2020); with deep models 0.1 to 0.2 is usual."""
    init: Literal["xavier", "depth_scaled"] = "xavier"
    """Initial weights: Xavier uniform, or that divided by the square root of the layer's number (Zhang et al. 2019)."""

    @property
    def d_head(self) -> int:
        """Width of one attention head."""
        return self.d_model // self.n_heads

    @model_validator(mode="after")
    def heads_divide_width(self) -> Self:
        if self.d_model % self.n_heads:
            nearest = max(1, round(self.d_model / self.n_heads)) * self.n_heads
            raise ValueError(
                f"d_model ({self.d_model}) is not a multiple of n_heads ({self.n_heads}); for example d_model {nearest} with n_heads {self.n_heads}"
            )
        if self.positions == "sinusoidal" and self.d_model % 2:
            raise ValueError(f"d_model ({self.d_model}) is odd; sinusoidal positions need pairs")
        if self.positions == "rotary" and self.d_head % 2:
            raise ValueError(
                f"d_model / n_heads ({self.d_head}) is odd; rotary positions need pairs"
            )
        return self


class AlignmentHead(Section):
    """A head of the decoder's attention to the source that has learned which source words each target word translates."""

    layer: NonNegativeInt
    """Of the decoder, from 0."""
    head: NonNegativeInt | None = 0
    """Of that layer, from 0; None is the mean of all its heads, none of which has learned it."""
