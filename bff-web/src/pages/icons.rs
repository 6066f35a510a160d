//! Drawings, in lines of the text's colour. They repeat what words say, so they are hidden from readers.

use maud::{Markup, PreEscaped, html};

const LEAF: &str =
    r#"<path d="M10 54C10 26 26 10 54 10c0 28-16 44-44 44z"/><path d="M10 54 34 30"/>"#;
const BEAN: &str = r#"<ellipse cx="32" cy="32" rx="15" ry="22" transform="rotate(35 32 32)"/><path d="M19 47c11-4 6-13 13-16s6-9 12-14"/>"#;
const CUP: &str = r#"<path d="M12 24h32v14a14 14 0 0 1-14 14h-4a14 14 0 0 1-14-14z"/><path d="M44 28h4a7 7 0 0 1 0 14h-5"/><path d="M22 8c-3 4 3 5 0 9M33 8c-3 4 3 5 0 9"/>"#;
const JAR: &str = r#"<path d="M20 8h24v8H20z"/><path d="M19 16h26c3 4 5 7 5 11v21a6 6 0 0 1-6 6H20a6 6 0 0 1-6-6V27c0-4 2-7 5-11z"/><path d="M14 31h36M14 45h36"/>"#;
const BOX: &str =
    r#"<path d="M32 8 54 20v24L32 56 10 44V20z"/><path d="m10 20 22 12 22-12M32 32v24"/>"#;
const PERSON: &str =
    r#"<circle cx="32" cy="21" r="11"/><path d="M11 55c2-13 10-19 21-19s19 6 21 19"/>"#;
const RECEIPT: &str =
    r#"<path d="M15 8h34v48l-7-5-5 5-5-5-5 5-5-5-7 5z"/><path d="M24 21h16M24 32h16"/>"#;
const SHELVES: &str = r#"<rect x="9" y="9" width="19" height="19" rx="4"/><rect x="36" y="9" width="19" height="19" rx="4"/><rect x="9" y="36" width="19" height="19" rx="4"/><rect x="36" y="36" width="19" height="19" rx="4"/>"#;

/// The shop's own sign.
pub(super) fn leaf() -> Markup {
    drawing(LEAF)
}

/// For a category of the catalogue: the name of its colours, and its drawing.
pub(super) fn category(name: &str) -> (&'static str, Markup) {
    let (colours, lines) = match name {
        "tea" => ("tea", LEAF),
        "coffee" => ("coffee", BEAN),
        "tableware" => ("tableware", CUP),
        "pantry" => ("pantry", JAR),
        _ => ("other", BOX),
    };
    (colours, drawing(lines))
}

/// For a group of the route table.
pub(super) fn group(name: &str) -> Markup {
    drawing(match name {
        "customers" => PERSON,
        "orders" => RECEIPT,
        "catalogue" => SHELVES,
        _ => BOX,
    })
}

fn drawing(lines: &'static str) -> Markup {
    html! {
        svg.icon viewBox="0 0 64 64" aria-hidden="true" focusable="false" { (PreEscaped(lines)) }
    }
}
