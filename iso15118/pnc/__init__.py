"""Plug and Charge of both editions: contracts, signatures of messages, authorization, and installation."""
