"""Work items on their way to workers: who has room, who accepts what, who has which."""
