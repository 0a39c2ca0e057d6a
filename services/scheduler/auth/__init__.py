"""Who calls, and what they may do: tokens of a file, or JSON Web Tokens."""
