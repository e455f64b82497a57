"""`python -m sessionstore.cli`, the same as sessionctl."""

from sessionstore.cli import main

main()
