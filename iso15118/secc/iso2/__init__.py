"""ISO 15118-2 as the station speaks it."""
