"""The way to Azure: scripts against a recording stand-in for `az`, and the files of `deploy/`."""
