"""Markdown: CommonMark with tables and strikethrough."""
