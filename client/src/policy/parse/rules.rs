//! The rules of a policy as they are read: for which repositories, whose signatures, how fresh.

use toml::Spanned;
use tuf_schema::{DelegationName, KeyId, Sha256};

use super::Source;
use super::written::{WrittenFreshness, WrittenRule, WrittenSigners};
use crate::policy::{Freshness, Pattern, PolicyError, Required, Rule, Signer, Span, Unit};

impl Source<'_> {
    pub(super) fn rule(&self, written: WrittenRule) -> Result<Rule, PolicyError> {
        let line = self.at(&written.images);
        let images = written.images.into_inner();
        if images.is_empty() {
            return Err(self.error(line, "rule.images is empty"));
        }
        let pattern = |text: Spanned<String>| {
            let line = self.at(&text);
            let pattern = Pattern::parse(text.get_ref());
            pattern.map(|p| (p, line)).map_err(|e| self.error(line, &format!("rule.images: {e}")))
        };
        Ok(Rule {
            patterns: images.into_iter().map(pattern).collect::<Result<_, _>>()?,
            signers: self.required(written.signers)?,
            freshness: written.freshness.map(|freshness| self.freshness("rule.freshness", freshness)).transpose()?,
        })
    }

    fn required(&self, written: Spanned<WrittenSigners>) -> Result<Required, PolicyError> {
        let line = self.at(&written);
        match written.into_inner() {
            WrittenSigners { any: Some(of), all: None, of: None, at_least: None, anyone: None } => {
                Ok(Required::Of { at_least: 1, line, of: self.signers("any", of)? })
            }
            WrittenSigners { any: None, all: Some(of), of: None, at_least: None, anyone: None } => {
                let of = self.signers("all", of)?;
                Ok(Required::Of { at_least: of.len(), line, of })
            }
            WrittenSigners { any: None, all: None, of: Some(of), at_least: Some(at_least), anyone: None } => {
                let of = self.signers("of", of)?;
                let at = self.at(&at_least);
                let at_least = at_least.into_inner();
                match usize::try_from(at_least) {
                    Ok(count) if (1..=of.len()).contains(&count) => Ok(Required::Of { at_least: count, line, of }),
                    _ => {
                        let why = format!("rule.signers.at_least is {at_least}, and must be from 1 to {}", of.len());
                        Err(self.error(at, &why))
                    }
                }
            }
            WrittenSigners { any: None, all: None, of: None, at_least: None, anyone: Some(anyone) } => {
                let at = self.at(&anyone);
                if *anyone.get_ref() {
                    return Ok(Required::Anyone { line });
                }
                Err(self.error(at, "rule.signers.anyone can only be true"))
            }
            _ => Err(self.error(
                line,
                "rule.signers takes one of: any = [...], all = [...], at_least = N with of = [...], anyone = true",
            )),
        }
    }

    fn signers(&self, member: &str, written: Spanned<Vec<Spanned<String>>>) -> Result<Vec<Signer>, PolicyError> {
        let line = self.at(&written);
        let mut signers = Vec::new();
        for text in written.into_inner() {
            let line = self.at(&text);
            let bad = |why: String| self.error(line, &format!("rule.signers.{member}: {why}"));
            let signer = signer(text.get_ref()).map_err(bad)?;
            if signers.contains(&signer) {
                return Err(bad(format!("{signer} stands there twice")));
            }
            signers.push(signer);
        }
        if signers.is_empty() {
            return Err(self.error(line, &format!("rule.signers.{member} is empty")));
        }
        Ok(signers)
    }

    pub(super) fn freshness(&self, member: &str, written: Spanned<WrittenFreshness>) -> Result<Freshness, PolicyError> {
        let line = self.at(&written);
        let WrittenFreshness { fetched_within, valid_for } = written.into_inner();
        if fetched_within.is_none() && valid_for.is_none() {
            return Err(self.error(line, &format!("{member} takes fetched_within, valid_for, or both")));
        }
        let span = |name: &str, text: Spanned<String>| {
            let line = self.at(&text);
            let why = "is no length of time above zero, such as 90s, 30m, 12h or 3d";
            let parsed = Span::parse(text.get_ref());
            parsed
                .map(|span| (span, line))
                .ok_or_else(|| self.error(line, &format!("{member}.{name}: {:?} {why}", text.get_ref())))
        };
        Ok(Freshness {
            fetched_within: fetched_within.map(|text| span("fetched_within", text)).transpose()?,
            valid_for: valid_for.map(|text| span("valid_for", text)).transpose()?,
        })
    }

    /// Of two rules that name one repository nobody could say which holds.
    pub(super) fn check_overlaps(&self, rules: &[Rule]) -> Result<(), PolicyError> {
        let mut seen: Vec<&(Pattern, usize)> = Vec::new();
        for one in rules.iter().flat_map(|rule| &rule.patterns) {
            if let Some((pattern, line)) = seen.iter().find(|(pattern, _)| pattern.overlaps(&one.0)) {
                let why =
                    format!("rule.images: {:?} overlaps {:?} of line {line}", one.0.to_string(), pattern.to_string());
                return Err(self.error(one.1, &why));
            }
            seen.push(one);
        }
        Ok(())
    }
}

impl Span {
    fn parse(text: &str) -> Option<Self> {
        let (count, unit) = text.split_at_checked(text.len().checked_sub(1)?)?;
        let unit = match unit {
            "s" => Unit::Seconds,
            "m" => Unit::Minutes,
            "h" => Unit::Hours,
            "d" => Unit::Days,
            _ => return None,
        };
        let digits = count.chars().all(|c| c.is_ascii_digit());
        let count = count.parse().ok().filter(|count| digits && *count > 0)?;
        Some(Self { count, unit })
    }
}

/// A delegation without its `targets/`, or `key:` and the id of a bare key.
fn signer(text: &str) -> Result<Signer, String> {
    if let Some(id) = text.strip_prefix("key:") {
        let known = Sha256::from_hex(id).is_some();
        let why = "after key: stand the 64 lower-case hexadecimal digits of a key's id, as inspect prints them";
        return if known { Ok(Signer::Key(KeyId::from_wire(id))) } else { Err(format!("{text:?}: {why}")) };
    }
    if Sha256::from_hex(text).is_some() {
        return Err(format!("{text:?} looks like the id of a key, which is written \"key:{text}\""));
    }
    let name = DelegationName::parse(&format!("targets/{text}"));
    let name = name.map_err(|e| format!("{text:?} is no signer's name: {e}"))?;
    if name.is_releases() {
        return Err("releases is nobody's name: whoever signs last signs all that is released".to_owned());
    }
    Ok(Signer::Delegation(name))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn a_length_of_time_is_read_as_it_is_written(count in 1_u32.., unit in "[smhd]") {
            let span = Span::parse(&format!("{count}{unit}")).unwrap();
            prop_assert_eq!(span.count, count);
            prop_assert!(span.seconds() >= i64::from(count));
        }
    }
}
