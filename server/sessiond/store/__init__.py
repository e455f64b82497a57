"""Sessions in Redis or Valkey: the keyspace, one Lua script per operation, and typed calls."""
