"""Tables of what comes of two ends, made by running them; each is written into a
page of the documentation."""
