"""Access tokens (JWT), refresh tokens (MAC), callers' service tokens, and the keys behind them."""
