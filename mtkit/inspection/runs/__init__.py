"""Training runs: what they have recorded, compared in a table and reported on a page."""
