"""What is physical about a charge, without messages: limits and bounds of direct current, and power over
time.

SI numbers in, SI numbers out; every edition and both roles compute with the same functions.
"""
