"""Private keys: in memory, in files, in tokens; signatures in the forms that messages carry."""
