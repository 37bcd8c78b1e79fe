"""Terms and their translations: lists, occurrences in texts, and annotation in the source."""
