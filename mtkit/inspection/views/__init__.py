"""Traces and facts as text, HTML and figures."""
