"""The documentation and its examples, replayed and checked."""
