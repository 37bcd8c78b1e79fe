"""Search for translations: beam search, greedy search, sampling, and the rules they apply."""
