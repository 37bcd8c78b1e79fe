"""Formats of translators' tools: XLIFF, TMX and gettext catalogs, with a source and a target."""
