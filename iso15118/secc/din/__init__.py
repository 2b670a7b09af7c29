"""DIN 70121 at the station: the table of what is legal, and the handlers behind it."""
