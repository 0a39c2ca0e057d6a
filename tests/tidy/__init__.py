"""The rules that the code and the repository keep."""
