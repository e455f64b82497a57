"""What a server is put together from, by its settings; `sessiond.app` starts it in order."""
