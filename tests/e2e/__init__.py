"""The services as processes, run as a person runs them."""
