"""From the token store to batches of tensors."""
