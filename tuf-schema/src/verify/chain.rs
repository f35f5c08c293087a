//! (being written) The client update as a machine that asks for bytes and is fed bytes.
