//! The token that opens the console.

use std::fmt;
use std::sync::Arc;

use arc_swap::ArcSwap;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hyper::header::HeaderValue;
use ring::hmac::{self, HMAC_SHA256, Key};
use ring::rand::SystemRandom;

use crate::app::StartError;
use crate::watched::{NamedFile, Watched};

/// Fewer can be guessed: `openssl rand -hex 16` makes so many.
const FEWEST_CHARACTERS: usize = 32;
/// More do not fit everywhere.
const MOST_CHARACTERS: usize = 256;

/// Why a text is no token.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TokenFault {
    /// Its length.
    Length(usize),
    /// What it consists of.
    Characters,
}

impl fmt::Display for TokenFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Length(length) => write!(
                f,
                "it has {length} characters, and must have {FEWEST_CHARACTERS} to {MOST_CHARACTERS} \
                 (openssl rand -hex 32 makes a good one)"
            ),
            Self::Characters => f.write_str("it must be one line of printable ASCII characters without blanks"),
        }
    }
}

/// What is held of it is a digest under a key that nobody knows, and that is what is compared: how long a comparison takes
/// says nothing of the token, and memory does not hold it.
pub(super) struct Token {
    key: Key,
    digest: Arc<ArcSwap<hmac::Tag>>,
}

impl Token {
    /// Reads the token from its file, and again whenever that changes.
    pub(super) fn start(file: NamedFile) -> Result<(Self, Watched), StartError> {
        let failed = |_| StartError::Unreadable {
            key: file.key,
            path: file.path.clone(),
            source: std::io::Error::other("the system gives no random numbers"),
        };
        let key = Key::generate(HMAC_SHA256, &SystemRandom::new()).map_err(failed)?;
        let digest = Arc::new(ArcSwap::from_pointee(hmac::sign(&key, b"")));
        let (kept, named, under) = (Arc::clone(&digest), file.clone(), key.clone());
        let watched = Watched::start(vec![file], move |contents| {
            let content = contents.first().map(Vec::as_slice).unwrap_or_default();
            let refused = |fault| StartError::ConsoleToken { key: named.key, path: named.path.clone(), fault };
            let token = checked(content).map_err(refused)?;
            kept.store(Arc::new(hmac::sign(&under, token)));
            Ok(())
        })?;
        Ok((Self { key, digest }, watched))
    }

    /// Whether a header `Authorization` holds the token: as the password of `Basic`, with any name, or as `Bearer`.
    pub(super) fn opens(&self, given: &HeaderValue) -> bool {
        let Some((scheme, rest)) = given.to_str().ok().and_then(|text| text.split_once(' ')) else { return false };
        let is = |name: &str| scheme.eq_ignore_ascii_case(name);
        if is("Bearer") {
            return self.is(rest.trim().as_bytes());
        }
        let decoded = if is("Basic") { STANDARD.decode(rest.trim()).unwrap_or_default() } else { return false };
        let mut parts = decoded.splitn(2, |byte| *byte == b':');
        parts.nth(1).is_some_and(|password| self.is(password))
    }

    fn is(&self, given: &[u8]) -> bool {
        hmac::verify(&self.key, given, self.digest.load().as_ref().as_ref()).is_ok()
    }
}

/// A token is what is in its file, but for a line's end.
fn checked(content: &[u8]) -> Result<&[u8], TokenFault> {
    let token = content.trim_ascii_end();
    if !token.iter().all(u8::is_ascii_graphic) {
        return Err(TokenFault::Characters);
    }
    let is_good = (FEWEST_CHARACTERS..=MOST_CHARACTERS).contains(&token.len());
    if is_good { Ok(token) } else { Err(TokenFault::Length(token.len())) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::watched::Look;

    const GOOD: &str = "0123456789abcdef0123456789abcdef";

    fn basic(text: &str) -> HeaderValue {
        HeaderValue::from_str(&format!("Basic {}", STANDARD.encode(text))).unwrap()
    }

    #[test]
    fn a_token_has_32_to_256_printable_characters() {
        for (length, is_good) in [(0, false), (31, false), (32, true), (256, true), (257, false)] {
            let content = format!("{}\n", "x".repeat(length));
            let expected = if is_good { Ok(length) } else { Err(TokenFault::Length(length)) };
            assert_eq!(checked(content.as_bytes()).map(<[u8]>::len), expected);
        }
        for content in [format!("{GOOD} {GOOD}"), format!("{GOOD}\n{GOOD}"), format!("{GOOD}é"), format!(" {GOOD}")] {
            assert_eq!(checked(content.as_bytes()), Err(TokenFault::Characters), "{content:?}");
        }
    }

    #[test]
    fn a_token_opens_as_a_password_with_any_name_or_as_a_bearer_and_in_no_other_way() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("token");
        std::fs::write(&path, format!("{GOOD}\n")).unwrap();
        let (token, watched) = Token::start(NamedFile::new("console.token_file", &path)).unwrap();
        let plain = |text: &str| HeaderValue::from_str(text).unwrap();
        let bearer = plain(&format!("bearer {GOOD}"));
        for good in [basic(&format!("me:{GOOD}")), basic(&format!(":{GOOD}")), bearer.clone()] {
            assert!(token.opens(&good), "{good:?}");
        }
        for bad in [
            basic(GOOD),
            basic(&format!("{GOOD}:")),
            basic(&format!("me:{GOOD}x")),
            basic(&format!("me::{GOOD}")),
            plain(GOOD),
            plain(&format!("Basic {GOOD}")),
            plain(&format!("Token {GOOD}")),
            plain("Bearer "),
            plain("Basic Og=="),
            plain(&format!("Bearer {GOOD} {GOOD}")),
        ] {
            assert!(!token.opens(&bad), "{bad:?}");
        }
        // another one, without a start
        std::fs::write(&path, GOOD.repeat(2)).unwrap();
        assert!(matches!(watched.look(), Look::Renewed));
        assert!(!token.opens(&bearer) && token.opens(&plain(&format!("Bearer {GOOD}{GOOD}"))));
        std::fs::write(&path, "short").unwrap();
        let Look::Refused(refused) = watched.look() else { panic!("taken") };
        assert!(
            refused.to_string().ends_with(
                "holds no token: it has 5 characters, and must have 32 to 256 \
             (openssl rand -hex 32 makes a good one)"
            ),
            "{refused}"
        );
        assert!(token.opens(&plain(&format!("Bearer {GOOD}{GOOD}"))), "what was there before stays");
    }
}
