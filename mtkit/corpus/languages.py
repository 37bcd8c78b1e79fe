"""What has to be known of a language to put its text together."""

from mtkit.corpus.scripts import scripts_of_language

_WITHOUT_SPACES = frozenset({"han", "hiragana", "katakana", "thai", "lao", "khmer", "myanmar"})


def base_language(code: str) -> str:
    """The language of a code that may name a region or script too: zh of zh-Hant and of zh_CN."""
    return code.replace("_", "-").split("-")[0].lower()


def is_variety_of(code: str, language: str) -> bool:
    """Whether a code names a region or script of a language: en-US and en_GB of en, but not en itself."""
    return code.replace("_", "-").lower().startswith(f"{language.replace('_', '-').lower()}-")


def word_space(code: str) -> str:
    """What the language writes between words and sentences: a space, or nothing. Of a language that is not known, a space."""
    scripts = scripts_of_language(code)
    return "" if scripts and scripts <= _WITHOUT_SPACES else " "
