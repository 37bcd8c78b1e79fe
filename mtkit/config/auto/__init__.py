"""Settings chosen from a corpus and a machine, for `mtkit init --from-data`."""
