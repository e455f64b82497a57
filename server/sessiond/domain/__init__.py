"""What a session is and the rules it obeys: frozen data, no I/O."""
