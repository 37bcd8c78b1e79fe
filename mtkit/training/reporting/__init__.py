"""What training tells while it goes on."""
