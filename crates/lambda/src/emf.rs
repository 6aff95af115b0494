//! Numbers for `CloudWatch`, in the embedded metric format: JSON lines among the logs.

use std::{io, sync::OnceLock};

use metrics::{describe_counter, describe_gauge, describe_histogram};
use metrics_cloudwatch_embedded::{Builder, Collector};
use tryon_core::metrics::{Kind, TABLE};

const NAMESPACE: &str = "tryon";

static COLLECTOR: OnceLock<&'static Collector> = OnceLock::new();

/// From here on, numbers are kept until they are printed.
pub(crate) fn init(stage: &str, function: &'static str) {
    let builder = Builder::new()
        .cloudwatch_namespace(NAMESPACE)
        .with_dimension("stage", stage.to_owned())
        .with_dimension("function", function);
    let Ok(collector) = builder.init() else {
        tracing::warn!("numbers go elsewhere already");
        return;
    };
    for line in TABLE {
        match line.kind {
            Kind::Count => describe_counter!(line.name, line.unit, line.meaning),
            Kind::Distribution => describe_histogram!(line.name, line.unit, line.meaning),
            Kind::Level => describe_gauge!(line.name, line.unit, line.meaning),
        }
    }
    COLLECTOR.get_or_init(|| collector);
}

/// Prints what was counted since the last time. A metric takes at most 100 values between two prints,
/// so that doors print after each message of many renders.
pub(crate) fn flush() {
    if let Some(collector) = COLLECTOR.get()
        && let Err(error) = collector.flush(io::stdout().lock())
    {
        tracing::warn!(%error, "numbers could not be printed");
    }
}
