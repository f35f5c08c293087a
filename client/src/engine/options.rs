//! Options before a word, as docker reads them: where they end and what each of them takes.
//!
//! What is handed on is written anew as `--name=value`, one word for each option. Two programs that read such words
//! cannot disagree on where the options end, even if they disagree on which of them take a value.

use std::ffi::{OsStr, OsString};

/// What an option takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Takes {
    /// Nothing: it is on when it is given.
    Nothing,
    /// A value, in the same word or the next one.
    Value,
}

/// An option that is known.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Known {
    /// `name` of `--name`.
    pub long: String,
    /// `n` of `-n`.
    pub short: Option<char>,
    /// What it takes.
    pub takes: Takes,
}

/// An option that was given.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Given {
    /// Its long name.
    pub name: String,
    /// Its value; `None` for one that takes none.
    pub value: Option<OsString>,
}

/// Words, read up to the first that is no option.
#[derive(Debug, PartialEq, Eq)]
pub struct Read<'a> {
    /// The options.
    pub options: Vec<Given>,
    /// What follows them.
    pub rest: &'a [OsString],
}

/// Why words are not understood.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum OptionError {
    /// Whether the next word belongs to this one cannot be told.
    #[error(
        "the option {0} is not known here, so what it takes cannot be told from what follows it: write {0}=VALUE, or {0}=true if it takes none"
    )]
    Unknown(String),
    /// The same for a letter.
    #[error("the option -{letter} of {word} is not known here, so what it takes cannot be told from what follows it: write it as --NAME=VALUE", letter = letter.escape_default())]
    UnknownLetter {
        /// The letter.
        letter: char,
        /// The word with it.
        word: String,
    },
    /// Nothing follows an option that takes a value.
    #[error("the option --{0} needs a value")]
    NoValue(String),
    /// No option has this form, or it has characters that are no text.
    #[error("{0:?} is no option")]
    Malformed(OsString),
}

impl Known {
    /// Options that take what `takes` says: letters before a comma, then the name.
    pub fn all<'a>(table: &'a str, takes: Takes) -> impl Iterator<Item = Self> + 'a {
        table.split_whitespace().map(move |entry| match entry.split_once(',') {
            Some((letter, long)) => Self { long: long.to_owned(), short: letter.chars().next(), takes },
            None => Self { long: entry.to_owned(), short: None, takes },
        })
    }
}

impl Given {
    /// An option with a value.
    #[must_use]
    pub fn value(name: &str, value: impl Into<OsString>) -> Self {
        Self { name: name.to_owned(), value: Some(value.into()) }
    }

    /// An option without one.
    #[must_use]
    pub fn flag(name: &str) -> Self {
        Self { name: name.to_owned(), value: None }
    }

    /// The option in one word that can only be read in one way.
    #[must_use]
    pub fn word(&self) -> OsString {
        let mut word = OsString::from(format!("--{}=", self.name));
        word.push(self.value.as_deref().unwrap_or(OsStr::new("true")));
        word
    }
}

/// Reads the options at the beginning of `words`, as docker's own reader (pflag) does.
///
/// # Errors
/// [`OptionError`]: nothing is guessed.
pub fn read<'a>(known: &[Known], words: &'a [OsString]) -> Result<Read<'a>, OptionError> {
    let mut options = Vec::new();
    let mut rest = words;
    while let [word, after @ ..] = rest {
        if word == "--" {
            return Ok(Read { options, rest: after });
        }
        if word == "-" || !word.as_encoded_bytes().starts_with(b"-") {
            break;
        }
        rest = after;
        let text = word.to_string_lossy();
        // What is no text can only be a value, behind a name that is.
        let (name, value) = split(word).ok_or_else(|| OptionError::Malformed(word.clone()))?;
        match name.strip_prefix("--") {
            Some(name) if name.is_empty() || name.starts_with('-') => return Err(OptionError::Malformed(word.clone())),
            Some(name) => match (known.iter().find(|known| known.long == name).map(|known| known.takes), value) {
                (_, Some(value)) => options.push(Given::value(name, value)),
                (Some(Takes::Nothing), None) => options.push(Given::flag(name)),
                (Some(Takes::Value), None) => options.push(Given::value(name, next(&mut rest, name)?)),
                (None, None) => return Err(OptionError::Unknown(text.into_owned())),
            },
            None => letters(known, word, &mut rest, &mut options)?,
        }
    }
    Ok(Read { options, rest })
}

/// `-abc`, `-aVALUE`, `-a=VALUE` and `-a VALUE`.
fn letters(known: &[Known], word: &OsStr, rest: &mut &[OsString], options: &mut Vec<Given>) -> Result<(), OptionError> {
    let text = word.to_str().ok_or_else(|| OptionError::Malformed(word.to_owned()))?;
    let mut left = text.trim_start_matches('-').chars();
    while let Some(letter) = left.next() {
        let unknown = || OptionError::UnknownLetter { letter, word: text.to_owned() };
        let option = known.iter().find(|known| known.short == Some(letter)).ok_or_else(unknown)?;
        let behind = left.as_str();
        let attached = behind.strip_prefix('=').filter(|value| !value.is_empty());
        options.push(match (option.takes, attached) {
            (Takes::Nothing, None) => {
                options.push(Given::flag(&option.long));
                continue;
            }
            (_, Some(value)) => Given::value(&option.long, value),
            (Takes::Value, None) if behind.is_empty() => Given::value(&option.long, next(rest, &option.long)?),
            (Takes::Value, None) => Given::value(&option.long, behind),
        });
        break;
    }
    Ok(())
}

fn next(rest: &mut &[OsString], name: &str) -> Result<OsString, OptionError> {
    let [value, after @ ..] = *rest else { return Err(OptionError::NoValue(name.to_owned())) };
    *rest = after;
    Ok(value.clone())
}

/// The part before the first `=`, which must be text, and the part behind it.
#[cfg(unix)]
fn split(word: &OsStr) -> Option<(&str, Option<OsString>)> {
    use std::os::unix::ffi::OsStrExt as _;
    let bytes = word.as_bytes();
    match bytes.iter().position(|byte| *byte == b'=') {
        Some(at) => {
            let (name, value) = bytes.split_at_checked(at)?;
            let value = OsStr::from_bytes(value.get(1..)?).to_owned();
            Some((std::str::from_utf8(name).ok()?, Some(value)))
        }
        None => Some((word.to_str()?, None)),
    }
}

/// The same where only text is understood.
#[cfg(not(unix))]
fn split(word: &OsStr) -> Option<(&str, Option<OsString>)> {
    let word = word.to_str()?;
    Some(word.split_once('=').map_or((word, None), |(name, value)| (name, Some(value.into()))))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn known() -> Vec<Known> {
        Known::all("i,interactive t,tty rm", Takes::Nothing)
            .chain(Known::all("e,env v,volume name", Takes::Value))
            .collect()
    }

    fn words(text: &[&str]) -> Vec<OsString> {
        text.iter().map(OsString::from).collect()
    }

    /// The options as they are handed on, and what follows.
    fn told(text: &[&str]) -> Result<(String, String), OptionError> {
        let words = words(text);
        let read = read(&known(), &words)?;
        let join = |words: &[OsString]| words.join(" ".as_ref()).to_str().unwrap().to_owned();
        Ok((join(&read.options.iter().map(Given::word).collect::<Vec<_>>()), join(read.rest)))
    }

    #[test]
    fn options_are_read_as_docker_reads_them_and_written_so_that_nothing_else_can_be_read() {
        for (given, options, rest) in [
            (&["-it", "a", "-i"][..], "--interactive=true --tty=true", "a -i"),
            (&["-iteX=Y", "a"], "--interactive=true --tty=true --env=X=Y", "a"),
            (&["-e", "X", "a"], "--env=X", "a"),
            (&["-e=X", "a"], "--env=X", "a"),
            (&["-e=", "a"], "--env==", "a"),
            (&["-i=false", "a"], "--interactive=false", "a"),
            (&["--env", "--rm", "a"], "--env=--rm", "a"),
            (&["--env=", "--name=x=y", "a"], "--env= --name=x=y", "a"),
            (&["--rm", "true", "a"], "--rm=true", "true a"),
            (&["--rm=false", "--", "-a"], "--rm=false", "-a"),
            (&["--new=7", "a"], "--new=7", "a"),
            (&["-", "a"], "", "- a"),
            (&["--"], "", ""),
            (&[], "", ""),
        ] {
            assert_eq!(told(given), Ok((options.to_owned(), rest.to_owned())), "{given:?}");
        }
    }

    #[test]
    fn what_is_not_understood_is_refused_with_what_to_write() {
        let error = told(&["--new", "a", "b"]).unwrap_err();
        assert_eq!(
            error.to_string(),
            "the option --new is not known here, so what it takes cannot be told from what follows it: write --new=VALUE, or \
             --new=true if it takes none"
        );
        let letter = |letter, word: &str| OptionError::UnknownLetter { letter, word: word.to_owned() };
        assert_eq!(told(&["-ix", "a"]), Err(letter('x', "-ix")));
        assert_eq!(told(&["-i=", "a"]), Err(letter('=', "-i=")));
        assert_eq!(told(&["--name"]), Err(OptionError::NoValue("name".into())));
        assert_eq!(told(&["-e"]), Err(OptionError::NoValue("env".into())));
        for word in ["--=x", "---rm", "---"] {
            assert_eq!(told(&[word, "a"]), Err(OptionError::Malformed(word.into())), "{word}");
        }
    }

    proptest! {
        #[test]
        fn what_is_handed_on_is_read_again_as_the_same_even_by_who_knows_no_option(
            given in proptest::collection::vec("-{0,3}(rm|env|name|i|t|e|v|x){0,2}(=[a-z=-]{0,3})?", 0..6)
        ) {
            let words: Vec<OsString> = given.iter().map(OsString::from).collect();
            if let Ok(first) = read(&known(), &words) {
                let mut again: Vec<OsString> = first.options.iter().map(Given::word).collect();
                again.push("--".into());
                again.extend(first.rest.iter().cloned());
                let second = read(&[], &again).unwrap();
                prop_assert_eq!(second.rest, first.rest);
                let written = |options: &[Given]| options.iter().map(Given::word).collect::<Vec<_>>();
                prop_assert_eq!(written(&second.options), written(&first.options));
            }
        }
    }
}
