"""Detection of lines that are shifted between two files, learned from the files themselves."""
