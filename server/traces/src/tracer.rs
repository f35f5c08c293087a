//! Begins traces, or goes on with those of callers.

use std::future::Future;
use std::sync::Arc;

use ring::rand::SecureRandom;
use tokio::sync::mpsc;

use crate::collector::Collector;
use crate::context::Context;
use crate::current::{Active, SpanKind};
use crate::export::{Counts, Export, StartError};
use crate::sampling::Ratio;
use crate::span::Span;

/// How many spans may wait for their export: some four megabytes at most.
pub(crate) const QUEUE: usize = 2048;

/// Records traces, or does not.
#[derive(Clone, Default)]
pub struct Tracer(Option<Arc<On>>);

/// What is recorded and where it is sent to.
pub struct Settings {
    /// The name of this program, for the collector.
    pub service: &'static str,
    /// Its version.
    pub version: &'static str,
    /// Where spans are sent to.
    pub collector: Collector,
    /// Which traces are recorded.
    pub ratio: Ratio,
    /// PEM of the authorities that the collector's certificate may come from; the system's when it is missing.
    pub ca_pem: Option<Vec<u8>>,
    /// Whether callers decide.
    pub callers: Callers,
}

/// Who decides whether a trace is recorded that came with a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Callers {
    /// The share decides: anybody may ask, and nobody is to switch recording on or off.
    Strangers,
    /// The caller does: it showed a certificate, and its half of the trace would be torn off otherwise.
    Known,
}

/// What came with a request.
#[derive(Clone, Copy, Debug)]
pub struct Asked<'a> {
    /// What the request is, one of few names.
    pub name: &'static str,
    /// The header `traceparent`, if there was exactly one.
    pub traceparent: Option<&'a str>,
}

/// A tracer that is on.
pub(crate) struct On {
    ratio: Ratio,
    callers: Callers,
    now: Box<dyn Fn() -> u64 + Send + Sync>,
    rng: Arc<dyn SecureRandom + Send + Sync>,
    queue: mpsc::Sender<Span>,
    counts: Counts,
}

impl Tracer {
    /// Records nothing.
    #[must_use]
    pub const fn off() -> Self {
        Self(None)
    }

    /// Begins to export what is recorded, in the background. `now` tells nanoseconds since 1970. Must be called inside a tokio
    /// runtime.
    ///
    /// # Errors
    /// [`StartError`] when the address or the authorities cannot be used. Whether the collector is there is not asked.
    pub fn start(
        settings: &Settings,
        now: impl Fn() -> u64 + Send + Sync + 'static,
        rng: Arc<dyn SecureRandom + Send + Sync>,
    ) -> Result<(Self, Export), StartError> {
        let (queue, waiting) = mpsc::channel(QUEUE);
        let counts = Counts::default();
        let export = Export::start(settings, waiting, counts.clone())?;
        let Settings { ratio, callers, .. } = *settings;
        Ok((Self(Some(Arc::new(On { ratio, callers, now: Box::new(now), rng, queue, counts }))), export))
    }

    /// How many spans were exported and dropped so far.
    #[must_use]
    pub fn counts(&self) -> Counts {
        self.0.as_ref().map(|on| on.counts.clone()).unwrap_or_default()
    }

    /// Does the work of a request, in a span if its trace is recorded.
    pub fn request<T, F: Future<Output = T>>(&self, asked: Asked<'_>, work: F) -> impl Future<Output = T> + use<T, F> {
        Active::scope(self.0.as_ref().and_then(|on| on.begin(asked)), work)
    }
}

impl On {
    fn begin(self: &Arc<Self>, asked: Asked<'_>) -> Option<Active> {
        let above = asked.traceparent.and_then(Context::parse);
        let own: [u8; 16] = self.random()?;
        let trace = above.map_or(own, |above| above.trace);
        let is_sampled = match (self.callers, above) {
            (Callers::Known, Some(above)) => above.is_sampled,
            // not by an id that a stranger may have chosen so that it is
            (Callers::Known, None) | (Callers::Strangers, _) => self.ratio.samples(&own),
        };
        let context = Context { trace, span: self.random()?, is_sampled };
        Some(Active::begin(Arc::clone(self), context, above.map(|above| above.span), SpanKind::Server, asked.name))
    }

    /// What a span within another one is known by.
    pub(crate) fn within(&self, above: &Context) -> Option<Context> {
        Some(Context { span: self.random()?, ..*above })
    }

    pub(crate) fn now(&self) -> u64 {
        (self.now)()
    }

    /// Has a span exported if there is room for it. Never waits.
    pub(crate) fn end(&self, span: Span) {
        if self.queue.try_send(span).is_err() {
            self.counts.drop_spans(1);
        }
    }

    /// An id, which must not be all zeros. Without randomness there are none, and nothing is recorded.
    fn random<const N: usize>(&self) -> Option<[u8; N]> {
        let mut id = [0; N];
        self.rng.fill(&mut id).ok()?;
        (id != [0; N]).then_some(id)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU64, Ordering};

    use ring::rand::SystemRandom;

    use super::*;
    use crate::{Value, carried, child, failed, note, traceparent, within};

    const HEADER: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

    /// A tracer whose clock ticks once for each look, and what it records.
    fn recording(ratio: &str, callers: Callers, room: usize) -> (Tracer, mpsc::Receiver<Span>) {
        let (queue, waiting) = mpsc::channel(room);
        let ticks = AtomicU64::new(1);
        let on = On {
            ratio: ratio.parse().unwrap(),
            callers,
            now: Box::new(move || ticks.fetch_add(1, Ordering::SeqCst)),
            rng: Arc::new(SystemRandom::new()),
            queue,
            counts: Counts::default(),
        };
        (Tracer(Some(Arc::new(on))), waiting)
    }

    fn asked(traceparent: Option<&str>) -> Asked<'_> {
        Asked { name: "request", traceparent }
    }

    fn all(waiting: &mut mpsc::Receiver<Span>) -> Vec<Span> {
        std::iter::from_fn(|| waiting.try_recv().ok()).collect()
    }

    #[tokio::test]
    async fn spans_of_one_request_are_one_trace_and_a_child_is_within_its_parent() {
        let (tracer, mut waiting) = recording("1", Callers::Strangers, 9);
        let work = async {
            note("status", || 200);
            child("inner", SpanKind::Client, async {
                note("name", || "value");
                failed();
            })
            .await;
        };
        tracer.request(asked(Some(HEADER)), work).await;
        let spans = all(&mut waiting);
        let [inner, request] = spans.as_slice() else { panic!("{spans:?}") };
        assert_eq!((inner.name, inner.kind, inner.has_failed), ("inner", SpanKind::Client, true));
        assert_eq!(inner.attributes, [("name", Value::Text("value".to_owned()))]);
        assert_eq!((request.name, request.kind, request.has_failed), ("request", SpanKind::Server, false));
        assert_eq!(request.attributes, [("status", Value::Number(200))]);
        assert_eq!((inner.context.trace, inner.parent), (request.context.trace, Some(request.context.span)));
        let above = Context::parse(HEADER).unwrap();
        assert_eq!((request.context.trace, request.parent), (above.trace, Some(above.span)));
        assert_eq!([request.begun, inner.begun, inner.ended, request.ended], [1, 2, 3, 4]);
    }

    #[tokio::test]
    async fn a_header_that_is_none_begins_a_trace_of_its_own() {
        let (tracer, mut waiting) = recording("1", Callers::Known, 9);
        for header in [None, Some("00-zz"), Some("")] {
            tracer.request(asked(header), async {}).await;
        }
        let spans = all(&mut waiting);
        assert!(spans.iter().all(|span| span.parent.is_none()));
        assert!(spans.len() == 3 && spans[0].context.trace != spans[1].context.trace);
    }

    #[tokio::test]
    async fn strangers_neither_switch_recording_on_nor_off_and_known_callers_do() {
        let off = HEADER.replace("-01", "-00");
        for (ratio, callers, header, recorded) in [
            ("0", Callers::Strangers, HEADER, 0),
            ("1", Callers::Strangers, off.as_str(), 1),
            ("0", Callers::Known, HEADER, 1),
            ("1", Callers::Known, off.as_str(), 0),
        ] {
            let (tracer, mut waiting) = recording(ratio, callers, 9);
            let sent = tracer.request(asked(Some(header)), async { traceparent() }).await.unwrap();
            assert_eq!(all(&mut waiting).len(), recorded, "{ratio} {callers:?} {header}");
            // what is not recorded here is not recorded behind it
            assert!(
                sent.starts_with(&HEADER[..36]) && sent.ends_with(if recorded == 1 { "-01" } else { "-00" }),
                "{sent}"
            );
        }
    }

    #[tokio::test]
    async fn an_id_that_a_stranger_chose_does_not_decide() {
        let (tracer, mut waiting) = recording("0.000000001", Callers::Strangers, 9);
        let chosen = format!("00-{}{}-b7ad6b7169203331-01", "f".repeat(16), "0".repeat(16));
        tracer.request(asked(Some(&chosen)), async {}).await;
        assert_eq!(all(&mut waiting), []);
    }

    #[tokio::test]
    async fn what_does_not_fit_is_dropped_at_once_and_counted() {
        let (tracer, mut waiting) = recording("1", Callers::Strangers, 2);
        for _ in 0..5 {
            tracer.request(asked(None), async {}).await;
        }
        assert_eq!((all(&mut waiting).len(), tracer.counts().dropped()), (2, 3));
    }

    #[tokio::test]
    async fn work_in_another_task_stays_in_its_trace() {
        let (tracer, mut waiting) = recording("1", Callers::Strangers, 9);
        let work =
            async { tokio::spawn(within(carried(), child("elsewhere", SpanKind::Internal, async {}))).await.unwrap() };
        tracer.request(asked(None), work).await;
        let spans = all(&mut waiting);
        assert_eq!((spans[0].name, spans[0].parent), ("elsewhere", Some(spans[1].context.span)));
    }

    #[tokio::test]
    async fn work_that_is_given_up_ends_its_span() {
        let (tracer, mut waiting) = recording("1", Callers::Strangers, 9);
        let work = tracer.request(asked(None), std::future::pending::<()>());
        tokio::time::timeout(std::time::Duration::ZERO, work).await.unwrap_err();
        assert_eq!(all(&mut waiting).len(), 1);
    }

    #[tokio::test]
    async fn sixteen_attributes_are_kept_and_one_more_is_not() {
        let (tracer, mut waiting) = recording("1", Callers::Strangers, 9);
        let work = async { (0..17).for_each(|number| note("number", || number)) };
        tracer.request(asked(None), work).await;
        assert_eq!(all(&mut waiting)[0].attributes.len(), 16);
    }

    #[tokio::test]
    async fn off_nothing_is_recorded_and_nothing_sent_on() {
        let tracer = Tracer::off();
        let work = async {
            note("never", || -> &str { panic!("nobody asks for it") });
            child("inner", SpanKind::Internal, async { traceparent() }).await
        };
        assert_eq!(tracer.request(asked(Some(HEADER)), work).await, None);
    }
}
