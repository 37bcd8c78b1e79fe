import pytest
import torch

pytest.importorskip("ctranslate2", reason="CTranslate2 is not installed")


@pytest.fixture(scope="session")
def separate_tokenizer(ko_en_pairs):
    """A tokenizer for each side, of different sizes."""
    from mtkit.config.tokenizer import TokenizerConfig
    from mtkit.tokenizer.subword import Subword, Tokenizer
    from mtkit.tokenizer.train import train_subword

    sides = []
    for side, vocab_size in ("src", 560), ("tgt", 420):
        config = TokenizerConfig(vocab_size=vocab_size, character_coverage=0.98)
        sides.append(Subword(train_subword((getattr(pair, side) for pair in ko_en_pairs), config)))
    return Tokenizer(*sides)


@pytest.fixture(scope="session")
def random_rows():
    """Makes token ids of sentences of several lengths."""

    def make(subword, lengths, seed=1):
        draw = torch.Generator().manual_seed(seed)
        text_ids = [i for i in range(subword.vocab_size) if i not in subword.special]
        return [
            [text_ids[k] for k in torch.randint(len(text_ids), (n,), generator=draw).tolist()]
            for n in lengths
        ]

    return make


@pytest.fixture(scope="session")
def forced_log_probs():
    """Our log-probabilities of given targets, EOS included, one sentence at a time, by the full
    forward pass.
    """

    def score(trained, src_row, tgt_row, forbidden=()):
        src, tgt = trained.tokenizer.src.special, trained.tokenizer.tgt.special
        with torch.no_grad():
            memory = trained.model.encode(torch.tensor([[*src_row, src.eos]]))
            logits_TV = trained.model.decode(torch.tensor([[tgt.bos, *tgt_row]]), memory)[0]
        logits_TV[:, list(forbidden)] = -torch.inf
        wanted = torch.tensor([*tgt_row, tgt.eos])
        return logits_TV.log_softmax(-1).gather(1, wanted[:, None])[:, 0].tolist()

    return score
