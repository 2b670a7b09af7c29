"""The keywords for Robot Framework."""
