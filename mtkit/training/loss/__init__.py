"""Loss of each target token, computed together with the output layer."""
