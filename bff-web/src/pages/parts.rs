//! Pieces that pages are made of.

use maud::{Markup, html};
use money::Money;

use super::icons;
use crate::shop::Product;

/// An amount of money, which does not break over a line.
pub(super) fn amount(money: Money) -> Markup {
    html! { span.amount { (money) } }
}

/// What stands where a part is missing.
pub(super) fn missing(what: &str) -> Markup {
    html! {
        p.notice role="status" { (what) " cannot be shown at the moment. Please try again in a minute." }
    }
}

/// Products, each with its page; nothing known is not the same as nothing there.
pub(super) fn products(products: Option<&[Product]>) -> Markup {
    let Some(products) = products else {
        return missing("The catalogue");
    };
    html! {
        @if products.is_empty() {
            p.notice { "Nothing found." }
        } @else {
            ul.products {
                @for product in products { li { (card(product)) } }
            }
        }
    }
}

fn card(product: &Product) -> Markup {
    let (colours, drawing) = icons::category(&product.category);
    html! {
        article.card.product {
            div class={ "art " (colours) } { (drawing) }
            div.text {
                p.kind { (product.category) }
                h3 { a.whole href=(product_url(&product.sku)) { (product.name) } }
                p.muted { (product.description) }
                p.price { (amount(product.price)) }
            }
        }
    }
}

/// Address of a product's page.
pub(super) fn product_url(sku: &str) -> String {
    composition::Segment::of(sku)
        .map_or_else(|| "/catalogue".to_owned(), |sku| format!("/products/{sku}"))
}

/// How an order is doing.
pub(super) fn order_status(status: &str) -> Markup {
    let class = match status {
        "approved" | "paid" | "shipped" | "delivered" => "pill good",
        "cancelled" | "rejected" => "pill bad",
        _ => "pill",
    };
    html! { span class=(class) { (status) } }
}

#[cfg(test)]
mod tests {
    use money::Currency;

    use super::*;

    fn product(sku: &str, name: &str) -> Product {
        Product {
            sku: sku.to_owned(),
            name: name.to_owned(),
            description: "<i>".to_owned(),
            category: "\"><b>".to_owned(),
            price: Money::new(450, Currency::EUR),
            version: 1,
        }
    }

    #[test]
    fn what_comes_from_elsewhere_is_escaped() {
        let evil = [product("\"><script>", "<b>")];
        let page = products(Some(&evil)).into_string();
        for tag in ["<script>", "<b>", "<i>"] {
            assert!(!page.contains(tag), "{page}");
        }
        assert!(page.contains("4.50 EUR"), "{page}");
    }

    #[test]
    fn a_sku_cannot_lead_elsewhere() {
        for sku in ["..", "/evil.test", "javascript:x", "?q="] {
            let url = product_url(sku);
            assert!(
                url == "/catalogue" || url.starts_with("/products/"),
                "{url}"
            );
            assert!(!url.contains("..") && !url.contains('?'), "{url}");
        }
    }

    #[test]
    fn an_empty_catalogue_and_a_missing_one_are_told_apart() {
        let empty = products(Some(&[])).into_string();
        let unknown = products(None).into_string();
        assert!(empty.contains("Nothing found") && !unknown.contains("Nothing found"));
    }
}
