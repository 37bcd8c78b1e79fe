"""One translation in detail: the tensors of a forward pass and the steps of the beam search."""
