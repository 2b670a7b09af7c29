//! The two buffers between OpenSSL and the transport.

use std::io::{Error, ErrorKind, Read, Result, Write};

/// Ciphertext that came in and is not consumed yet, and ciphertext to be sent.
#[derive(Default)]
pub(crate) struct Wire {
    incoming: Vec<u8>,
    consumed: usize,
    pub(crate) outgoing: Vec<u8>,
}

impl Wire {
    pub(crate) fn feed(&mut self, data: &[u8]) {
        self.incoming.extend_from_slice(data);
    }

    /// Bytes fed and not yet taken by OpenSSL.
    pub(crate) fn unread(&self) -> usize {
        self.incoming.len() - self.consumed
    }

    pub(crate) fn discard_incoming(&mut self) {
        self.incoming = Vec::new();
        self.consumed = 0;
    }
}

impl Read for Wire {
    fn read(&mut self, buffer: &mut [u8]) -> Result<usize> {
        let unread = &self.incoming[self.consumed..];
        if unread.is_empty() {
            return Err(Error::from(ErrorKind::WouldBlock));
        }
        let count = unread.len().min(buffer.len());
        buffer[..count].copy_from_slice(&unread[..count]);
        self.consumed += count;
        if self.consumed == self.incoming.len() {
            self.incoming.clear();
            self.consumed = 0;
        }
        Ok(count)
    }
}

impl Write for Wire {
    fn write(&mut self, data: &[u8]) -> Result<usize> {
        self.outgoing.extend_from_slice(data);
        Ok(data.len())
    }

    fn flush(&mut self) -> Result<()> {
        Ok(())
    }
}
