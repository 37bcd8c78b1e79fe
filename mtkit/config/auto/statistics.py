"""Statistics of a corpus and a machine, from which settings are chosen."""

from dataclasses import dataclass


@dataclass(frozen=True)
class SideStatistics:
    """Statistics of one side of a corpus, from a sample of cleaned pairs."""

    lang: str
    script: str
    """Most frequent script of its letters, such as latin or hangul."""
    words: float
    """Mean number of words per line."""
    chars: float
    """Mean number of characters per line."""
    chars_p999: int
    """99.9th percentile of the number of characters per line."""
    dense_share: float
    """Share of the characters that are Hangul, Han or kana, each about twice as informative as a
    letter of an alphabet."""
    other_script_share: float
    """Share of the letters in the other side's script, if the two scripts differ."""
    n_chars: int
    """Number of distinct characters."""
    n_common_chars: int
    """Number of most frequent characters that make up 99.95 % of the text."""
    n_types: int
    """Number of distinct words."""
    multi_sentence_share: float = 0.0
    """Share of the lines with several sentences."""


@dataclass(frozen=True)
class CorpusStatistics:
    """Statistics of a parallel corpus.

    The whole corpus is scanned for pairs and duplicates, a sample of cleaned pairs for the rest.
    """

    n_pairs: int
    n_sampled: int
    """Size of the sample before cleaning; equal to n_pairs if it is the whole corpus."""
    duplicate_share: float
    """Approximate share of the pairs that duplicate an earlier one."""
    dropped_share: float
    """Share of the sample dropped by cleaning."""
    wider_ratio: float
    """Mean width of each pair's wider side over the mean width of the targets; a batch is as wide
    as the wider side of its pairs."""
    width_ratio_p99: float
    """99th percentile of the ratio of the wider to the narrower side. Hangul, Han and kana have
    width 2; very short pairs are excluded."""
    src: SideStatistics
    tgt: SideStatistics

    @property
    def n_kept(self) -> float:
        """Number of pairs to train on, without dropped pairs and duplicates."""
        return self.n_pairs * (1.0 - self.duplicate_share) * (1.0 - self.dropped_share)

    @property
    def n_words(self) -> float:
        """Number of running words on both sides of these pairs."""
        return self.n_kept * (self.src.words + self.tgt.words)


@dataclass(frozen=True)
class Machine:
    """Hardware available for training."""

    n_cores: int
    memory_gb: float
    gpu: str | None = None
    """Name of the GPU; None to train on the CPU."""
    gpu_memory_gb: float = 0.0
    """Memory of one GPU in GB."""
    n_gpus: int = 0
    has_bf16: bool = False
    """Whether the training device multiplies bf16 matrices in hardware."""
    flops_per_s: float | None = None
    """Measured training speed in floating-point operations per second; None if not measured."""

    def __str__(self) -> str:
        memory = f"{self.memory_gb:.0f} GB of memory"
        cores = "1 core" if self.n_cores == 1 else f"{self.n_cores} cores"
        if self.gpu is None:
            return f"{cores}, {memory}, no GPU"
        several = f"{self.n_gpus} x " if self.n_gpus > 1 else ""
        return f"{several}{self.gpu} with {self.gpu_memory_gb:.0f} GB, {cores}, {memory}"
