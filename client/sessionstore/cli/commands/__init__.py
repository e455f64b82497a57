"""One module for each command of sessionctl."""
