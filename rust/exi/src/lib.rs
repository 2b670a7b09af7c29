//! Table-driven EXI engine for V2G messages.
#![forbid(unsafe_code)]
