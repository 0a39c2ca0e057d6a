"""The embedded scheduler: a Durable Task Scheduler for one machine."""
