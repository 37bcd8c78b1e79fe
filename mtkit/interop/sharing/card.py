"""Model card of an mtkit model: README.md with measured scores.

A card may be edited: mtkit keeps some fields of the header up to date, and the text between two
marks. Everything else is kept as it is.
"""

import re
from collections.abc import Iterator, MutableMapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from mtkit.checkpoint.model_dir import TrainedModel
from mtkit.config.dump import flow_yaml
from mtkit.config.recipe import Recipe
from mtkit.errors import MtkitError
from mtkit.interop.hub import is_hub_name
from mtkit.interop.model_card import (
    CARD_NAME,
    describe_transformer,
    front_matter,
    hub_fields,
    origin_lines,
)
from mtkit.interop.sharing.measured_scores import (
    MeasuredScore,
    metric_type,
    split_model_index,
    to_model_index,
)
from mtkit.io.logs import get_logger
from mtkit.model.transformer import n_parameters
from mtkit.version import __version__

logger = get_logger(__name__)

BEGIN = "<!-- mtkit push replaces the text from here -->"
END = "<!-- mtkit push replaces the text to here -->"
_HEADER = re.compile(r"\A---[ \t]*\r?\n(.*?)^---[ \t]*(?:\r?\n|\Z)", re.DOTALL | re.MULTILINE)
_MAX_TAGS = 20


class CardFacts(NamedTuple):
    """Facts about a model for its card."""

    trained: TrainedModel
    weights_sha256: str
    recipe: Recipe | None
    """Recipe of the training run, if it is known."""
    license_name: str | None
    scores: Sequence[MeasuredScore]
    """Scores that were measured; if there are none, those of an existing card for the same weights
    are kept."""
    pull_command: str
    """Command to get the model, with {} for the directory to write; empty for a directory."""

    @property
    def name(self) -> str:
        """Name of the model, and of a directory for it."""
        return f"{self.trained.config.src_lang}-{self.trained.config.tgt_lang}"


def make_card(facts: CardFacts, existing: str | None) -> str:
    """Return the text of README.md.

    Args:
        facts: The facts.
        existing: An existing card, whose other text and fields are kept.
    Raises:
        MtkitError: The header of the existing card is not valid YAML.
    """
    fields, body = _read_card(existing or "")
    old_scores, other_scores = split_model_index(fields.get("model-index"))
    scores = list(facts.scores) or [
        score for score in old_scores if score.weights_sha256 == facts.weights_sha256
    ]
    if not scores and old_scores:
        logger.warning(
            "%s: its scores were measured with other weights, and are removed; --scores adds new "
            "ones",
            CARD_NAME,
        )
    _update_fields(fields, facts, scores)
    index = other_scores + (to_model_index(facts.name, scores) if scores else [])
    fields["model-index"] = index
    if not index:
        del fields["model-index"]
    section = "\n".join((BEGIN, "", *_section(facts, scores, fields.get("license")), END))
    if not body.strip():
        body = f"\n{section}\n"
    elif body.count(BEGIN) == body.count(END) == 1 and body.index(BEGIN) < body.index(END):
        before, _, rest = body.partition(BEGIN)
        body = before + section + rest.partition(END)[2]
    else:
        logger.warning(
            "%s: only its header is updated, since its text does not contain the two marks of "
            "mtkit; check that it describes this model",
            CARD_NAME,
        )
    return front_matter(fields) + body


def _read_card(text: str) -> tuple[MutableMapping[str, Any], str]:
    """Return the fields of the header, with their comments, and the rest."""
    match = _HEADER.match(text)
    if match is None:
        return {}, text
    try:
        fields = YAML().load(match[1])
    except (YAMLError, ValueError, TypeError, AttributeError, LookupError, RecursionError):
        fields = ()
    if not isinstance(fields, MutableMapping | None):
        raise MtkitError(
            f"{CARD_NAME}: its header, between the lines of three dashes, is not valid YAML",
            "correct it, or give another text with --card FILE",
        )
    return fields or {}, text[match.end() :]


def _update_fields(
    fields: MutableMapping[str, Any], facts: CardFacts, scores: Sequence[MeasuredScore]
) -> None:
    ours = hub_fields(facts.trained.config, "mtkit", facts.license_name)
    lists = {
        "tags": ours.pop("tags"),
        "datasets": _hub_datasets(facts.recipe),
        "metrics": list(dict.fromkeys(map(metric_type, scores))),
    }
    fields.update(ours)
    for name, values in lists.items():
        known = fields.get(name) or []
        known = known if isinstance(known, list) else [known]
        if values := known + [value for value in values if value not in known]:
            fields[name] = values


def _hub_datasets(recipe: Recipe | None) -> list[str]:
    sources = recipe.data.train if recipe is not None else ()
    names = [source.dataset for source in sources if source.dataset is not None]
    return list(
        dict.fromkeys(name for name in names if is_hub_name(name) and not Path(name).exists())
    )


def _section(
    facts: CardFacts, scores: Sequence[MeasuredScore], license_name: object
) -> Iterator[str]:
    config = facts.trained.config
    yield from (f"# Translation from {config.src_lang} to {config.tgt_lang}", "")
    yield f"A Transformer with {describe_transformer(config.model)};"
    yield f"{n_parameters(facts.trained.model):,} parameters. Made with mtkit {__version__}."
    yield ""
    yield f"License: {license_name}." if license_name else "No license is stated."
    yield from ("", "## Use", "", "```console")
    if facts.pull_command:
        yield f"$ {facts.pull_command.format(facts.name)}"
    model_dir = facts.name if facts.pull_command else "DIRECTORY"
    tag = f" --tag '{config.tags[0]}'" if config.tags else ""
    files = f"new.{config.src_lang}", f"new.{config.tgt_lang}"
    yield f"$ mtkit translate {files[0]} -m {model_dir}{tag} -o {files[1]}"
    yield from ("```", "")
    if config.tags:
        shown = " ".join(f"`{tag}`" for tag in config.tags[:_MAX_TAGS])
        more = f" and {len(config.tags) - _MAX_TAGS} more" if len(config.tags) > _MAX_TAGS else ""
        yield from (f"Each source begins with one of the tags {shown}{more}.", "")
    yield from origin_lines(config)
    yield from _settings(facts.recipe)
    yield from _score_table(scores)


def _settings(recipe: Recipe | None) -> Iterator[str]:
    """Yield the settings of a recipe that differ from the defaults, without paths."""
    if recipe is None:
        return
    tree = recipe.model_dump(exclude={"data"}, exclude_defaults=True)
    lines = [
        line
        for section, values in tree.items()
        for line in (
            f"{section}:",
            *(
                f"  {name}: {flow_yaml(value)}"
                for name, value in values.items()
                if not isinstance(value, Path | dict)
            ),
        )
    ]
    yield from ("Settings of the recipe that differ from mtkit's defaults:", "", "```yaml")
    yield from lines
    yield from ("```", "")


def _score_table(scores: Sequence[MeasuredScore]) -> Iterator[str]:
    yield from ("## Scores", "")
    if not scores:
        yield from ("No scores on a test set are stated.", "")
        return
    yield "| test set | segments | metric | score | 95 % interval |"
    yield "| --- | ---: | --- | ---: | --- |"
    for score in scores:
        has_interval = score.low is not None and score.high is not None
        interval = f"{score.low:.2f} to {score.high:.2f}" if has_interval else ""
        name = score.test_set.replace("|", "\\|")
        yield f"| {name} | {score.n_segments:,} | {score.name} | {score.value:.2f} | {interval} |"
    yield from ("", "Signatures of sacreBLEU:", "")
    signatures = dict.fromkeys((score.name, score.signature) for score in scores)
    yield from (f"- {name}: `{signature}`" for name, signature in signatures)
    yield ""
