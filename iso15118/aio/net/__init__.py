"""Sockets and what runs on them: interfaces, TCP with TLS, discovery, OCSP over HTTP, captures of bytes."""
