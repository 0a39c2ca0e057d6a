"""The use cases of a hub, in process, on a real file."""
