"""Lexical shortlists: the target vocabulary restricted to likely translations."""
