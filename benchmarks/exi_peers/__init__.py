"""The EXI codec beside others, in one run on one core: the C library libcbv2g and the Java codec
of the PyPI package iso15118.

Neither is part of the project: the command is told where the one lies and makes the other's
environment when it is asked to.
"""
