"""Prepare the files of benchmarks/gpu.sh, for a machine with a GPU and without network.

    python benchmarks/gpu/prepare.py --data CORPORA --out build/gpu
    python benchmarks/gpu/prepare.py --out build/gpu-smoke --demo      # small, for --smoke

OUT gets a German-English corpus (multi30k, tatoeba-de-en and wmt-news-de-en of CORPORA), its
tokenizer of 32,000 tokens and its token store, which take a minute, and wheels of the packages that
mtkit imports and a machine with torch may lack, in the versions of constraints.txt. Everything
together must stay below --max-mb. --ctranslate2 adds the wheel of CTranslate2 (43 MB), with which
search is compared.
"""

import argparse
import gzip
import re
import shutil
import subprocess
import sys
from collections.abc import Iterable
from itertools import islice
from pathlib import Path

from benchmarks.gpu.bundle import Bundle
from mtkit.corpus.store.preprocess import preprocess
from mtkit.demo.corpus import demo_corpus
from mtkit.io.text import read_lines, write_lines

_ROOT = Path(__file__).resolve().parents[2]
_TRAIN = (
    "multi30k/train.{}.gz",
    "tatoeba-de-en/train.{}.gz",
    *(f"wmt-news-de-en/newstest20{year}.{{}}" for year in ("08", "09", "10", "11", "12")),
)
_MAX_LINES = 40_000
"""Lines of each file; tatoeba-de-en has 165,813."""
_WHEELS = (
    "annotated-types",
    "filelock",
    "pydantic",
    "pydantic_core",
    "ruamel.yaml",
    "sentencex",
    "threadpoolctl",
    "typing-inspection",
    "typing_extensions",
)
"""Besides torch with triton, numpy, sentencepiece, sacrebleu, safetensors, rich and pytest."""
_PLATFORMS = ("manylinux_2_28_x86_64", "manylinux_2_17_x86_64", "manylinux2014_x86_64")


def write_corpus(corpora: Path, bundle: Bundle) -> None:
    """Write the German-English corpus; the training part is compressed."""
    for lang in bundle.langs:
        train = (
            line
            for name in _TRAIN
            for line in islice(read_lines(corpora / name.format(lang)), _MAX_LINES)
        )
        _write_compressed(bundle.data_dir / f"train.{lang}.gz", train)
        for name, of_corpus in (("val", "val"), ("test", "test_2016_flickr")):
            source = corpora / "multi30k" / f"{of_corpus}.{lang}"
            shutil.copy(source, bundle.data_dir / f"{name}.{lang}")


def write_demo_corpus(bundle: Bundle) -> None:
    """Write a part of the demo's corpus."""
    corpus = demo_corpus()
    parts = {"train": corpus.train[:2000], "val": corpus.validation[:20], "test": corpus.test[:200]}
    for name, pairs in parts.items():
        for lang, side in zip(bundle.langs, ("src", "tgt"), strict=True):
            write_lines(bundle.data_dir / f"{name}.{lang}", (getattr(p, side) for p in pairs))


def download_wheels(directory: Path, names: Iterable[str], python: str) -> None:
    """Download wheels in the versions of constraints.txt."""
    pinned = (_ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()
    wanted = {_normalized(name) for name in names}
    chosen = [line for line in pinned if _normalized(line.split("==")[0]) in wanted]
    platforms = [word for platform in _PLATFORMS for word in ("--platform", platform)]
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps"]
    target = ["--only-binary=:all:", "--implementation", "cp", "--python-version", python]
    subprocess.run([*command, *target, *platforms, "--dest", str(directory), *chosen], check=True)


def _normalized(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def _write_compressed(path: Path, lines: Iterable[str]) -> None:
    # Without a time, so that the same corpus gives the same file.
    with path.open("wb") as file, gzip.GzipFile("", "wb", 9, file, mtime=0) as compressed:
        for line in lines:
            compressed.write(f"{line}\n".encode())


def main() -> int:
    """Read the command line and fill the directory."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, help="directory with the corpora")
    parser.add_argument("--out", type=Path, required=True, help="directory to fill")
    parser.add_argument(
        "--demo", action="store_true", help="a part of the demo's corpus, no wheels"
    )
    parser.add_argument("--ctranslate2", action="store_true", help="add the wheel of CTranslate2")
    parser.add_argument("--python", default="3.12", help="version of Python there")
    parser.add_argument("--max-mb", type=int, default=58, help="limit of its size")
    options = parser.parse_args()
    if (options.data is None) != options.demo:
        parser.error("give either --data or --demo")
    langs, vocab_size = (("ko", "en"), 1000) if options.demo else (("de", "en"), 32_000)
    bundle = Bundle(options.out, langs, vocab_size)
    shutil.rmtree(options.out, ignore_errors=True)
    bundle.data_dir.mkdir(parents=True)
    if options.demo:
        write_demo_corpus(bundle)
    else:
        write_corpus(options.data, bundle)
        names = [*_WHEELS, *(["ctranslate2"] if options.ctranslate2 else [])]
        download_wheels(options.out / "wheels", names, options.python)
    recipe = bundle.recipe("tiny", "float32", 10, 1, 4096, "off")
    preprocess(recipe)
    shutil.rmtree(options.out / "work" / "parts", ignore_errors=True)
    bundle.save()
    n_mb = sum(path.stat().st_size for path in options.out.rglob("*") if path.is_file()) / 1e6
    print(f"{options.out}: {n_mb:.1f} MB")
    return int(n_mb > options.max_mb)


if __name__ == "__main__":
    sys.exit(main())
