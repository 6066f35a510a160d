//! What pages load: the one stylesheet and the icon of the tab.

use std::sync::LazyLock;

use aws_lc_rs::digest;
use axum::http::header;
use axum::response::IntoResponse;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

const STYLE: &str = include_str!("site.css");

const LEAF: &str = r##"<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 32 32"><rect width="32" height="32" rx="8" fill="#1f6b45"/><path d="M7 25C7 13 14 7 25 7c0 11-6 18-18 18z" fill="#fff"/><path d="M7 25 17 15" stroke="#1f6b45" stroke-width="2" stroke-linecap="round"/></svg>"##;

/// Address of the stylesheet. It names the content, so that browsers may keep it for good.
pub(super) static STYLE_URL: LazyLock<String> = LazyLock::new(|| {
    let hash = digest::digest(&digest::SHA256, STYLE.as_bytes());
    let hash = URL_SAFE_NO_PAD.encode(hash.as_ref());
    format!("/web/assets/site.css?v={}", hash.get(..12).unwrap_or(&hash))
});

pub(crate) async fn stylesheet() -> impl IntoResponse {
    let headers = [
        (header::CONTENT_TYPE, "text/css; charset=utf-8"),
        (header::CACHE_CONTROL, "public, max-age=31536000, immutable"),
    ];
    (headers, STYLE)
}

pub(crate) async fn leaf() -> impl IntoResponse {
    let headers = [
        (header::CONTENT_TYPE, "image/svg+xml"),
        (header::CACHE_CONTROL, "public, max-age=86400"),
    ];
    (headers, LEAF)
}
