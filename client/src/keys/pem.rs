//! PEM blocks with headers, as Go writes and reads them: sorted headers, one blank line, 64 columns.
//!
//! The `pem` crate refuses header values with a colon, which every GUN with a port has.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use zeroize::Zeroizing;

/// Characters of base64 in a line.
const COLUMNS: usize = 64;

/// One PEM block. Its content may be a private key in the clear, so it is wiped on drop.
pub(crate) struct Block {
    /// The text after `BEGIN`.
    pub(crate) label: String,
    /// Headers in the order of the file.
    pub(crate) headers: Vec<(String, String)>,
    /// The decoded content.
    pub(crate) content: Zeroizing<Vec<u8>>,
}

impl Block {
    /// The value of a header.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(n, _)| n == name).map(|(_, value)| value.as_str())
    }

    /// Every block of a text; what stands between blocks is skipped, and so is a block that is cut or mismatched.
    pub(crate) fn parse_all(text: &str) -> Vec<Self> {
        Self::parse_each(text).into_iter().filter_map(Result::ok).collect()
    }

    /// Every block of a text, or the label of one that is cut or mismatched.
    pub(crate) fn parse_each(text: &str) -> Vec<Result<Self, String>> {
        let mut blocks = Vec::new();
        let mut begun: Option<(&str, Vec<&str>)> = None;
        for line in text.lines().map(str::trim_end) {
            if let Some(label) = mark(line, "-----BEGIN ") {
                blocks.extend(begun.replace((label, Vec::new())).map(|(cut, _)| Err(cut.to_owned())));
            } else if let Some(end) = mark(line, "-----END ") {
                let ended = begun.take().map(|(label, body)| {
                    let block = if label == end { Self::parse_body(label, &body) } else { None };
                    block.ok_or_else(|| label.to_owned())
                });
                blocks.extend(ended);
            } else if let Some((_, body)) = &mut begun {
                body.push(line);
            }
        }
        blocks.extend(begun.map(|(cut, _)| Err(cut.to_owned())));
        blocks
    }

    fn parse_body(label: &str, body: &[&str]) -> Option<Self> {
        let header = |line: &&str| line.split_once(':').map(|(n, v)| (n.trim().to_owned(), v.trim().to_owned()));
        let headers: Vec<_> = body.iter().map_while(header).collect();
        let mut base64 = Zeroizing::new(String::new());
        for line in body.iter().skip(headers.len()) {
            base64.push_str(line.trim());
        }
        let content = Zeroizing::new(STANDARD.decode(base64.as_bytes()).ok()?);
        Some(Self { label: label.to_owned(), headers, content })
    }

    /// The block as text. Headers are sorted by name, the one that says how it is encrypted first, as Go sorts them.
    pub(crate) fn encode(&self) -> Zeroizing<String> {
        let mut headers = self.headers.clone();
        headers.sort_by_key(|(name, value)| (name != "Proc-Type", name.clone(), value.clone()));
        let base64 = Zeroizing::new(STANDARD.encode(self.content.as_slice()));
        let around: usize = headers.iter().map(|(name, value)| name.len() + value.len() + 3).sum();
        let around = around.saturating_add(self.label.len().saturating_mul(2)).saturating_add(64);
        // Large enough at once: where it grew from would not be wiped.
        let mut text = Zeroizing::new(String::with_capacity(base64.len().saturating_mul(2).saturating_add(around)));
        text.push_str(&format!("-----BEGIN {}-----\n", self.label));
        for (name, value) in &headers {
            text.push_str(&format!("{name}: {value}\n"));
        }
        if !headers.is_empty() {
            text.push('\n');
        }
        let mut rest = base64.as_str();
        while !rest.is_empty() {
            let (line, after) = rest.split_at(rest.len().min(COLUMNS));
            text.push_str(line);
            text.push('\n');
            rest = after;
        }
        text.push_str(&format!("-----END {}-----\n", self.label));
        text
    }
}

/// The label of a line that begins or ends a block.
fn mark<'a>(line: &'a str, begin: &str) -> Option<&'a str> {
    line.strip_prefix(begin)?.strip_suffix("-----")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn what_is_written_is_read_back(content: Vec<u8>, gun in "[a-z0-9.:/]{1,80}") {
            let headers = vec![("gun".to_owned(), gun), ("role".to_owned(), "targets".to_owned())];
            let block = Block { label: "ENCRYPTED PRIVATE KEY".into(), headers, content: Zeroizing::new(content) };
            let read = Block::parse_all(&block.encode());
            prop_assert_eq!(read.len(), 1);
            prop_assert_eq!(&read[0].headers, &block.headers);
            prop_assert_eq!(&*read[0].content, &*block.content);
        }

        #[test]
        fn no_text_makes_the_reader_panic(text in "(-----BEGIN [A-Z]{0,3}-----|-----END [A-Z]{0,3}-----|[a-z]{0,4}:? ?[=A-Za-z]{0,9}|\n){0,20}") {
            Block::parse_all(&text);
        }
    }

    #[test]
    fn a_file_of_the_reference_is_written_back_byte_for_byte() {
        for text in [
            include_str!("../../../tests/fixtures/keys/genkey-key.pem"),
            include_str!("../../../tests/fixtures/keys/genkey.pem"),
            include_str!(
                "../../../tests/fixtures/trust-dir/private/0b0c04439618cc8dbadec0a6fee4983caf3ba961a3617381c3325c48d186d665.key"
            ),
        ] {
            let blocks = Block::parse_all(text);
            assert_eq!(blocks.len(), 1);
            assert_eq!(blocks[0].encode().as_str(), text);
        }
    }

    #[test]
    fn a_header_value_may_have_a_colon() {
        let block = Block {
            label: "X".into(),
            headers: vec![("role".into(), "targets".into()), ("gun".into(), "a.test:5000/b".into())],
            content: Zeroizing::new(vec![1; 49]),
        };
        let text = block.encode();
        assert!(text.starts_with("-----BEGIN X-----\ngun: a.test:5000/b\nrole: targets\n\nAQEB"), "{}", *text);
        let read = Block::parse_all(&text);
        assert_eq!(read[0].header("gun"), Some("a.test:5000/b"));
        assert_eq!(*read[0].content, vec![1; 49]);
    }

    #[test]
    fn text_between_blocks_is_skipped_and_cut_blocks_are_no_blocks() {
        let text = "hello\n-----BEGIN A-----\nAQ==\n-----END A-----\nbetween\n-----BEGIN B-----\r\nAg==\r\n-----END B-----\r\n\
            -----BEGIN C-----\nA\n";
        let labels: Vec<_> = Block::parse_all(text).into_iter().map(|b| (b.label, b.content.to_vec())).collect();
        assert_eq!(labels, [("A".to_owned(), vec![1]), ("B".to_owned(), vec![2])]);
    }

    #[test]
    fn a_cut_block_is_told_and_takes_no_other_with_it() {
        let whole = "-----BEGIN A-----\nAQ==\n-----END A-----\n";
        let labels = |text: &str| -> Vec<_> {
            Block::parse_each(text).into_iter().map(|block| block.map(|block| block.label)).collect()
        };
        for (cut, told) in [
            ("-----BEGIN A-----\nAQ==\n", "A"),
            ("-----BEGIN B-----\nAQ==\n-----END A-----\n", "B"),
            ("-----BEGIN B-----\nAQ=\n-----END B-----\n", "B"),
        ] {
            assert_eq!(labels(&format!("{cut}{whole}")), [Err(told.to_owned()), Ok("A".to_owned())], "{cut}");
            assert_eq!(labels(&format!("{whole}{cut}")), [Ok("A".to_owned()), Err(told.to_owned())], "{cut}");
        }
    }

    #[test]
    fn the_header_that_says_how_a_block_is_encrypted_comes_first() {
        let headers = ["role", "Proc-Type", "DEK-Info"].map(|name| (name.to_owned(), "x".to_owned())).to_vec();
        let block = Block { label: "X".into(), headers, content: Zeroizing::new(vec![1]) };
        assert!(block.encode().starts_with("-----BEGIN X-----\nProc-Type: x\nDEK-Info: x\nrole: x\n\n"));
    }
}
