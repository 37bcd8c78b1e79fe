"""Recipe section `augment:`: training pairs altered as careless text is."""

from mtkit.config.section import Section


class AugmentConfig(Section):
    """How often training pairs are altered, so that the model bears with careless text. Recipe section `augment:`."""
