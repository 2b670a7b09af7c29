"""Tests of the simulated power hardware."""
