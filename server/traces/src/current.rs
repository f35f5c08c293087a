//! The span that the work of this task is done in, and spans within it. Without one, all of this does nothing.

use std::future::Future;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::context::Context;
use crate::span::{MOST_ATTRIBUTES, Span, Value};
use crate::tracer::On;

tokio::task_local! {
    static CURRENT: Option<Arc<Active>>;
}

/// Whose work a span is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SpanKind {
    /// An answer to a request.
    Server,
    /// A question to another process.
    Client,
    /// Work within this one.
    Internal,
}

/// A span that is at work.
pub(crate) struct Active {
    tracer: Arc<On>,
    context: Context,
    parent: Option<[u8; 8]>,
    kind: SpanKind,
    name: &'static str,
    begun: u64,
    noted: Mutex<Noted>,
}

#[derive(Default)]
struct Noted {
    attributes: Vec<(&'static str, Value)>,
    has_failed: bool,
}

/// The current span, to be taken to another task.
#[derive(Clone, Default)]
pub struct Carried(Option<Arc<Active>>);

/// Does work in a span of its own within the current one.
pub fn child<T>(name: &'static str, kind: SpanKind, work: impl Future<Output = T>) -> impl Future<Output = T> {
    let parent = current();
    let begun = parent.as_ref().filter(|parent| parent.context.is_sampled).and_then(|parent| {
        let context = parent.tracer.within(&parent.context)?;
        Some(Active::begin(Arc::clone(&parent.tracer), context, Some(parent.context.span), kind, name))
    });
    CURRENT.scope(begun.map(Arc::new).or(parent), work)
}

/// Says something about the current span. Never a secret, and nothing of what a document holds.
pub fn note<V: Into<Value>>(key: &'static str, value: impl FnOnce() -> V) {
    with_recorded(|noted| {
        if noted.attributes.len() < MOST_ATTRIBUTES {
            noted.attributes.push((key, value().into()));
        }
    });
}

/// Says that the work of the current span has failed.
pub fn failed() {
    with_recorded(|noted| noted.has_failed = true);
}

/// What another process continues the current trace by, as the header `traceparent`. It is there for a trace that is not
/// recorded, too, so that the other one does not record a part of it.
#[must_use]
pub fn traceparent() -> Option<String> {
    current().map(|active| active.context.to_string())
}

/// The current span, for work that goes on in another task.
#[must_use]
pub fn carried() -> Carried {
    Carried(current())
}

/// Does work within a span that was current elsewhere.
pub fn within<T>(carried: Carried, work: impl Future<Output = T>) -> impl Future<Output = T> {
    CURRENT.scope(carried.0, work)
}

fn current() -> Option<Arc<Active>> {
    // what is not done for a request has no span
    CURRENT.try_with(Option::clone).ok().flatten()
}

fn with_recorded(note: impl FnOnce(&mut Noted)) {
    // outside of a span there is nobody to tell
    let _outside = CURRENT.try_with(|active| {
        if let Some(active) = active.as_ref().filter(|active| active.context.is_sampled) {
            note(&mut active.noted());
        }
    });
}

impl Active {
    pub(crate) fn begin(
        tracer: Arc<On>,
        context: Context,
        parent: Option<[u8; 8]>,
        kind: SpanKind,
        name: &'static str,
    ) -> Self {
        let begun = if context.is_sampled { tracer.now() } else { 0 };
        Self { tracer, context, parent, kind, name, begun, noted: Mutex::default() }
    }

    /// Does work in a span, or in none.
    pub(crate) fn scope<T>(span: Option<Self>, work: impl Future<Output = T>) -> impl Future<Output = T> {
        CURRENT.scope(span.map(Arc::new), work)
    }

    fn noted(&self) -> MutexGuard<'_, Noted> {
        self.noted.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The work has ended, or was given up.
impl Drop for Active {
    fn drop(&mut self) {
        if !self.context.is_sampled {
            return;
        }
        let Noted { attributes, has_failed } = std::mem::take(&mut *self.noted());
        self.tracer.end(Span {
            context: self.context,
            parent: self.parent,
            kind: self.kind,
            name: self.name,
            begun: self.begun,
            ended: self.tracer.now(),
            attributes,
            has_failed,
        });
    }
}
