"""Chains of certificates: profiles, identifiers, reading, paths, rules, and the
verdict with every violation."""
