"""Recipe section `model:`: dimensions and variants of the Transformer."""

from typing import Literal, Self

from pydantic import Field, model_validator

from mtkit.config.section import NonNegativeInt, Section


class ModelConfig(Section):
    """Dimensions and variants of the Transformer. Recipe section `model:`."""

    d_model: int = Field(default=512, gt=0, le=65_536)
    """Width of the hidden states."""
    n_heads: int = Field(default=8, gt=0, le=65_536)
    """Number of attention heads; must divide d_model."""
    d_ff: int = Field(default=2048, gt=0, le=1_048_576)
    """Inner width of the feed-forward networks."""
    n_encoder_layers: int = Field(default=6, gt=0, le=1000)
    """Number of encoder layers."""
    n_decoder_layers: int = Field(default=6, gt=0, le=1000)
    """Number of decoder layers."""
    norm: Literal["post", "pre"] = "post"
    """Position of layer normalization: after the residual connection (post, as in the paper), or
    before the sublayer (pre, which makes deep models easier to train)."""
    norm_type: Literal["layer", "rms"] = "layer"
    """Kind of layer normalization: layer (LayerNorm; Ba et al. 2016) or rms (RMSNorm; Zhang and
    Sennrich 2019)."""
    activation: Literal["relu", "gelu", "swish", "swiglu"] = "relu"
    """Activation function of the feed-forward networks: relu as in the paper, gelu, swish
    (Ramachandran et al. 2017), or swiglu (Shazeer 2020; adds a third matrix)."""
    positions: Literal["sinusoidal", "sinusoidal_t2t", "learned", "rotary"] = "sinusoidal"
    """Position encoding: sinusoidal as in the paper; sinusoidal_t2t with the wavelengths of
    tensor2tensor, fairseq and Marian, slightly longer ones; learned embeddings; or rotary (Su et
    al. 2021)."""
    position_offset: int = Field(default=0, ge=0, le=1_048_576)
    """Number of the first position of sinusoidal encodings; 2 in M2M100 and NLLB."""
    max_positions: int = Field(default=1024, gt=0, le=1_048_576)
    """Maximum sequence length in tokens; with learned positions also the size of their embedding
    table."""
    tied_embeddings: Literal["none", "output", "inputs", "all"] = "all"
    """Weights shared by embeddings and output layer: none; target embedding and output layer
    (output); source and target embedding (inputs); all three (all). inputs and all require a joint
    vocabulary."""
    output_bias: bool = False
    """Add a trained bias to the logits of the output layer, as Marian's models do."""
    dropout: float = Field(default=0.1, ge=0.0, lt=1.0)
    """Dropout rate of the embeddings and of each sublayer's output."""
    attention_dropout: float = Field(default=0.0, ge=0.0, lt=1.0)
    """Dropout rate of the attention weights."""
    activation_dropout: float = Field(default=0.0, ge=0.0, lt=1.0)
    """Dropout rate of the inner activations of the feed-forward networks."""
    layer_drop: float = Field(default=0.0, ge=0.0, lt=1.0)
    """Probability of skipping each layer for a training batch (LayerDrop; Fan et al. 2020); 0.1 to
    0.2 is usual for deep models."""
    init: Literal["xavier", "depth_scaled"] = "xavier"
    """Weight initialization: Xavier uniform (xavier), or Xavier uniform divided by the square root
    of the layer number (depth_scaled; Zhang et al. 2019)."""

    @property
    def d_head(self) -> int:
        """Width of one attention head."""
        return self.d_model // self.n_heads

    @property
    def has_sinusoids(self) -> bool:
        """Whether positions are added that a formula computes, of any length."""
        return self.positions in ("sinusoidal", "sinusoidal_t2t")

    @property
    def position_limit(self) -> int | None:
        """Maximum length of a sequence, EOS included; None if positions do not limit it."""
        return self.max_positions if self.positions == "learned" else None

    @model_validator(mode="after")
    def heads_divide_width(self) -> Self:
        if self.d_model % self.n_heads:
            nearest = max(1, round(self.d_model / self.n_heads)) * self.n_heads
            raise ValueError(
                f"d_model ({self.d_model}) is not a multiple of n_heads ({self.n_heads}); "
                f"for example d_model {nearest} with n_heads {self.n_heads}"
            )
        if self.has_sinusoids and self.d_model % 2:
            raise ValueError(
                f"d_model ({self.d_model}) is odd; sinusoidal positions need an even number"
            )
        if self.positions == "rotary" and self.d_head % 2:
            raise ValueError(
                f"d_model / n_heads ({self.d_head}) is odd; rotary positions need an even number"
            )
        if self.position_offset and not self.has_sinusoids:
            raise ValueError(
                f"position_offset ({self.position_offset}) has no effect on {self.positions} "
                "positions; remove it, or set positions to sinusoidal"
            )
        return self


class AlignmentHead(Section):
    """Head of the decoder's attention to the source that yields word alignments."""

    layer: NonNegativeInt
    """Index of the decoder layer, from 0."""
    head: NonNegativeInt | None = 0
    """Index of the head in its layer, from 0; None averages all heads of a layer without a trained
    head."""

    @classmethod
    def untrained(cls, n_layers: int) -> Self:
        """Return the layer that aligns best if no head was trained to: the fifth of six.

        Garg et al. 2019 (arXiv:1909.02074). Of up to five layers, that is the last one.
        """
        return cls(layer=-(-5 * n_layers // 6) - 1, head=None)
