"""What `sessionctl watch` tells: lines for programs, a table for people, and notes on stderr."""
