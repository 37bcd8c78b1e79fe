"""Recipe section `clean:`: which pairs are mended, and which are left out."""

from mtkit.config.section import Section


class CleanConfig(Section):
    """How the training text is cleaned, before it is tokenised. Recipe section `clean:`."""
