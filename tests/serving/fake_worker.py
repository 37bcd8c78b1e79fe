"""A worker process without a model: it upper-cases. Some texts make it slow, wrong, dead, or lossy."""

import os
import time

from mtkit.serving.model_worker import ModelDescription, Tags
from mtkit.translation.result import Alternative, Translation


class FakeWorker:
    """Translates between ko, de and en by upper-casing; records each batch in a file."""

    def __init__(self, log_path, index):
        self.log_path, self.index = log_path, index

    def __call__(self, batch):
        if batch is None:
            languages = {"ko": Tags(), "de": Tags()}
            return [
                ModelDescription(languages, {"en": Tags()}, "fake", True, ("<PH1>", "<PH2>"), True),
                ModelDescription({"en": Tags()}, {"fr": Tags()}, "fake", True),
            ]
        with self.log_path.open("a") as stream:
            stream.write(f"{os.getpid()} {len(batch.texts)}\n")
        required = batch.required if batch.key.requires_words else [()] * len(batch.texts)
        return [
            self.translate(text, batch.key, words)
            for text, words in zip(batch.texts, required, strict=True)
        ]

    def translate(self, text, key, words):
        if text.startswith("die"):
            os.kill(os.getpid(), 9)
        if text.startswith("wrong"):
            raise ValueError("secret text")
        if text.startswith("slow"):
            time.sleep(0.3)
        best = f"{text.upper()}" if key.model == 0 else f"fr:{text}"
        if text.startswith("lossy"):
            best = " ".join(["LOSSY", *words])
        if key.terms:
            best += f" [{', '.join('='.join(term) for term in key.terms)}]"
        ranked = tuple(Alternative(f"{best}{rank or ''}", 0.0) for rank in range(key.n_best))
        links = tuple((i, i) for i in range(len(text.split()))) if key.alignments else None
        return Translation(best, 0.0, ranked, (), links)
