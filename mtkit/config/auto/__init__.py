"""Choice of settings for a corpus and a machine, for `mtkit init --from-data`."""
