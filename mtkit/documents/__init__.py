"""Documents with markup: their text as segments, and translations patched into the original."""
