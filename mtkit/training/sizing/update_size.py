"""Number of batches of an update."""


def describe_update(max_tokens: int, n_batches: int, n_processes: int) -> str:
    """Describe the batches of an update, for example `4 batches per update of 1,024`."""
    if n_batches == 1:
        return f"one batch per update of {max_tokens:,}"
    each = f" ({n_batches // n_processes} on each of {n_processes} processes)"
    shared = each if n_processes > 1 else ""
    return f"{n_batches} batches{shared} per update of {n_batches * max_tokens:,}"


def round_up(n: int, multiple: int) -> int:
    """Return the smallest multiple that is at least n."""
    return -(-n // multiple) * multiple
