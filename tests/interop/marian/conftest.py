"""Models that Marian trained, and what it translates; see tools/make_marian_fixtures.py."""

import json
import shutil
from pathlib import Path
from typing import NamedTuple

import pytest
from sentencepiece import SentencePieceProcessor

from mtkit.interop.marian.import_model import import_marian
from mtkit.interop.marian.vocab_yml import read_vocab_yml
from mtkit.translation.translator import Translator

FIXTURES = Path(__file__).parents[2] / "fixtures" / "marian"
NAMES = sorted(path.name for path in FIXTURES.iterdir() if path.is_dir())


class MarianLine(NamedTuple):
    """A translation of Marian."""

    text: str
    score: float
    """Divided by the length, EOS included."""


class Imported:
    """A model, imported, and Marian's own results."""

    def __init__(self, name, out_dir):
        self.folder, self.out_dir = FIXTURES / name, out_dir
        self.trained = import_marian(self.folder, out_dir, src_lang="de", tgt_lang="en")
        self.translator = Translator.load(out_dir, device="cpu")
        self.sources, self.references = (
            (FIXTURES / f"{side}.txt").read_text(encoding="utf-8").splitlines()
            for side in ("sources", "targets")
        )
        tree = json.loads((self.folder / "expected.json").read_text(encoding="utf-8"))
        self.scores = tree["scores"]
        self.expected = {
            beam_size: [MarianLine(*row) for row in tree[f"beam {beam_size}"]]
            for beam_size in (1, 6)
        }

    def marian_ids(self, side="source"):
        """Ids of the sources or references as Marian reads them, without EOS."""
        lines = self.sources if side == "source" else self.references
        if (self.folder / "vocab.spm").exists():
            return SentencePieceProcessor(model_file=str(self.folder / "vocab.spm")).encode(lines)
        splitter = SentencePieceProcessor(model_file=str(self.folder / f"{side}.spm"))
        name = "vocab.de.yml" if side == "source" else "vocab.en.yml"
        tables = [*self.folder.glob("opus*.yml"), *self.folder.glob(name)]
        if not tables:
            return splitter.encode(lines)
        ids = read_vocab_yml(tables[0])
        rows = splitter.encode(lines, out_type=str)
        return [[ids.get(piece, ids["<unk>"]) for piece in row] for row in rows]


@pytest.fixture(scope="session")
def imported_as(tmp_path_factory):
    """Imports a model once."""
    made = {}

    def get(name):
        if name not in made:
            made[name] = Imported(name, tmp_path_factory.mktemp("marian") / name)
        return made[name]

    return get


@pytest.fixture
def package(tmp_path):
    """A copy of a package, to be changed."""
    return Path(shutil.copytree(FIXTURES / "opus", tmp_path / "opus"))
