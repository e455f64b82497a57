"""Sessions from and into files: what the commands import and export are made of."""
