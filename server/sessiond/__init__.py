"""sessiond, the session service: sessions in Redis or Valkey, served over gRPC."""
