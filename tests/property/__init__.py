"""What holds whatever happens."""
