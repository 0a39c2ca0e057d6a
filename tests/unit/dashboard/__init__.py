"""What the dashboard makes of addresses, answers and settings."""
