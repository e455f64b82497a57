"""Use cases: what a call means, in terms of store, tokens and policy. Knows nothing of gRPC."""
