//! What became of the deltas that clients could have been sent.

use super::label::Label;

/// What there was in place of a document of which the client holds another version.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum DeltaOutcome {
    /// A delta that was made for this answer.
    Made,
    /// A delta that was made before.
    Remembered,
    /// None that is worth sending, or nothing to make it against.
    Useless,
    /// None, for want of a turn to make it.
    NoTurn,
}

impl Label for DeltaOutcome {
    const NAME: &'static str = "outcome";
    const ALL: &'static [Self] = &[Self::Made, Self::Remembered, Self::Useless, Self::NoTurn];

    fn as_str(self) -> &'static str {
        match self {
            Self::Made => "made",
            Self::Remembered => "remembered",
            Self::Useless => "useless",
            Self::NoTurn => "no_turn",
        }
    }
}
