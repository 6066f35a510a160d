//! `to: { respond }` — answers that stand in the table.

use http::header::CONTENT_TYPE;
use http::{HeaderValue, StatusCode};

use crate::parse::Node;
use crate::table::{FileUse, StaticBody, StaticResponse};
use crate::validate::decoder::{Decoder, Fields};
use crate::validate::header_rules::{Of, pairs};

pub(super) fn read(decoder: &mut Decoder<'_>, node: &Node) -> Option<StaticResponse> {
    let mut fields = Fields::of(decoder, node, "`respond`")?;
    let status = fields.take("status");
    let status = status.and_then(|node| decoder.parsed(node, "status", status_of));
    let content_type = fields.take("content_type");
    let content_type = content_type.and_then(|node| {
        decoder.parsed(node, "content_type", |text| {
            HeaderValue::from_str(text)
                .map_err(|_| "write a media type, such as text/plain".to_owned())
        })
    });
    let headers = fields.take("headers");
    let headers = headers.map_or_else(Vec::new, |node| {
        let pairs = pairs(decoder, node, "headers", Of::Response);
        if pairs.iter().any(|(name, _)| *name == CONTENT_TYPE) {
            let message = "`headers` cannot say the media type";
            decoder.error(node.at, message, "write `content_type:` beside it");
        }
        pairs
    });
    let (text, file) = (fields.take("body"), fields.take("body_file"));
    if let (Some(_), Some(node)) = (text, file) {
        let message = "an answer has one body: `body` or `body_file`";
        decoder.error(node.at, message, "take one of them away");
    }
    let path = file.and_then(|node| decoder.text(node, "body_file"));
    let by_name = HeaderValue::from_static(media_type(path.unwrap_or("")));
    let file = file.and_then(|node| decoder.file(node, "body_file", FileUse::Body));
    let text = text.and_then(|node| decoder.text(node, "body"));
    fields.finish(decoder);
    let text = || StaticBody::Text(text.unwrap_or("").to_owned().into());
    Some(StaticResponse {
        status: status.unwrap_or(StatusCode::OK),
        content_type: content_type.unwrap_or(by_name),
        headers,
        body: file.map_or_else(text, StaticBody::File),
    })
}

fn status_of(text: &str) -> Result<StatusCode, String> {
    let status = text
        .parse()
        .ok()
        .and_then(|code| StatusCode::from_u16(code).ok());
    let status = status.filter(|status| (200..=599).contains(&status.as_u16()));
    status.ok_or_else(|| "write a status from 200 to 599".to_owned())
}

/// By the file's name; text where that says nothing.
fn media_type(path: &str) -> &'static str {
    let extension = path.rsplit_once('.').map_or("", |(_, extension)| extension);
    match extension {
        "html" => "text/html; charset=utf-8",
        "css" => "text/css; charset=utf-8",
        "js" => "text/javascript; charset=utf-8",
        "json" => "application/json",
        "xml" => "application/xml",
        "svg" => "image/svg+xml",
        "png" => "image/png",
        "ico" => "image/x-icon",
        _ => "text/plain; charset=utf-8",
    }
}
