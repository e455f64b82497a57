"""What every call goes through, outermost first; the composition root lists it."""
