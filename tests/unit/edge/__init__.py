"""How ready work finds a worker, and what becomes of what workers do not finish."""
