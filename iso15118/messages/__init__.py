"""Message types of every schema set, generated from ``schemas/``, and the values they carry.

One class per schema type: frozen, keyword-only, fields in snake case; the standard's words are kept.
"""
