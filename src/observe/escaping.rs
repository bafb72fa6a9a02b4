//! A layer in front of every output: it makes each event anew with its texts escaped, so that whatever a server or a
//! file name put into them, one event is one line and says what it says. Touches nothing.

use std::fmt;

use tracing::field::{DisplayValue, Field, Value, Visit, display};
use tracing::subscriber::Interest;
use tracing::{Event, Level, Metadata, Subscriber};
use tracing_subscriber::Layer;
use tracing_subscriber::layer::Context;

use super::text::escape;

/// Fields of one event that are passed on; no event of ours has nearly as many.
const FIELDS: usize = 32;

/// Hands escaped events to `L`. Spans are switched off: everything that a reader needs is in the event itself, and
/// nothing unescaped can come in through a span's fields.
pub(super) struct Escaping<L>(pub L);

/// Libraries are heard down to debug only, whatever the filter says: their traces may show headers, and so tokens.
fn is_wanted(metadata: &Metadata<'_>) -> bool {
    let ours = metadata.target() == "droptrail" || metadata.target().starts_with("droptrail::");
    metadata.is_event() && (ours || *metadata.level() <= Level::DEBUG)
}

impl<S: Subscriber, L: Layer<S>> Layer<S> for Escaping<L> {
    fn register_callsite(&self, metadata: &'static Metadata<'static>) -> Interest {
        if is_wanted(metadata) { self.0.register_callsite(metadata) } else { Interest::never() }
    }

    fn enabled(&self, metadata: &Metadata<'_>, context: Context<'_, S>) -> bool {
        is_wanted(metadata) && self.0.enabled(metadata, context)
    }

    fn on_event(&self, event: &Event<'_>, context: Context<'_, S>) {
        let mut safe = Safe::default();
        event.record(&mut safe);
        let Some((first, _)) = safe.0.first() else { return self.0.on_event(event, context) };
        let nothing: (&Field, Option<&dyn Value>) = (first, None);
        let mut values = [nothing; FIELDS];
        for (slot, (field, value)) in values.iter_mut().zip(&safe.0) {
            *slot = (field, Some(value.as_value()));
        }
        let values = event.metadata().fields().value_set(&values);
        self.0.on_event(&Event::new(event.metadata(), &values), context);
    }
}

/// A value that is safe to show.
enum Safely {
    Text(DisplayValue<String>),
    Signed(i64),
    Unsigned(u64),
    Float(f64),
    Truth(bool),
}

impl Safely {
    fn as_value(&self) -> &dyn Value {
        match self {
            Safely::Text(value) => value,
            Safely::Signed(value) => value,
            Safely::Unsigned(value) => value,
            Safely::Float(value) => value,
            Safely::Truth(value) => value,
        }
    }
}

#[derive(Default)]
struct Safe(Vec<(Field, Safely)>);

impl Safe {
    fn text(&mut self, field: &Field, text: &str) {
        self.0.push((field.clone(), Safely::Text(display(escape(text).into_owned()))));
    }
}

impl Visit for Safe {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.text(field, &format!("{value:?}"));
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.text(field, value);
    }

    fn record_error(&mut self, field: &Field, value: &(dyn std::error::Error + 'static)) {
        let mut text = value.to_string();
        let mut source = value.source();
        while let Some(cause) = source {
            text.push_str(": ");
            text.push_str(&cause.to_string());
            source = cause.source();
        }
        self.text(field, &text);
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.0.push((field.clone(), Safely::Signed(value)));
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.0.push((field.clone(), Safely::Unsigned(value)));
    }

    fn record_f64(&mut self, field: &Field, value: f64) {
        self.0.push((field.clone(), Safely::Float(value)));
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.0.push((field.clone(), Safely::Truth(value)));
    }
}
