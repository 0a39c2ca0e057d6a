"""The worker: the order orchestrations and activities, run by the SDK."""
