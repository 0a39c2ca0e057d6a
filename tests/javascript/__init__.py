"""The official JavaScript SDK, as its programs use it, against our scheduler."""
