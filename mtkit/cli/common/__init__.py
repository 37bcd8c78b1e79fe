"""What several commands share: options, help pages, error messages, new recipes."""
