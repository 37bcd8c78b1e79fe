"""Training: loop, loss, optimizer, validation, checkpoints and resuming."""
