"""Chaos: the whole stack on real processes under a seeded schedule of faults."""
