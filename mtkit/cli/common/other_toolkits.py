"""Commands and options of other toolkits, with their equivalents in mtkit."""

import difflib
import shlex
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from mtkit.cli.common.command_line import option_names


def _by_synonym(synonyms: Mapping[str, str]) -> dict[str, str]:
    """Turn a table of synonyms, separated by spaces, into one from each synonym to its key."""
    return {synonym: key for key, text in synonyms.items() for synonym in text.split()}


COMMANDS = _by_synonym(
    {
        "mtkit train": "fit finetune fine-tune",
        "mtkit preprocess": "prepare binarize",
        "mtkit tokenizer encode": "tokenize",
        "mtkit tokenizer decode": "detokenize",
        "mtkit translate": "predict generate infer",
        "mtkit evaluate": "eval test bleu sacrebleu",
        "mtkit export ctranslate2": "convert ct2",
        "mtkit init": "new create",
        "mtkit --version": "version",
    }
)
"""Our commands by their names in other toolkits."""

_RECIPE_KEYS = _by_synonym(
    {
        "training.learning_rate": "lr max-lr",
        "training.max_steps": "steps train-steps num-steps max-update max-updates",
        "training.seed": "seed random-seed",
        "training.warmup_steps": "warmup warmup-updates",
        "training.optimizer": "optim",
        "training.schedule": "lr-scheduler",
        "training.max_grad_norm": "clip-norm",
        "training.accumulate_batches": "update-freq gradient-accumulation-steps",
        "training.save_every_steps": "save-interval",
        "training.log_every_steps": "log-interval log-every",
        "validation.every_steps": "eval-every valid-interval",
        "validation.patience": "early-stopping patience",
        "training.init_from": "finetune-from init-from pretrained",
        "training.precision": "precision",
        "batches.max_tokens": "max-tokens",
        "model.n_encoder_layers": "layers encoder-layers",
        "model.n_decoder_layers": "decoder-layers",
        "model.n_heads": "heads",
        "model.d_model": "hidden-size",
        "tokenizer.vocab_size": "vocab",
        "data.src_lang": "source-lang src-lang",
        "data.tgt_lang": "target-lang tgt-lang",
        "data.train.src": "src train-src",
        "data.train.tgt": "tgt train-tgt",
        "data.validation.src": "validation-src",
        "data.validation.tgt": "validation-tgt",
        "data.work_dir": "work-dir",
    }
)
"""Keys of a recipe by the options that set them in other toolkits."""

_RENAMED = _by_synonym(
    {
        "output": "output-dir out-dir out-file save-dir",
        "model": "checkpoint model-dir ckpt",
        "reference": "ref references",
        "src": "source",
        "n-best": "nbest",
        "beam-size": "beam num-beams",
        "alpha": "lenpen",
        "metric": "metrics",
        "nproc": "num-gpus ngpus",
        "set": "override config",
        "workers": "num-workers",
        "test": "test-src",
        "tgt-lang": "target-lang target-language",
    }
)
"""Our options by their names in other toolkits."""

_EPOCHS = (
    "training counts updates, not epochs: give --set training.max_steps=N; `mtkit train RECIPE"
    " --dry-run` says how many updates an epoch takes"
)
_SENTENCES = "a batch is measured in tokens, not in sentences: "
_CONTINUES = "leave it out: the same command resumes from the last checkpoint automatically"
_OTHER_RUN = "name another run directory with -o, or delete the old one first"
_LANGUAGES = (
    "leave it out: a model knows its languages (`mtkit info MODEL` shows them); one with several"
    " takes --tgt-lang, and --src-lang if it reads the source language"
)
_CPU = "give --device cpu"
_GPU = "give --device cuda, or --device cuda:1 for the second GPU"
_COMMAND_HINTS: dict[str, dict[str, str]] = {
    "train": {
        "batch-size": f"{_SENTENCES}give --set batches.max_tokens=N, or auto in place of a number",
        "resume": _CONTINUES,
        "continue": _CONTINUES,
        "model": "settings of the model are in the recipe under `model:`; to start from a trained"
        " model, give --set training.init_from=DIR",
        "fp16": "give --set training.precision=fp16",
        "bf16": "give --set training.precision=bf16",
        "gpus": "give --nproc N to train on N GPUs, --device cuda:1 to train on the second one",
        "workers": "give --nproc N for processes that train together, --threads N for CPU threads",
        "tensorboard": "give --set training.trackers=[tensorboard]",
        "overwrite": _OTHER_RUN,
        "force": _OTHER_RUN,
    },
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
_FOR_MODELS = dict.fromkeys("src-lang source-lang lang".split(), _LANGUAGES)
_EVERYWHERE = _by_synonym(
    {
        _EPOCHS: "epochs epoch max-epochs num-epochs max-epoch num-train-epochs",
        _GPU: "gpu cuda",
        _CPU: "cpu",
        "give --debug": "debug-mode",
        "progress and logs go to stderr: add 2>/dev/null": "quiet silent",
    }
)
_SECTIONS = (
    "training batches model tokenizer validation clean augment sampling preprocess search".split()
)
"""Sections of a recipe in which a similar key is searched, by priority."""


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
    return text if "--device" in own or text not in (_GPU, _CPU) else ""


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
    fields = {
        field: f"{section}.{field}"
        for section in reversed(_SECTIONS)
        for field in _fields(Recipe, section)
    }
    near = difflib.get_close_matches(name.replace("-", "_"), fields, 1, 0.85)
    return fields[near[0]] if near else None


def _fields(recipe: Any, section: str) -> Iterable[str]:
    return recipe.model_fields[section].annotation.model_fields


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
    *before, last = replacement.split()
    if value is None:
        return f"give {replacement}{'VALUE' if last.endswith('=') else ''}"
    replaced = [*before, f"{last}{value}"] if last.endswith("=") else [last, value]
    words, rest = [], iter(args)
    for word in rest:
        if word.partition("=")[0] != option:
            words.append(word)
            continue
        if word == option:
            next(rest, None)  # its value
        words += replaced
    return f"type: {shlex.join([*ctx.command_path.split(), *words])}"
