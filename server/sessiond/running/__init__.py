"""How a server runs: as one process, or by workers that `sessiond.supervisor` looks after."""
