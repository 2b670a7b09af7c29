"""asyncio drivers: connections, discovery, and the two roles on real sockets.

The only part of the package that imports asyncio, socket or ssl; everything it drives is a value that could
be driven otherwise.
"""
