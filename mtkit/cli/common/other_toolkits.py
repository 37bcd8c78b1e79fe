"""Commands and options of other toolkits, with their equivalents in mtkit."""

import difflib
import shlex
from collections.abc import Sequence
from typing import Any

from mtkit.cli.common.command_line import option_names

COMMANDS = {
    "fit": "mtkit train",
    "finetune": "mtkit train",
    "fine-tune": "mtkit train",
    "prepare": "mtkit preprocess",
    "binarize": "mtkit preprocess",
    "tokenize": "mtkit tokenizer encode",
    "detokenize": "mtkit tokenizer decode",
    "predict": "mtkit translate",
    "generate": "mtkit translate",
    "infer": "mtkit translate",
    "eval": "mtkit evaluate",
    "test": "mtkit evaluate",
    "bleu": "mtkit evaluate",
    "sacrebleu": "mtkit evaluate",
    "convert": "mtkit export ctranslate2",
    "ct2": "mtkit export ctranslate2",
    "new": "mtkit init",
    "create": "mtkit init",
    "version": "mtkit --version",
}
"""Our commands by their names in other toolkits."""

_RECIPE_KEYS = {
    "lr": "training.learning_rate",
    "max-lr": "training.learning_rate",
    "steps": "training.max_steps",
    "train-steps": "training.max_steps",
    "num-steps": "training.max_steps",
    "max-update": "training.max_steps",
    "max-updates": "training.max_steps",
    "seed": "training.seed",
    "random-seed": "training.seed",
    "warmup": "training.warmup_steps",
    "warmup-updates": "training.warmup_steps",
    "optim": "training.optimizer",
    "lr-scheduler": "training.schedule",
    "clip-norm": "training.max_grad_norm",
    "update-freq": "training.accumulate_batches",
    "gradient-accumulation-steps": "training.accumulate_batches",
    "save-interval": "training.save_every_steps",
    "log-interval": "training.log_every_steps",
    "log-every": "training.log_every_steps",
    "eval-every": "validation.every_steps",
    "valid-interval": "validation.every_steps",
    "early-stopping": "validation.patience",
    "patience": "validation.patience",
    "finetune-from": "training.init_from",
    "init-from": "training.init_from",
    "pretrained": "training.init_from",
    "precision": "training.precision",
    "max-tokens": "batches.max_tokens",
    "layers": "model.n_encoder_layers",
    "encoder-layers": "model.n_encoder_layers",
    "decoder-layers": "model.n_decoder_layers",
    "heads": "model.n_heads",
    "hidden-size": "model.d_model",
    "vocab": "tokenizer.vocab_size",
    "source-lang": "data.src_lang",
    "target-lang": "data.tgt_lang",
    "src-lang": "data.src_lang",
    "tgt-lang": "data.tgt_lang",
    "src": "data.train.src",
    "tgt": "data.train.tgt",
    "train-src": "data.train.src",
    "train-tgt": "data.train.tgt",
    "validation-src": "data.validation.src",
    "validation-tgt": "data.validation.tgt",
    "work-dir": "data.work_dir",
}
"""Keys of a recipe by the options that set them in other toolkits."""

_EPOCHS = (
    "training counts updates, not epochs: give --set training.max_steps=N; `mtkit train RECIPE"
    " --dry-run` says how many updates an epoch takes"
)
_SENTENCES = "a batch is measured in tokens, not in sentences: "
_LANGUAGES = (
    "leave it out: a model knows its languages (`mtkit info MODEL` shows them); one with several"
    " targets takes --tag, such as --tag '<2ko>'"
)
_GPU = "give --device cuda, or --device cuda:1 for the second GPU"
_TRAIN = {
    "batch-size": f"{_SENTENCES}give --set batches.max_tokens=N, or auto in place of a number",
    "resume": "leave it out: the same command continues from the last checkpoint by itself",
    "continue": "leave it out: the same command continues from the last checkpoint by itself",
    "model": (
        "settings of the model are in the recipe under `model:`; to start from a trained model,"
        " give --set training.init_from=DIR"
    ),
    "fp16": "give --set training.precision=fp16",
    "bf16": "give --set training.precision=bf16",
    "gpus": "give --nproc N to train on N GPUs, --device cuda:1 to train on the second one",
    "workers": "give --nproc N for processes that train together, --threads N for CPU threads",
    "tensorboard": "give --set training.trackers=[tensorboard]",
}
_COMMAND_HINTS: dict[str, dict[str, str]] = {
    "train": (
        _TRAIN
        | dict.fromkeys(
            ("overwrite", "force"),
            "name another run directory with -o, or delete the old one first",
        )
    ),
    "init": {
        "batch-size": _SENTENCES + "set batches.max_tokens in the recipe that `mtkit init` writes"
    },
    "translate": {
        "batch-size": f"{_SENTENCES}give --batch-tokens N",
        "max-tokens": "give --batch-tokens N",
        "align": "give --alignments inline, or --alignments FILE",
        "threads": "give --workers N",
        "text": "texts come from a file or from stdin: echo TEXT | mtkit translate - -m DIR",
        "input": "name the file without an option: mtkit translate FILE -m DIR",
        "fp16": "give --precision fp16",
        "int8": "give --precision int8",
        "gpus": "give --processes N to share the lines among N GPUs",
    },
    "evaluate": {"max-tokens": "give --batch-tokens N"},
    "score": {"max-tokens": "give --batch-tokens N"},
}
"""Hints by command and option, if no single option or key is equivalent."""
_FOR_MODELS = dict.fromkeys(
    ("src-lang", "tgt-lang", "source-lang", "target-lang", "lang"), _LANGUAGES
)
_EVERYWHERE = {
    "epochs": _EPOCHS,
    "epoch": _EPOCHS,
    "max-epochs": _EPOCHS,
    "num-epochs": _EPOCHS,
    "max-epoch": _EPOCHS,
    "num-train-epochs": _EPOCHS,
    "gpu": _GPU,
    "cuda": _GPU,
    "cpu": "give --device cpu",
    "debug-mode": "give --debug",
    "quiet": "progress and logs go to stderr: add 2>/dev/null",
    "silent": "progress and logs go to stderr: add 2>/dev/null",
}
_RENAMED = {
    "output-dir": "output",
    "out-dir": "output",
    "out-file": "output",
    "save-dir": "output",
    "checkpoint": "model",
    "model-dir": "model",
    "ckpt": "model",
    "ref": "reference",
    "references": "reference",
    "source": "src",
    "nbest": "n-best",
    "beam": "beam-size",
    "num-beams": "beam-size",
    "lenpen": "alpha",
    "metrics": "metric",
    "num-gpus": "nproc",
    "override": "set",
    "ngpus": "nproc",
    "num-workers": "workers",
    "test-src": "test",
    "config": "set",
}
"""Our options by their names in other toolkits."""


def suggest_replacement(option: str, ctx: Any, args: Sequence[str]) -> str:
    """Return what to type instead of an option that a command does not have; empty if unknown.

    Args:
        option: The option, such as `--lr`.
        ctx: Context of the command.
        args: Arguments after the name of the command.
    """
    name, own = option.lstrip("-").replace("_", "-"), option_names(ctx.command, ctx)
    command = ctx.command.name
    renamed = f"--{_RENAMED.get(name, name)}"
    if renamed in own:
        return _to_type(option, renamed, ctx, args)
    if text := _COMMAND_HINTS.get(command, {}).get(name) or (
        name in _FOR_MODELS and "--model" in own and _FOR_MODELS[name]
    ):
        return text
    is_recipe_command = "--set" in own and ctx.command_path != "mtkit data clean"
    if (is_recipe_command or command in ("init", "demo")) and (key := _key(name)):
        return _for_key(option, key, ctx, args, is_given=is_recipe_command)
    text = _EVERYWHERE.get(name, "")
    return text if "--device" in own or text not in (_GPU, _EVERYWHERE["cpu"]) else ""


def _for_key(option: str, key: str, ctx: Any, args: Sequence[str], *, is_given: bool) -> str:
    if is_given:
        return _to_type(option, f"--set {key}=", ctx, args)
    if ctx.command.name == "demo":
        return f"the demo has a fixed recipe; {key} can be set for `mtkit train`"
    return (
        f"set {key} in the recipe that `mtkit init` writes, or for one run: mtkit train RECIPE"
        f" --set {key}={_value(option, args) or 'VALUE'}"
    )


def _key(name: str) -> str | None:
    """Return the recipe key that an option of another toolkit, or a similar key, refers to."""
    from mtkit.config.recipe import Recipe

    if name in _EVERYWHERE:
        return None
    if name in _RECIPE_KEYS:
        return _RECIPE_KEYS[name]
    sections = (
        "training",
        "batches",
        "model",
        "tokenizer",
        "validation",
        "clean",
        "augment",
        "sampling",
        "preprocess",
        "search",
    )
    fields = {
        field: f"{section}.{field}"
        for section in reversed(sections)
        for field in _fields(Recipe, section)
    }
    near = difflib.get_close_matches(name.replace("-", "_"), fields, 1, 0.85)
    return fields[near[0]] if near else None


def _fields(recipe: Any, section: str) -> list[str]:
    return list(recipe.model_fields[section].annotation.model_fields)


def _value(option: str, args: Sequence[str]) -> str | None:
    """Return the value that was typed for an option."""
    for arg, following in zip(args, [*args[1:], "-"], strict=True):
        if arg.startswith(f"{option}="):
            return arg.partition("=")[2]
        if arg == option:
            return None if following.startswith("-") else following
    return None


def _to_type(option: str, replacement: str, ctx: Any, args: Sequence[str]) -> str:
    """Return the whole command with an option replaced; `--set key=` takes its value."""
    value = _value(option, args)
    if value is None:
        return f"give {replacement}{'VALUE' if replacement.endswith('=') else ''}"
    words, rest = [], list(args)
    while rest:
        word = rest.pop(0)
        if word.partition("=")[0] != option:
            words.append(word)
            continue
        if word == option:
            rest.pop(0)
        words += (
            [*replacement.split()[:-1], f"{replacement.split()[-1]}{value}"]
            if replacement.endswith("=")
            else [replacement, value]
        )
    return f"type: {shlex.join([*ctx.command_path.split(), *words])}"
