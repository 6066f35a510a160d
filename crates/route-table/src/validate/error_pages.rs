//! `error_pages:` of a route and of the whole table.

use http::StatusCode;

use crate::parse::Node;
use crate::table::{ErrorPages, FileUse, PageFor};
use crate::validate::decoder::Decoder;

/// A mapping of statuses to files.
pub(super) fn read(decoder: &mut Decoder<'_>, node: Option<&Node>) -> Option<Box<ErrorPages>> {
    let node = node?;
    let mut pages = ErrorPages::default();
    for (key, node) in decoder.entries(node, "error_pages")? {
        if key.text == "intercept" {
            pages.intercept = decoder.boolean(node, "intercept");
            continue;
        }
        match page_for(&key.text) {
            Some(page) => {
                let file = decoder.file(node, &key.text, FileUse::Page);
                pages.pages.extend(file.map(|file| (page, file)));
            }
            None => decoder.error(
                key.at,
                format!("there are no error pages for `{}`", key.text),
                "write a status from 400 to 599, `4xx`, `5xx`, `maintenance`, or `intercept: true`",
            ),
        }
    }
    pages.pages.sort_by_key(|(page, _)| *page);
    Some(Box::new(pages))
}

fn page_for(text: &str) -> Option<PageFor> {
    match text {
        "maintenance" => Some(PageFor::Maintenance),
        "4xx" => Some(PageFor::Class(4)),
        "5xx" => Some(PageFor::Class(5)),
        _ => {
            let status = text.parse().ok().filter(|code| (400..=599).contains(code));
            status.and_then(|code| StatusCode::from_u16(code).ok().map(PageFor::Status))
        }
    }
}
