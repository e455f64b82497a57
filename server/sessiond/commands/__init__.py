"""The command line of sessiond: its grammar, and a module for each command."""
