"""Steps of preprocess.sh, done by the tokenizer's normalization instead."""

import os
import shutil
import subprocess

import pytest

from mtkit.config.tokenizer import TokenizerConfig
from mtkit.interop.marian.import_model import import_marian
from mtkit.interop.marian.preprocess_script import parse_script
from mtkit.tokenizer.normalization_rules import with_replacements
from mtkit.tokenizer.subword import Subword
from mtkit.tokenizer.train import train_subword
from tests.interop.marian.conftest import FIXTURES

MOSES = """#!/bin/bash
# preprocess.sh langid spmodel
if [ `hostname -d` == "bullx" ]; then
  MOSESHOME=/projappl/mosesdecoder
else
  MOSESHOME=${PWD}/mosesdecoder
fi
TOKENIZER=${MOSESHOME}/scripts/tokenizer
if [ "$4" == "noflags" ]; then
  ${TOKENIZER}/replace-unicode-punctuation.perl |
  perl ${TOKENIZER}/remove-non-printing-char.perl |
  sed 's/  */ /g;s/^ *//g;s/ *$//g' |
  ${SPMENCODE} --model $3
else
  ${TOKENIZER}/replace-unicode-punctuation.perl |
  perl -C -pe  's/(?!\\n)\\p{C}/ /g;' |
  perl -CIOE -pe 's/[\\x{2060}\\x{200B}\\x{feff}\\x{301}]//g' |\\
  ${SPMENCODE} --model $3 |
  sed "s/^/>>$2<< /"
fi
# ${TOKENIZER}/normalize-punctuation.perl -l $1 |
"""
LINES = [
    "“Das – hier, … ist ‘neu’”",
    "\u200bein\u00a0Wort\u00ad，noch\teins\u0007  \u2028 Ende。 ",
    "\ue123 und \ufeff\U000e0041",
    "naïve <\u0338 …\u0338 “\u0338 ﬁn",
    "ein Satz ohne alles",
]
# What MosesPunctNormalizer.replace_unicode_punct of sacremoses 0.2.0 returns.
RECORDED = [
    ("你好，世界。 再见！", "你好,世界. 再见!"),
    ("「これ」、《本》〈a〉【b】１２３％", '"これ","本"<a>[b]123%'),
    ("“Ja” – so ’s… ist’s ～ ５．５", "\"Ja\" – so 's... ist's ~ 5. 5"),
    ("a；b：c∶d？（e）━ ０４６７８９", "a;b:c:d?(e)- 046789"),
]


@pytest.fixture(scope="module")
def subword():
    """A model with normalization rules of its own."""
    lines = (FIXTURES / "sources.txt").read_text(encoding="utf-8").splitlines()[:50]
    config = TokenizerConfig(vocab_size=340, type="unigram", byte_fallback=True)
    return Subword(train_subword(lines, config))


def test_the_normalization_does_what_the_script_does(subword, tmp_path):
    if not all(shutil.which(name) for name in ("bash", "sed", "perl")):
        pytest.skip("bash, sed or perl is missing")
    encoder = tmp_path / "spm_encode"
    encoder.write_text("#!/bin/sh\ncat\n")
    encoder.chmod(0o755)
    script = (FIXTURES / "opus" / "preprocess.sh").read_text(encoding="utf-8")
    # Newer packages keep line ends, which are in the class C too.
    script = script.replace(r"s/\p{C}/ /g", r"s/(?!\n)\p{C}/ /g")
    (tmp_path / "preprocess.sh").write_text(script, encoding="utf-8")
    lines = LINES + (FIXTURES / "sources.txt").read_text(encoding="utf-8").splitlines()
    done = subprocess.run(
        ["bash", tmp_path / "preprocess.sh", "de", "en", "model"],
        input="\n".join(lines) + "\n",
        capture_output=True,
        encoding="utf-8",
        check=True,
        env=os.environ | {"PATH": f"{tmp_path}:{os.environ['PATH']}"},
    )
    steps = parse_script(script)
    assert not steps.unknown
    changed = Subword(with_replacements(subword.model_bytes, steps.replacements, "nfc + script"))
    written = done.stdout.removesuffix("\n").split("\n")
    assert [changed.normalize(line) for line in lines] == [*map(subword.normalize, written)]
    assert changed.encode(lines) == subword.encode(written)


def test_replacements_of_moses():
    steps = parse_script(MOSES)
    assert steps.unknown == []
    for text, expected in RECORDED:
        replaced = "".join(steps.replacements.get(char, char) for char in text)
        assert " ".join(replaced.split()) == expected
    assert steps.replacements["\u200b"] == " " and steps.replacements["\u0301"] == ""


@pytest.mark.parametrize(
    ("line", "shown"),
    [
        ("${T}/normalize-punctuation.perl -l $1 |", "${T}/normalize-punctuation.perl -l $1"),
        ("sed 's/aa/b/g' |", "sed s/aa/b/g"),
        ("perl -pe 's/a/b/' |", "perl -pe s/a/b/"),
        ("tr a-z A-Z |", "tr a-z A-Z"),
        ("sed 's/", "sed 's/"),
    ],
)
def test_an_unknown_step_is_named(line, shown):
    steps = parse_script(f"#!/bin/sh\n{line}\nsed -e 's/…/\\.\\.\\./g' | spm_encode --model $2\n")
    assert steps.unknown == [shown]
    assert steps.replacements == {"…": "..."}
    assert f"this step is left out: {shown}" in steps.notes()[1]


def test_an_imported_model_normalizes_on_both_sides(package, tmp_path, mtkit):
    script = package / "preprocess.sh"
    script.write_text(script.read_text(encoding="utf-8") + "tr a-z A-Z |\n", encoding="utf-8")
    trained = import_marian(package, tmp_path / "out", src_lang="de", tgt_lang="en")
    for side in (trained.tokenizer.src, trained.tokenizer.tgt):
        assert side.normalize("“a”\u200b…") == '"a" ...'
    outcome = mtkit("info", tmp_path / "out")
    assert "normalization identity + preprocess.sh" in outcome.out
    assert "this step is left out: tr a-z A-Z" in outcome.out


def test_a_script_is_not_required(package, tmp_path):
    (package / "preprocess.sh").unlink()
    trained = import_marian(package, tmp_path / "out", src_lang="de", tgt_lang="en")
    assert trained.tokenizer.src.normalize("“a”") == "“a”"
