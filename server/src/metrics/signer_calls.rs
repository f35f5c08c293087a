//! What the signer was asked, how that ended and how long it took.

use std::future::Future;
use std::sync::Arc;

use bulla_traces::{SpanKind, child, failed, note};

use super::label::{Histograms, Label};
use super::page::Page;
use crate::clock::Clock;
use crate::signer::SignerError;

/// Questions to the signer. What is answered from memory asks nobody, and is not among them.
pub(crate) struct SignerCalls {
    clock: Arc<dyn Clock>,
    seconds: Histograms<Call, CallOutcome>,
}

/// What the signer is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Call {
    CreateKey,
    PublicKey,
    Sign,
    Check,
}

/// How a question ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum CallOutcome {
    Answered,
    NotHeld,
    Unavailable,
    Deadline,
    WrongPassphrase,
    Busy,
    Refused,
    BadAnswer,
}

impl SignerCalls {
    pub(crate) fn new(clock: Arc<dyn Clock>) -> Self {
        Self { clock, seconds: Histograms::new() }
    }

    /// Waits for the answer to a question, in a span of its own, and counts it.
    pub(crate) async fn timed<T>(
        &self,
        call: Call,
        question: impl Future<Output = Result<T, SignerError>> + Send,
    ) -> Result<T, SignerError> {
        let asked = self.clock.uptime();
        let (answer, outcome) = child(call.span(), SpanKind::Client, async {
            let answer = question.await;
            let outcome = CallOutcome::of(answer.as_ref().err());
            note("bulla.outcome", || outcome.as_str());
            if outcome != CallOutcome::Answered {
                failed();
            }
            (answer, outcome)
        })
        .await;
        let took = self.clock.uptime().saturating_sub(asked);
        self.seconds.observe(call, outcome, took);
        answer
    }

    pub(super) fn write(&self, page: &mut Page) {
        self.seconds.write(
            page,
            "bulla_calls_to_signer_seconds",
            "What questions to the signer took, by how they ended.",
        );
    }
}

impl Call {
    fn span(self) -> &'static str {
        match self {
            Self::CreateKey => "signer.create_key",
            Self::PublicKey => "signer.public_key",
            Self::Sign => "signer.sign",
            Self::Check => "signer.check",
        }
    }
}

impl CallOutcome {
    fn of(error: Option<&SignerError>) -> Self {
        match error {
            None => Self::Answered,
            Some(SignerError::NotHeld(_)) => Self::NotHeld,
            Some(SignerError::Unavailable(_)) => Self::Unavailable,
            Some(SignerError::Deadline(_)) => Self::Deadline,
            Some(SignerError::WrongPassphrase { .. }) => Self::WrongPassphrase,
            Some(SignerError::Busy { .. }) => Self::Busy,
            Some(SignerError::Refused { .. }) => Self::Refused,
            Some(SignerError::BadAnswer(_)) => Self::BadAnswer,
        }
    }
}

impl Label for Call {
    const NAME: &'static str = "call";
    const ALL: &'static [Self] = &[Self::CreateKey, Self::PublicKey, Self::Sign, Self::Check];

    fn as_str(self) -> &'static str {
        match self {
            Self::CreateKey => "create_key",
            Self::PublicKey => "public_key",
            Self::Sign => "sign",
            Self::Check => "check",
        }
    }
}

impl Label for CallOutcome {
    const NAME: &'static str = "outcome";
    const ALL: &'static [Self] = &[
        Self::Answered,
        Self::NotHeld,
        Self::Unavailable,
        Self::Deadline,
        Self::WrongPassphrase,
        Self::Busy,
        Self::Refused,
        Self::BadAnswer,
    ];

    fn as_str(self) -> &'static str {
        match self {
            Self::Answered => "ok",
            Self::NotHeld => "not_held",
            Self::Unavailable => "unavailable",
            Self::Deadline => "deadline",
            Self::WrongPassphrase => "wrong_passphrase",
            Self::Busy => "busy",
            Self::Refused => "refused",
            Self::BadAnswer => "bad_answer",
        }
    }
}

#[cfg(test)]
impl SignerCalls {
    /// What it would write.
    pub(crate) fn written(&self) -> String {
        let mut page = Page::default();
        self.write(&mut page);
        page.finish()
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tuf_schema::KeyId;

    use super::*;
    use crate::clock::TestClock;
    use crate::signer::BadAnswer;

    #[tokio::test]
    async fn a_question_is_counted_by_how_it_ended_with_what_it_took() {
        let clock = TestClock::at("2026-11-21T21:05:00Z");
        let calls = SignerCalls::new(clock.clone());
        let words = || "words".to_owned();
        let answers = [
            (Ok(()), "ok"),
            (Err(SignerError::NotHeld(KeyId::from_wire("aa"))), "not_held"),
            (Err(SignerError::Unavailable("no connection".into())), "unavailable"),
            (Err(SignerError::Deadline(Duration::from_secs(10))), "deadline"),
            (Err(SignerError::WrongPassphrase { message: words() }), "wrong_passphrase"),
            (Err(SignerError::Busy { message: words() }), "busy"),
            (Err(SignerError::Refused { code: words(), message: words() }), "refused"),
            (Err(SignerError::BadAnswer(BadAnswer::Missing("key id"))), "bad_answer"),
        ];
        for (answer, outcome) in answers {
            let question = async {
                clock.advance_seconds(2);
                answer
            };
            let _told = calls.timed(Call::Sign, question).await;
            let labels = format!("call=\"sign\",outcome=\"{outcome}\"");
            let page = calls.written();
            for expected in [
                format!("bulla_calls_to_signer_seconds_bucket{{{labels},le=\"1\"}} 0\n"),
                format!("bulla_calls_to_signer_seconds_bucket{{{labels},le=\"2.5\"}} 1\n"),
                format!("bulla_calls_to_signer_seconds_sum{{{labels}}} 2.000000000\n"),
                format!("bulla_calls_to_signer_seconds_count{{{labels}}} 1\n"),
            ] {
                assert!(page.contains(&expected), "{expected}{page}");
            }
        }
    }
}
