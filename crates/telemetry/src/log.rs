//! Structured logs: one JSON object a line on standard output.
//!
//! ```json
//! {"time":"2026-01-15T09:30:00.123456Z","level":"INFO","service":"order","message":"listening","addr":"127.0.0.1:7007"}
//! ```
//!
//! An event's fields follow the message. Where several services share a process, an event may name
//! its own in a field `service`.

use std::fmt::{self, Write as _};
use std::sync::OnceLock;

use serde_json::{Map, Value};
use tracing::field::{Field, Visit};
use tracing::{Event, Subscriber};
use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::time::{FormatTime as _, SystemTime};
use tracing_subscriber::fmt::{FmtContext, FormatEvent, FormatFields};
use tracing_subscriber::registry::LookupSpan;

/// Environment variable with the filter, in the syntax of `tracing_subscriber::EnvFilter`.
pub const FILTER_VARIABLE: &str = "BANYAN_LOG";

/// Keys that a line begins with; an event's fields of these names are left out.
const RESERVED: [&str; 2] = ["time", "level"];

/// The service that the process is, as its first call of [`init`] said.
static SERVICE: OnceLock<String> = OnceLock::new();

/// Starts logging for a process that `service` names. A second call does nothing.
///
/// The filter comes from `BANYAN_LOG`; without it, or when it can't be read, `info`.
pub fn init(service: &str) {
    let wanted = std::env::var(FILTER_VARIABLE).ok();
    let filter = wanted.as_deref().map(EnvFilter::try_new);
    let unreadable = matches!(filter, Some(Err(_)));
    let filter = filter
        .and_then(Result::ok)
        .unwrap_or_else(|| EnvFilter::new("info"));
    SERVICE.get_or_init(|| service.to_owned());
    let started = tracing_subscriber::fmt()
        // Whoever read our lines may be gone; to complain of that is no reason to fail.
        .log_internal_errors(false)
        .event_format(Json)
        .with_env_filter(filter)
        .with_writer(std::io::stdout)
        .try_init();
    if started.is_ok() && unreadable {
        tracing::warn!(filter = wanted, "BANYAN_LOG can't be read; logging at info");
    }
}

/// Formats an event as one JSON object.
struct Json;

impl<S, N> FormatEvent<S, N> for Json
where
    S: Subscriber + for<'lookup> LookupSpan<'lookup>,
    N: for<'writer> FormatFields<'writer> + 'static,
{
    fn format_event(
        &self,
        _context: &FmtContext<'_, S, N>,
        mut writer: Writer<'_>,
        event: &Event<'_>,
    ) -> fmt::Result {
        let mut fields = Fields(Map::new());
        event.record(&mut fields);
        let Fields(mut fields) = fields;
        let named = fields
            .remove("service")
            .and_then(|name| name.as_str().map(str::to_owned));
        let process = SERVICE.get().map_or("", String::as_str);
        let service = Value::from(named.as_deref().unwrap_or(process));
        let message = fields.remove("message").unwrap_or_else(|| Value::from(""));
        writer.write_str("{\"time\":\"")?;
        SystemTime.format_time(&mut writer)?;
        write!(writer, "\",\"level\":\"{}\"", event.metadata().level())?;
        write!(writer, ",\"service\":{service},\"message\":{message}")?;
        for (name, value) in fields
            .iter()
            .filter(|(name, _)| !RESERVED.contains(&name.as_str()))
        {
            write!(writer, ",{}:{value}", Value::from(name.as_str()))?;
        }
        writeln!(writer, "}}")
    }
}

/// Collects an event's fields as JSON values.
struct Fields(Map<String, Value>);

impl Fields {
    fn add(&mut self, field: &Field, value: impl Into<Value>) {
        // `r#type` is spelled so in source only.
        let name = field.name();
        self.0.insert(
            name.strip_prefix("r#").unwrap_or(name).to_owned(),
            value.into(),
        );
    }
}

impl Visit for Fields {
    fn record_f64(&mut self, field: &Field, value: f64) {
        self.add(field, value);
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.add(field, value);
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.add(field, value);
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.add(field, value);
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.add(field, value);
    }

    fn record_error(&mut self, field: &Field, value: &(dyn std::error::Error + 'static)) {
        let mut text = value.to_string();
        let mut cause = value.source();
        while let Some(error) = cause {
            // Writing to a string does not fail.
            let _ = write!(text, ": {error}");
            cause = error.source();
        }
        self.add(field, text);
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.add(field, format!("{value:?}"));
    }
}

#[cfg(test)]
mod tests {
    use std::io;
    use std::sync::{Arc, Mutex};

    use super::*;

    #[derive(Clone, Default)]
    struct Lines(Arc<Mutex<Vec<u8>>>);

    impl io::Write for Lines {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().write(bytes)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn logged(events: impl FnOnce()) -> Vec<String> {
        SERVICE.get_or_init(|| "order".to_owned());
        let lines = Lines::default();
        let writer = lines.clone();
        let subscriber = tracing_subscriber::fmt()
            .event_format(Json)
            .with_max_level(tracing::Level::INFO)
            .with_writer(move || writer.clone())
            .finish();
        tracing::subscriber::with_default(subscriber, events);
        let bytes = lines.0.lock().unwrap().clone();
        String::from_utf8(bytes)
            .unwrap()
            .lines()
            .map(str::to_owned)
            .collect()
    }

    #[test]
    fn a_line_has_time_level_service_message_and_the_fields() {
        let lines = logged(|| tracing::info!(status = 200, path = "/a", ok = true, "request"));
        let line: Value = serde_json::from_str(&lines[0]).unwrap();
        assert_eq!(line["level"], "INFO");
        assert_eq!(line["service"], "order");
        assert_eq!(line["message"], "request");
        assert_eq!(line["status"], 200);
        assert_eq!(line["path"], "/a");
        assert_eq!(line["ok"], true);
        let time = line["time"].as_str().unwrap();
        assert!(time.ends_with('Z') && time.contains('T'), "{time}");
    }

    #[test]
    fn nothing_in_a_field_can_end_the_line_or_replace_its_beginning() {
        let nasty = "a\"}\n{\"level\":\"ERROR\" \u{1b}[31m";
        let lines = logged(|| tracing::info!(nasty, time = "never", level = 9, "{nasty}"));
        assert_eq!(lines.len(), 1);
        let line: Value = serde_json::from_str(&lines[0]).unwrap();
        assert_eq!(line["nasty"], nasty);
        assert_eq!(line["message"], nasty);
        assert_eq!(line["level"], "INFO");
        assert_eq!(lines[0].matches("\"level\":").count(), 1);
    }

    #[test]
    fn an_event_may_name_its_own_service() {
        let lines = logged(|| tracing::info!(service = "catalog", "listening"));
        assert_eq!(lines[0].matches("\"service\":").count(), 1);
        let line: Value = serde_json::from_str(&lines[0]).unwrap();
        assert_eq!(line["service"], "catalog");
    }

    #[test]
    fn an_errors_causes_are_told() {
        let error = io::Error::other(io::Error::other("the disk is full"));
        let lines =
            logged(|| tracing::error!(error = &error as &dyn std::error::Error, "not saved"));
        assert!(lines[0].contains("the disk is full"), "{}", lines[0]);
    }

    #[test]
    fn logging_may_be_started_twice() {
        init("order");
        init("catalog");
    }
}
