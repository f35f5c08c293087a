//! What a trace is continued by: the header `traceparent` of W3C Trace Context.

use std::fmt;

use http::HeaderMap;

/// The header, and the metadata of gRPC, that names the trace.
pub const TRACEPARENT: &str = "traceparent";

/// What a request says of its trace; of two nobody could say which is meant.
#[must_use]
pub fn given(headers: &HeaderMap) -> Option<&str> {
    let mut given = headers.get_all(TRACEPARENT).iter();
    given.next().filter(|_| given.next().is_none())?.to_str().ok()
}

/// The trace, the span within it that is the parent, and whether it is recorded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Context {
    pub(crate) trace: [u8; 16],
    pub(crate) span: [u8; 8],
    pub(crate) is_sampled: bool,
}

/// `00-` trace `-` span `-` flags.
const LENGTH: usize = 55;
/// The flag of a trace that is recorded.
const SAMPLED: u8 = 1;

impl Context {
    /// Reads what a stranger may have written: whatever is not to the letter of the recommendation is none.
    #[must_use]
    pub fn parse(header: &str) -> Option<Self> {
        let bytes = header.as_bytes();
        let version: [u8; 1] = hexadecimal(bytes.get(..2)?)?;
        // later versions may add members behind these
        let is_whole = match version {
            [0] => bytes.len() == LENGTH,
            [0xff] => false,
            _ => bytes.len() == LENGTH || bytes.get(LENGTH) == Some(&b'-'),
        };
        let has_dashes = [2, 35, 52].into_iter().all(|place| bytes.get(place) == Some(&b'-'));
        if !is_whole || !has_dashes {
            return None;
        }
        let trace: [u8; 16] = hexadecimal(bytes.get(3..35)?)?;
        let span: [u8; 8] = hexadecimal(bytes.get(36..52)?)?;
        let [flags]: [u8; 1] = hexadecimal(bytes.get(53..55)?)?;
        let is_one = trace != [0; 16] && span != [0; 8];
        is_one.then_some(Self { trace, span, is_sampled: flags & SAMPLED != 0 })
    }
}

/// Lower-case digits only.
fn hexadecimal<const N: usize>(digits: &[u8]) -> Option<[u8; N]> {
    let digit = |byte: u8| match byte {
        b'0'..=b'9' => Some(byte.wrapping_sub(b'0')),
        b'a'..=b'f' => Some(byte.wrapping_sub(b'a').wrapping_add(10)),
        _ => None,
    };
    let mut bytes = [0; N];
    if digits.len() != N.checked_mul(2)? {
        return None;
    }
    for (byte, pair) in bytes.iter_mut().zip(digits.chunks_exact(2)) {
        let [high, low] = pair else { return None };
        *byte = digit(*high)? << 4 | digit(*low)?;
    }
    Some(bytes)
}

impl fmt::Display for Context {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("00-")?;
        self.trace.iter().try_for_each(|byte| write!(f, "{byte:02x}"))?;
        f.write_str("-")?;
        self.span.iter().try_for_each(|byte| write!(f, "{byte:02x}"))?;
        write!(f, "-{:02x}", u8::from(self.is_sampled))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEADER: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

    #[test]
    fn one_header_is_taken_and_of_two_none() {
        let mut headers = HeaderMap::new();
        assert_eq!(given(&headers), None);
        headers.append(TRACEPARENT, HEADER.parse().unwrap());
        assert_eq!(given(&headers), Some(HEADER));
        headers.append(TRACEPARENT, HEADER.parse().unwrap());
        assert_eq!(given(&headers), None);
    }

    #[test]
    fn a_header_is_read_and_written_as_the_recommendation_has_it() {
        assert_eq!(Context::parse(HEADER).unwrap().to_string(), HEADER);
        let unsampled = HEADER.replace("-01", "-00");
        assert!(!Context::parse(&unsampled).unwrap().is_sampled);
        // of the flags one is known
        assert!(Context::parse(&HEADER.replace("-01", "-ff")).unwrap().is_sampled);
    }

    #[test]
    fn a_later_version_may_say_more_and_this_one_not() {
        let later = HEADER.replacen("00", "cc", 1);
        assert_eq!(Context::parse(&later), Context::parse(HEADER));
        assert_eq!(Context::parse(&format!("{later}-more")), Context::parse(HEADER));
        assert_eq!(Context::parse(&format!("{later}more")), None);
        assert_eq!(Context::parse(&format!("{HEADER}-more")), None);
    }

    #[test]
    fn what_is_no_header_is_none() {
        let long = "0".repeat(100_000);
        for header in [
            "",
            "00",
            long.as_str(),
            "ff-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
            "00-0AF7651916CD43DD8448EB211C80319C-b7ad6b7169203331-01",
            "00-00000000000000000000000000000000-b7ad6b7169203331-01",
            "00-0af7651916cd43dd8448eb211c80319c-0000000000000000-01",
            "00-0af7651916cd43dd8448eb211c80319-cb7ad6b7169203331-01",
            "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-0",
            "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-1g",
            "00-0af7651916cd43dd8448eb211c8031ä-b7ad6b7169203331-01",
        ] {
            assert_eq!(Context::parse(header), None, "{header:.80}");
        }
    }
}
