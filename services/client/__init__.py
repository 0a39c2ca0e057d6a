"""The command line: submit orders, watch and manage their orchestrations."""
