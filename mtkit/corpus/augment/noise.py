"""Lines without meaning in any language, which are their own translation."""

import string
from random import Random

_SIGNS = "#$%&*+-=/\\|~^_@!?()[]{}<>§°€£·•–—"
_EMOJI = "😀😂🤣😍🙏👍🔥🎉💯😭🤔🚀"
_MAX_WORDS = 10


def random_noise_line(n_words: int, rng: Random) -> str:
    """Generate a line of digits, symbols, emoji, random letters and addresses that do not exist.

    Args:
        n_words: Approximate number of words, at most ten; addresses and codes are long.
        rng: Random number generator.
    """
    kinds = (_number, _signs, _emoji, _letters, _address, _code)
    return " ".join(
        rng.choice(kinds)(rng) for _ in range(rng.randint(1, max(1, min(n_words, _MAX_WORDS))))
    )


def _random_string(characters: str, shortest: int, longest: int, rng: Random) -> str:
    return "".join(rng.choices(characters, k=rng.randint(shortest, longest)))


def _number(rng: Random) -> str:
    return (
        rng.choice(["", "-", "+", "0"])
        + _random_string(string.digits, 1, 6, rng)
        + rng.choice(["", "", ".", ",", ":"])
        + _random_string(string.digits, 1, 3, rng)
    )


def _signs(rng: Random) -> str:
    if rng.random() < 0.5:
        return rng.choice(_SIGNS) * rng.randint(1, 5)
    return _random_string(_SIGNS, 1, 5, rng)


def _emoji(rng: Random) -> str:
    return _random_string(_EMOJI, 1, 3, rng)


def _letters(rng: Random) -> str:
    cases = [string.ascii_lowercase, string.ascii_uppercase, string.ascii_letters]
    return _random_string(rng.choice(cases), 2, 7, rng)


def _address(rng: Random) -> str:
    host = f"{_random_string(string.ascii_lowercase + string.digits, 3, 8, rng)}.example"
    path = _random_string(string.ascii_letters + string.digits + "/_-", 0, 8, rng)
    if rng.random() < 0.3:
        return f"{_random_string(string.ascii_lowercase, 2, 5, rng)}@{host}"
    return f"https://{host}/{path}"


def _code(rng: Random) -> str:
    return _random_string("0123456789abcdef", 6, 12, rng)
