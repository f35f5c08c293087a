//! Traces of requests: spans that are kept in memory while a request is at work, and exported by OTLP in the background.
//!
//! Off, nothing is recorded and nothing allocated. On, a request never waits for the collector: what does not fit into the
//! queue is dropped and counted. Knows nothing of metadata and of keys, and reads no clock.

mod collector;
mod context;
mod current;
mod export;
mod sampling;
mod span;
mod tracer;
mod wire;

pub use collector::{Collector, CollectorError};
pub use context::{Context, TRACEPARENT, given};
pub use current::{Carried, SpanKind, carried, child, failed, note, traceparent, within};
pub use export::{Counts, Export, StartError};
pub use sampling::{NotARatio, Ratio};
pub use span::Value;
pub use tracer::{Asked, Callers, Settings, Tracer};

/// The messages and stubs made from `proto/`.
#[expect(missing_docs, reason = "generated from the contract, which says what they mean")]
#[expect(clippy::allow_attributes_without_reason, unused_qualifications, reason = "generated")]
pub mod otlp {
    pub mod collector {
        pub mod trace {
            pub mod v1 {
                tonic::include_proto!("opentelemetry.proto.collector.trace.v1");
            }
        }
    }
    pub mod common {
        pub mod v1 {
            tonic::include_proto!("opentelemetry.proto.common.v1");
        }
    }
    pub mod resource {
        pub mod v1 {
            tonic::include_proto!("opentelemetry.proto.resource.v1");
        }
    }
    pub mod trace {
        pub mod v1 {
            tonic::include_proto!("opentelemetry.proto.trace.v1");
        }
    }
}
