"""gRPC: decode, call the service, encode. Nothing here decides what a call means."""
