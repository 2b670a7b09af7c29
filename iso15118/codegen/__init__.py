"""Schema compiler: XSD to component model, then to message types and EXI grammar tables.

Both emitters read the same model, so classes and tables cannot disagree. Nothing in the package imports this
one; run it with ``python -m iso15118.codegen``.
"""
