"""The wire: gRPC in, gRPC out."""
