"""Search on a CPU with packed weights."""
