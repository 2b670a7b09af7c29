"""ISO 15118-2 as the vehicle speaks it: the script of a session and the pieces it is made of."""
