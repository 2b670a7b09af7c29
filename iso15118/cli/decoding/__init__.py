"""What ``iso15118 decode`` reads from, and the forms in which it prints."""
