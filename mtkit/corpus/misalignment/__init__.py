"""By how many lines two files are shifted against each other, line by line, learned from the files alone."""
