"""From parallel text to a store of token ids."""
