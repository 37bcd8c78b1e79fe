"""Write the packaged demo corpus again."""

import lzma
from pathlib import Path

import mtkit.demo.corpus
from mtkit.demo.corpus import FILE_NAME
from tools.demo_corpus.draw import draw_corpus, to_text

path = Path(mtkit.demo.corpus.__file__).with_name(FILE_NAME)
path.write_bytes(lzma.compress(to_text(draw_corpus()).encode(), preset=9 | lzma.PRESET_EXTREME))
print(f"{path}: written, {path.stat().st_size:,} bytes")
