"""From a model to hypotheses."""
