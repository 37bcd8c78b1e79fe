"""Training with several processes: launch, communication, and reports of errors."""
