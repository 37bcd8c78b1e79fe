"""Memory, time and disk space of a training run, estimated or measured before it starts."""
