from pathlib import Path

import pytest

from mtkit.corpus.read.file_names import language_of_file, languages_of_file


@pytest.mark.parametrize(
    ("name", "code"),
    [
        *(
            ("train.de", "de"),
            ("a/train.de.gz", "de"),
            ("train.eng.zst", "eng"),
            ("train.pt-BR", "pt-BR"),
            ("x.zho_Hant.xz", "zho_Hant"),
        ),
        *(("a.ko.txt", "ko"), ("a.ko.TXT.gz", "ko")),
        *(
            ("train.txt", None),
            ("train", None),
            ("train.src", None),
            ("de", None),
            ("-", None),
            ("train.gz", None),
            ("ko.txt", None),
        ),
    ],
)
def test_a_name_ends_in_its_language(name, code):
    assert language_of_file(Path(name)) == code


@pytest.mark.parametrize(
    ("name", "codes"),
    [
        *(
            ("news.de-en.tsv", ("de", "en")),
            ("de-en.tmx", ("de", "en")),
            ("x/corpus_kor-eng.jsonl.gz", ("kor", "eng")),
        ),
        *(
            ("train.tsv", (None, None)),
            ("up-to-date.tsv", (None, None)),
            ("one-two.tsv", (None, None)),
        ),
    ],
)
def test_a_file_of_pairs_names_both(name, codes):
    assert languages_of_file(Path(name)) == codes
