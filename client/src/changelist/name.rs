//! Names of the files that changes are staged in: a time, so that they sort as they were staged, and a random UUID.

use std::io;

use ring::rand::SecureRandom;
use tuf_schema::UtcTime;

/// How the name of a change ends.
pub(super) const EXTENSION: &str = "change";
/// The digits with which the name of a change begins: nanoseconds since 1970.
const TIME_DIGITS: usize = 20;

/// The name of a change that is staged after all others, of which `last` is the last; `None` if no name sorts after it.
///
/// # Errors
/// That there is no randomness.
pub(super) fn after(last: Option<&str>, now: UtcTime, rng: &dyn SecureRandom) -> io::Result<Option<String>> {
    let Some(time) = time_after(last, now) else { return Ok(None) };
    Ok(Some(format!("{time:020}_{}.{EXTENSION}", uuid(rng)?)))
}

/// The time of the next change: now, or right after that of `last`; `None` if no name of that form sorts after `last`.
fn time_after(last: Option<&str>, now: UtcTime) -> Option<u128> {
    let now = now.to_utc().timestamp_nanos_opt().and_then(|time| u128::try_from(time).ok()).unwrap_or_default();
    let Some(last) = last else { return Some(now) };
    // Names compare as text, and every file of the list has one, whoever gave it.
    let digits = last.get(..TIME_DIGITS).filter(|text| text.bytes().all(|b| b.is_ascii_digit()));
    let next = match digits.and_then(|digits| digits.parse::<u128>().ok()) {
        Some(time) => now.max(time.checked_add(1)?),
        None => now,
    };
    let name = format!("{next:020}");
    (name.len() == TIME_DIGITS && name.as_str() > last.get(..TIME_DIGITS).unwrap_or(last)).then_some(next)
}

/// A random UUID (version 4).
fn uuid(rng: &dyn SecureRandom) -> io::Result<String> {
    let mut bytes = [0_u8; 16];
    rng.fill(&mut bytes).map_err(|_| io::Error::other("no randomness"))?;
    let [_, _, _, _, _, _, version, _, variant, ..] = &mut bytes;
    *version = (*version & 0x0f) | 0x40;
    *variant = (*variant & 0x3f) | 0x80;
    let hex = hex::encode(bytes);
    let part = |from: usize, to: usize| hex.get(from..to).unwrap_or_default().to_owned();
    Ok([part(0, 8), part(8, 12), part(12, 16), part(16, 20), part(20, 32)].join("-"))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use ring::rand::SystemRandom;

    use super::*;

    fn now() -> UtcTime {
        UtcTime::parse("2026-11-22T00:00:00.000000123Z").unwrap()
    }

    fn name(last: Option<&str>) -> Option<String> {
        after(last, now(), &SystemRandom::new()).unwrap()
    }

    #[test]
    fn a_name_is_one_of_the_reference_s() {
        let name = name(None).unwrap();
        let (time, rest) = name.split_once('_').unwrap();
        assert_eq!(time, "01795305600000000123");
        let uuid = rest.strip_suffix(".change").unwrap();
        let dashes: Vec<_> = uuid.split('-').map(str::len).collect();
        assert_eq!((dashes, uuid.as_bytes()[14]), (vec![8, 4, 4, 4, 12], b'4'));
        assert!(matches!(uuid.as_bytes()[19], b'8' | b'9' | b'a' | b'b'));
    }

    #[test]
    fn behind_the_last_possible_time_there_is_none() {
        let last = "9".repeat(20);
        let last_but_one = format!("{}8_x.change", "9".repeat(19));
        assert!(name(Some(&last_but_one)).unwrap().starts_with(&last));
        for none in [format!("{last}_x.change"), "x.change".to_owned(), "é".repeat(20)] {
            assert_eq!(name(Some(&none)), None, "{none}");
        }
    }

    proptest! {
        #[test]
        fn a_name_sorts_after_the_last_one_whoever_gave_it(last in "([0-9]{19,21}|.{0,25})(_x)?(\\.change)?") {
            if let Some(name) = name(Some(&last)) {
                prop_assert!(name > last);
            }
        }
    }
}
