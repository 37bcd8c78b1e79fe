"""Recipe section `sampling:`: other ways to split the same sentence into pieces, drawn anew in each epoch."""

from mtkit.config.section import Section


class SamplingConfig(Section):
    """How training draws segmentations. Recipe section `sampling:`."""
