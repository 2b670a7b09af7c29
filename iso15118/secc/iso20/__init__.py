"""ISO 15118-20 as the station speaks it: the sequence table, the handlers of its phases, and the machine that
joins them."""
