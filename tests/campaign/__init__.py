"""Campaigns: planned, carried out on processes and a cluster, and gone on with."""
