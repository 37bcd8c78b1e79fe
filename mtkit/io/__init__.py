"""Reading and writing files: text, compression, encodings, locks, logs and progress."""
