"""Reports of training: metrics.jsonl, log lines, the terminal view and other trackers."""
