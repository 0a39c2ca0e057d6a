"""The services. They meet only over the wire; all may use `services.shared`."""
