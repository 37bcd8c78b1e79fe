"""An engine whose best is not the most probable, but the one that is most like all that another engine has found."""

from dataclasses import replace

from mtkit.config.search import SearchConfig
from mtkit.corpus.languages import word_separator
from mtkit.engines.protocol import Engine, SearchRequest
from mtkit.search.hypothesis import Hypothesis
from mtkit.tokenizer.subword import Subword
from mtkit.translation.mbr import MbrCandidate, rank_candidates


class MbrEngine:
    """Has another engine find `config.mbr` candidates, and ranks them by minimum Bayes risk.

    Of its hypotheses, `score` is the mean utility against all others, from 0 to 100.

    Args:
        engine: Finds the candidates.
        subword: Of the target.
        tgt_lang: Its language; says whether BLEU goes by words or by characters.
    """

    def __init__(self, engine: Engine, subword: Subword, tgt_lang: str) -> None:
        self.engine = engine
        self.subword = subword
        self.tokenize = "13a" if word_separator(tgt_lang) else "char"

    def search(self, request: SearchRequest) -> list[list[Hypothesis]]:
        """See `Engine`; of equal texts there is one."""
        config = request.config
        found = self.engine.search(replace(request, config=candidates_wanted(config)))
        return [self._ranked(hypotheses, config) for hypotheses in found]

    def _ranked(self, hypotheses: list[Hypothesis], config: SearchConfig) -> list[Hypothesis]:
        texts = self.subword.decode([hypothesis.token_ids for hypothesis in hypotheses])
        candidates = [
            MbrCandidate(text, hypothesis.log_prob)
            for text, hypothesis in zip(texts, hypotheses, strict=True)
        ]
        ranked = rank_candidates(candidates, config.mbr_utility, self.tokenize)[: config.n_best]
        return [hypotheses[one.index]._replace(score=one.utility) for one in ranked]


def candidates_wanted(config: SearchConfig) -> SearchConfig:
    """The settings of the search for candidates."""
    # Each group of the beam has an equal share of it.
    beam_size = -(-max(config.beam_size, config.mbr) // config.n_groups) * config.n_groups
    return config.model_copy(update={"n_best": config.mbr, "beam_size": beam_size, "mbr": 0})
