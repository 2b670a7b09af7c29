"""Revocation: OCSP and lists, made for tests and judged, and when to ask again."""
