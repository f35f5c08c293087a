//! Passphrases typed at the terminal.

use bulla::keys::Prompt;
use tuf_schema::sign::Passphrase;

use crate::output::Output;
use crate::printable;

/// Asks at the terminal, without echo.
pub(crate) struct Terminal(pub(crate) Output);

impl Prompt for Terminal {
    fn secret(&self, text: &str) -> std::io::Result<Passphrase> {
        rpassword::prompt_password(printable::line(text)).map(Passphrase::from_text)
    }

    fn say(&self, text: &str) {
        self.0.note(text);
    }
}
