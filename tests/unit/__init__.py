"""Parts of one service, in one process."""
