"""sacreBLEU's metrics and tests of significance."""

from typing import Any

from sacrebleu.metrics.bleu import BLEU
from sacrebleu.metrics.chrf import CHRF
from sacrebleu.metrics.ter import TER
from sacrebleu.significance import PairedTest

NAMES = {"bleu": "BLEU", "chrf": "chrF2", "chrf++": "chrF2++", "ter": "TER"}


def metric(key: str) -> Any:
    """One of its metrics, by our key."""
    return {
        "bleu": BLEU(force=True),
        "chrf": CHRF(),
        "chrf++": CHRF(word_order=2),
        "ter": TER(),
    }[key]


def paired_test(outputs: dict[str, list[str]], keys: Any, references: Any, **options: Any) -> Any:
    """Signatures by our keys, and results of each system by our keys."""
    test = PairedTest(
        list(outputs.items()), {key: metric(key) for key in keys}, references, **options
    )
    signatures, results = test()
    return [{key: of_name[NAMES[key]] for key in keys} for of_name in (signatures, results)]
