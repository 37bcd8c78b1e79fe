"""What is known of a corpus and a machine when settings are chosen for them."""

from dataclasses import dataclass


@dataclass(frozen=True)
class SideStatistics:
    """One side of a corpus, by a sample of cleaned pairs."""

    lang: str
    script: str
    """The script that most letters belong to, such as latin or hangul."""
    words: float
    """Words in a line, on average."""
    chars: float
    """Characters in a line, on average."""
    chars_p999: int
    """One line in a thousand has more characters."""
    dense_share: float
    """Share of the characters that are Hangul, Han or kana, which say about twice as much as an alphabet's letters."""
    other_script_share: float
    """Share of the letters that belong to the other side's script, where that is another one."""
    n_chars: int
    """Different characters."""
    n_common_chars: int
    """So many of them, the commonest, make 99.95 % of the text."""
    n_types: int
    """Different words."""
    multi_sentence_share: float = 0.0
    """Share of the lines with several sentences."""


@dataclass(frozen=True)
class CorpusStatistics:
    """A parallel corpus. Pairs and duplicates are counted to the last; all else is known of a sample of cleaned pairs."""

    n_pairs: int
    n_sampled: int
    """Size of the sample before it was cleaned; equal to n_pairs when it was the whole corpus."""
    duplicate_share: float
    """About so many of the pairs came before."""
    dropped_share: float
    """Cleaning leaves out so many of the sample."""
    wider_ratio: float
    """Mean width of each pair's wider side over the mean width of the targets; a batch is as wide as the wider side of its pairs."""
    width_ratio_p99: float
    """In one pair of a hundred, one side is more than this many times as wide as the other. Hangul, Han and kana count twice; very short pairs do not
    count."""
    src: SideStatistics
    tgt: SideStatistics

    @property
    def n_kept(self) -> float:
        """Pairs to train on, when those are dropped."""
        return self.n_pairs * (1.0 - self.duplicate_share) * (1.0 - self.dropped_share)

    @property
    def n_words(self) -> float:
        """Running words of both sides in these."""
        return self.n_kept * (self.src.words + self.tgt.words)


@dataclass(frozen=True)
class Machine:
    """What training can use."""

    n_cores: int
    memory_gb: float
    gpu: str | None = None
    """The GPU's name; None to train on the CPU."""
    gpu_memory_gb: float = 0.0
    """Of one GPU."""
    n_gpus: int = 0
    has_bf16: bool = False
    """Whether the device that trains multiplies bf16 matrices in hardware."""
    flops_per_s: float | None = None
    """Floating-point operations a second that training was measured to reach; None if it was not measured."""

    def __str__(self) -> str:
        memory = f"{self.memory_gb:.0f} GB of memory"
        cores = "1 core" if self.n_cores == 1 else f"{self.n_cores} cores"
        if self.gpu is None:
            return f"{cores}, {memory}, no GPU"
        several = f"{self.n_gpus} x " if self.n_gpus > 1 else ""
        return f"{several}{self.gpu} with {self.gpu_memory_gb:.0f} GB, {cores}, {memory}"
