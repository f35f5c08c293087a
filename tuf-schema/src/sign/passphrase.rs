//! Passphrases.

use std::fmt;

use zeroize::Zeroizing;

/// A secret text that seals keys: wiped on drop, never printed, cloned or serialised.
pub struct Passphrase(Zeroizing<String>);

impl Passphrase {
    /// Takes the text over; no copy of it stays behind.
    #[must_use]
    pub fn from_text(text: String) -> Self {
        Self(Zeroizing::new(text))
    }

    /// The bytes, for deriving a key from them.
    #[must_use]
    pub fn expose(&self) -> &[u8] {
        self.0.as_bytes()
    }

    /// Whether there is no text: key files are then written in the clear, as the reference does.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl fmt::Debug for Passphrase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Passphrase(..)")
    }
}
