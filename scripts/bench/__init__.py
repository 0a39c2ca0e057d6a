"""Measures the targets of docs/performance.md: `make bench`, `make bench-full`."""
