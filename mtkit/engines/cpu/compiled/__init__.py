"""Search in compiled code: single sentences, and parts of the search for batches."""
