//! TLS connections of ISO 15118 over memory buffers: bytes in, bytes out, no sockets.
