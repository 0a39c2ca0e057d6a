"""The contract that the services share: orders, connection, settings, logs."""
