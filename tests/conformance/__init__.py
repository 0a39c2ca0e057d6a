"""What every scheduler of the Durable Task protocol does: one suite, two servers."""
