"""What a seed stands for: a command with odd options, on odd files and a recipe with odd values."""

import gzip
import inspect
import random
import shlex
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, get_args

import typer

from mtkit.config.data import CorpusSource
from mtkit.config.recipe import Recipe
from mtkit.config.section import Section
from mtkit.config.validation_errors import known_keys

INTEGERS = [
    *(
        "0",
        "1",
        "2",
        "3",
        "-1",
        "-2",
        "7",
        "64",
        "100",
        "513",
        "65536",
        "1000000",
        "2147483647",
        "2147483648",
        "3000000000",
        "4294967296",
    ),
    *(
        "9223372036854775807",
        "9223372036854775808",
        "-9223372036854775809",
        "1" + 40 * "0",
        "1" + 5000 * "0",
        "1_000",
        "0x10",
        "0o17",
        "1e3",
    ),
]
FLOATS = [
    *(
        "0.0",
        "0.5",
        "1.0",
        "1.5",
        "-0.5",
        "0.999999999",
        "1e-9",
        "1e-45",
        "1e-320",
        "1e38",
        "1e39",
        "1e308",
        "1e400",
        "-1e308",
    ),
    *(".inf", "-.inf", ".nan", "inf", "nan", "1e-400", "0.1e", "1,5"),
]
TEXTS = [
    *(
        "",
        "x",
        "de",
        "ko",
        "ko-Kore",
        "<2ko>",
        "한국어",
        "💥",
        "a b",
        "a'b",
        'a"b',
        "a\\b",
        "a#b",
        "a: b",
        "%s",
        "{name}",
        "\\u0000",
        "\t",
        "\ufeff",
    ),
    *(
        "\udcff",
        "\x85",
        "é",
        "A" * 300,
        "A" * 5000,
        "*",
        "[",
        "(",
        "-x",
        "--",
        "..",
        "~",
        "null",
        "no",
    ),
]
YAML = [
    *(
        "null",
        "~",
        "true",
        "no",
        "[]",
        "[1, 2]",
        "{}",
        "{a: b}",
        "{a",
        "a: b: c",
        "- a",
        "&a [*a]",
        "&a {b: *a}",
        "*a",
        "!!python/object:x y",
    ),
    *(
        "!!binary aGk=",
        "!!set {a}",
        "!!int x",
        "!!float x",
        "!!timestamp x",
        "!foo bar",
        "2001-01-01",
        "1:30",
        "'",
        '"\\ud800"',
        "? [a]",
        "<<: 1",
    ),
    *(
        "|",
        "%YAML 9.9",
        "---",
        "--- a\n--- b",
        "[" * 3000,
        "{a: " * 3000,
        "\x00",
        "\x07",
        "@",
        "`",
        "[[1], {a: [b]}, null]",
        "[null]",
        "{1: 2}",
        "{null: 1}",
    ),
]
PATHS = [
    *(
        "train.ko",
        "train.en",
        "validation.ko",
        "validation.en",
        "recipe.yaml",
        "work",
        "work/run",
        "work/run/model",
        "work/tokenizer",
        "work/store",
    ),
    *(
        "missing",
        "missing/deeper",
        "-",
        ".",
        "..",
        "/",
        "/dev/null",
        "/dev/full",
        "/proc/self/mem",
        "new",
        "new/deeper",
        "train.ko/x",
        "",
        "odd",
        "odd.gz",
    ),
    *(
        "odd.tsv",
        "odd.csv",
        "odd.jsonl",
        "odd.tmx",
        "odd.parquet",
        "odd.yaml",
        "loop",
        "a\nb",
        "\udcff",
        "a" * 300,
        "work/run/checkpoints",
        "~",
        "~nobody/x",
    ),
]
CONTENTS: dict[str, Callable[[random.Random], bytes]] = {
    "nothing": lambda rng: b"",
    "a line feed": lambda rng: b"\n",
    "blank lines": lambda rng: b"\n \n\t\n\r\n" * 20,
    "no last line feed": lambda rng: b"one\ntwo",
    "carriage returns": lambda rng: b"one\rtwo\rthree\r" * 20,
    "NULs": lambda rng: b"a\0b\n" * 80,
    "random bytes": lambda rng: rng.randbytes(3000),
    "UTF-16": lambda rng: ("나는 학교에 간다.\n" * 80).encode("utf-16"),
    "CP949": lambda rng: ("나는 학교에 간다.\n" * 80).encode("cp949"),
    "a long line": lambda rng: b"word " * 40_000 + b"\n",
    "one long word": lambda rng: b"w" * 100_000 + b"\n",
    "one word": lambda rng: b"word\n" * 80,
    "astral characters": lambda rng: "".join(
        f"{chr(rng.randrange(0x10000, 0x1F000))}\n" for _ in range(80)
    ).encode(),
    "marks and invisible characters": lambda rng: (
        "\u0301\u200b\u202e\ufeff\u2028\x85 e\u0301\n".encode() * 80
    ),
    "lone surrogates": lambda rng: b"\xed\xa0\x80 x\n" * 80,
    "gzip": lambda rng: gzip.compress("나는 학교에 간다.\n".encode() * 80),
    "half of gzip": lambda rng: gzip.compress(
        "나는 학교에 간다.\n".encode() * 80 + rng.randbytes(500)
    )[:300],
    "zip": lambda rng: b"PK\x03\x04" + rng.randbytes(300),
    "xz": lambda rng: b"\xfd7zXZ\x00" + rng.randbytes(300),
    "zstd": lambda rng: b"\x28\xb5\x2f\xfd" + rng.randbytes(300),
    "tsv": lambda rng: "나는\tI\n둘\ttwo\tthree\n하나\n".encode() * 30,
    "csv": lambda rng: 'ko,en\n"나""는",I\n"unclosed,x\n'.encode(),
    "json lines": lambda rng: (
        '{"ko": "나는", "en": "I"}\n{"ko": 1}\n[]\nnull\n{"translation": {"ko": "x"}}\n'.encode()
        * 10
    ),
    "deep json": lambda rng: b"[" * 5000 + b"\n" + b'{"ko": ' * 5000 + b"\n",
    "odd json": lambda rng: (
        b'{"ko": "\\ud800", "en": 1e999}\nNaN\n{"ko": "a", "ko": "b"}\n'
        b'{"en": ' + b"9" * 5000 + b"}\n"
    ),
    "tmx": lambda rng: (
        b'<?xml version="1.0"?><tmx><body><tu><tuv xml:lang="ko"><seg>a</seg></tuv><tuv xml:lang="en"><seg>b</seg></tuv></tu></body></tmx>'
    ),
    "broken tmx": lambda rng: (
        b'<?xml version="1.0"?><!DOCTYPE t [<!ENTITY a "aa"><!ENTITY b "&a;&a;">]><tmx><body><tu><tuv><seg>&b;&c;</seg>'
    ),
    "parquet": lambda rng: b"PAR1" + rng.randbytes(300) + b"PAR1",
    "yaml": lambda rng: rng.choice(YAML).encode(errors="surrogatepass"),
    "a recipe without much": lambda rng: (
        b"data: {src_lang: ko, tgt_lang: en, train: {src: train.ko, tgt: train.en}}\n"
    ),
}
"""Files by what is odd about them."""
SPOILT = [
    *(
        "train.ko",
        "train.en",
        "validation.ko",
        "validation.en",
        "recipe.yaml",
        "odd",
        "odd.gz",
        "odd.tsv",
        "odd.csv",
        "odd.jsonl",
        "odd.tmx",
        "odd.yaml",
    ),
    *(
        "odd.parquet",
        "work/tokenizer/manifest.json",
        "work/store/manifest.json",
        "work/run/recipe.yaml",
        "work/run/metrics.jsonl",
        "work/run/model/config.json",
    ),
]
# Commands that take long by their nature, or start processes, are tested elsewhere.
NOT_CALLED = {"demo"}
NOT_GIVEN = {
    "--help",
    "--version",
    "--nproc",
    "--processes",
    "--device",
    "--debug",
    "--verbose",
    "--dry-run",
    "--install-completion",
    "--show-completion",
}
FEW_ONLY = {"--workers", "--threads", "batches.n_workers"}
"""Numbers of processes and threads, which are really started."""
FEW = ["-1", "0", "1", "2", "3000000000", "x"]


@dataclass
class Case:
    """A command line, and the files that it finds."""

    seed: int
    args: list[str]
    stdin: str
    spoilt: dict[str, str] = field(default_factory=dict)
    """What is odd about which file."""
    recipe_keys: dict[str, str] = field(default_factory=dict)
    """Lines that are put in place of recipe.yaml's."""

    def __str__(self) -> str:
        files = "".join(f"; {path}: {kind}" for path, kind in self.spoilt.items())
        keys = "".join(f"; recipe {key}: {value[:60]}" for key, value in self.recipe_keys.items())
        return f"mtkit {shlex.join(arg[:200] for arg in self.args)!r} < {self.stdin}{files}{keys}"

    def spoil_files(self) -> None:
        """Make the files odd, in the current directory."""
        rng = random.Random(self.seed)
        Path("loop").symlink_to("loop")
        for path, kind in self.spoilt.items():
            place = Path(path)
            if kind == "a folder":
                place.unlink(missing_ok=True)
                place.mkdir(exist_ok=True)
            elif kind == "gone":
                place.unlink(missing_ok=True)
            else:
                place.write_bytes(CONTENTS[kind](rng))
        if self.recipe_keys and Path("recipe.yaml").is_file():
            with open("recipe.yaml", "a", encoding="utf-8", errors="surrogatepass") as stream:
                stream.writelines(f"{key}: {value}\n" for key, value in self.recipe_keys.items())

    def stdin_file(self, path: Path) -> Path:
        """Write what it finds on its standard input."""
        path.write_bytes(CONTENTS[self.stdin](random.Random(self.seed)))
        return path


def make_case(seed: int) -> Case:
    """Make the case of a seed."""
    rng = random.Random(seed)
    name, command = rng.choice(_weighted_commands())
    args = [*name, *_arguments(rng, command)]
    n_spoilt = rng.choice([0, 0, 1, 1, 2])
    spoilt = {
        rng.choice(SPOILT): rng.choice([*CONTENTS, "a folder", "gone"]) for _ in range(n_spoilt)
    }
    recipe_keys = {
        rng.choice(list(Recipe.model_fields)): _section_text(rng)
        for _ in range(rng.choice([0, 0, 0, 0, 1]))
    }
    return Case(seed, args, rng.choice(list(CONTENTS)), spoilt, recipe_keys)


def _section_text(rng: random.Random) -> str:
    return rng.choice(
        [*YAML, *INTEGERS, *FLOATS, "", "{max_steps: 3}", "{src: a}", "[{src: a}, 3]"]
    )


def _weighted_commands() -> list[tuple[list[str], Any]]:
    """Commands that read a recipe come more often, since there is most to be said wrong."""
    commands = _commands()
    return commands + 3 * [
        entry for entry in commands if any(option.name == "overrides" for option in entry[1].params)
    ]


def _commands() -> list[tuple[list[str], Any]]:
    from mtkit.cli.main import app

    def below(name: list[str], command: Any) -> list[tuple[list[str], Any]]:
        inner = getattr(command, "commands", None)
        if inner is None:
            return [(name, command)]
        return [
            entry
            for key, value in inner.items()
            if key not in NOT_CALLED
            for entry in below([*name, key], value)
        ]

    return below([], typer.main.get_command(app))


def _arguments(rng: random.Random, command: Any) -> list[str]:
    arguments, options = [], []
    signature = inspect.signature(command.callback, eval_str=True).parameters
    for parameter in command.params:
        if parameter.param_type_name == "argument":
            n = 1 if parameter.required else rng.choice([0, 1])
            n = rng.choice([1, 2, 2, 3]) if parameter.nargs == -1 else n
            arguments += [
                _sound_argument(rng, parameter) if rng.random() < 0.8 else rng.choice(PATHS)
                for _ in range(n)
            ]
        elif parameter.required or rng.random() < min(0.5, 2.5 / len(command.params)):
            options += _option(rng, parameter, signature[parameter.name].annotation)
    if any(parameter.name == "max_time_s" for parameter in command.params):
        options += [
            "--max-time",
            "1s",
            *(["--dry-run"] if rng.random() < 0.01 else []),
            *(["--show-recipe"] if rng.random() < 0.3 else []),
        ]
    return arguments + options


def _sound_argument(rng: random.Random, parameter: Any) -> str:
    name = str(parameter.name)
    if "recipe" in name:
        return "recipe.yaml"
    if "preset" in name:
        return rng.choice(["tiny", "small", "compact"])
    if "folder" in name:
        return "new"
    if "run" in name or "model" in name:
        return rng.choice(["work/run", "work/run/model"])
    return rng.choice(["train.ko", "train.en", "validation.ko", "recipe.yaml", "-"])


def _option(rng: random.Random, parameter: Any, annotation: Any) -> list[str]:
    names = [name for name in (*parameter.opts, *parameter.secondary_opts) if name.startswith("-")]
    if NOT_GIVEN & set(names):
        return []
    name = rng.choice(names)
    if parameter.name == "overrides":
        return [word for _ in range(rng.choice([1, 1, 2, 3])) for word in (name, _override(rng))]
    if getattr(parameter, "is_flag", False):
        return [name]
    values = [_option_value(rng, name, annotation) for _ in range(parameter.nargs)]
    return [name, *values]


def _option_value(rng: random.Random, name: str, annotation: Any) -> str:
    leaves = _leaves(annotation)
    if name in FEW_ONLY:
        return rng.choice(FEW)
    if "model" in name or name == "-m":
        return rng.choice(["work/run/model", "work/run/model", "work/run", rng.choice(PATHS)])
    if rng.random() < 0.05:
        return rng.choice(TEXTS)
    if choices := _choices(annotation):
        return rng.choice([*choices, "x"])
    if int in leaves:
        return rng.choice(INTEGERS if rng.random() < 0.4 else ["1", "2", "3"])
    if float in leaves:
        return rng.choice([*FLOATS, *INTEGERS])
    if Path in leaves:
        return rng.choice([*PATHS[:4], rng.choice(PATHS)])
    return rng.choice(
        [*TEXTS, "2s", "1/2", "0/0", "en", "max_chars=0", "max_chars=x", *INTEGERS[:6]]
    )


_KEYS = [
    *known_keys(Recipe),
    *(
        f"data.{role}.{name}"
        for role in ("train", "validation", "test")
        for name in CorpusSource.model_fields
    ),
]
_BAD_KEYS = [
    *(
        "",
        ".",
        "training.",
        ".max_steps",
        "training..max_steps",
        "x",
        "training.max_step",
        "data.train.0.src",
        "data.train.5.src",
        "data.train.-1",
    ),
    *(
        "training.max_steps.x",
        "data.stages.0.until_epoch",
        "training.adam_betas.0",
        "한국어.x",
        "\udcff",
        "a" * 3000,
        "[a]",
        "data.train.0.tags.0",
        "1",
        "data.1",
    ),
]


def _override(rng: random.Random) -> str:
    key = rng.choice(_KEYS) if rng.random() < 0.93 else rng.choice(_BAD_KEYS)
    if key in FEW_ONLY:
        return f"{key}={rng.choice(FEW)}"
    annotation, words = _annotation(key), []
    if choices := _choices(annotation):
        words.append([*choices])
    for kind, pool in ((int, INTEGERS), (float, FLOATS), (str, TEXTS), (Path, PATHS)):
        if kind in _leaves(annotation):
            words.append(pool)
    pool = (
        rng.choice(words)
        if words and rng.random() < 0.8
        else rng.choice([INTEGERS, FLOATS, TEXTS, YAML, PATHS])
    )
    return f"{key}{'' if rng.random() < 0.01 else '='}{rng.choice(pool)}"


def _annotation(key: str) -> Any:
    cls: type[Section] | None = Recipe
    annotation: Any = None
    for part in key.split("."):
        if cls is None or part not in cls.model_fields:
            return annotation
        annotation = cls.model_fields[part].annotation
        cls = next(
            (
                leaf
                for leaf in _leaves(annotation)
                if isinstance(leaf, type) and issubclass(leaf, Section)
            ),
            None,
        )
    return annotation


def _leaves(annotation: Any) -> Sequence[Any]:
    inner = get_args(annotation)
    return [leaf for part in inner for leaf in _leaves(part)] if inner else [annotation]


def _choices(annotation: Any) -> list[str]:
    return [str(leaf) for leaf in _leaves(annotation) if isinstance(leaf, str)]
