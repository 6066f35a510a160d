//! What a row says of answers, in words.

use route_table::Table;
use route_table::table::{Origins, Route};

use crate::explain::settings::{bytes, time};

pub(super) fn cors(route: &Route) -> String {
    let Some(cors) = &route.policy.cors else {
        return "none: the upstream's own".to_owned();
    };
    let mut text = match &cors.origins {
        Origins::Any => "anybody".to_owned(),
        Origins::Listed(patterns) => {
            let texts: Vec<_> = patterns.iter().map(|pattern| &*pattern.text).collect();
            texts.join(", ")
        }
    };
    if cors.credentials {
        text.push_str(", with credentials");
    }
    text
}

pub(super) fn compress(route: &Route) -> String {
    let Some(rules) = &route.policy.compress else {
        return "no".to_owned();
    };
    let encodings = rules.encodings.iter();
    let encodings: Vec<_> = encodings.map(|encoding| encoding.as_str()).collect();
    format!(
        "{}, {} types, from {}",
        encodings.join(" "),
        rules.types.len(),
        bytes(rules.min_bytes)
    )
}

pub(super) fn maintenance(route: &Route) -> String {
    let Some(maintenance) = &route.policy.maintenance else {
        return "no".to_owned();
    };
    let mut text = format!("closed, back after {}", time(maintenance.retry_after));
    if !maintenance.except.is_empty() {
        let except = maintenance.except.iter();
        let except: Vec<_> = except.map(ToString::to_string).collect();
        text.push_str(&format!(", open to {}", except.join(", ")));
    }
    if !route.policy.given.has("maintenance") {
        text.push_str(" (the whole table)");
    }
    text
}

pub(super) fn error_pages(table: &Table, route: &Route) -> String {
    let own = route.policy.error_pages.as_deref();
    let all = || own.into_iter().chain(table.error_pages.as_deref());
    let mut texts = Vec::new();
    for (page, file) in all().flat_map(|pages| &pages.pages) {
        // What the row says stands before what the whole table says of the same.
        if !texts.iter().any(|(known, _)| known == page) {
            let text = format!("{page} {}", table.file(*file).path.display());
            texts.push((*page, text));
        }
    }
    let mut texts: Vec<_> = texts.into_iter().map(|(_, text)| text).collect();
    let rest = if texts.is_empty() { "" } else { "otherwise " };
    texts.push(format!("{rest}the gateway's own"));
    if all().find_map(|pages| pages.intercept).unwrap_or(false) {
        texts.push("for upstreams' 5xx too".to_owned());
    }
    texts.join(", ")
}
