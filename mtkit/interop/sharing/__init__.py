"""Models shared with others: model cards, and copies in directories, archives and on the hub."""
