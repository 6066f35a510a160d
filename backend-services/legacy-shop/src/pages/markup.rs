//! Pages as markup: deliberately plain, the way shops looked around 2003, but valid HTML.

use std::collections::BTreeMap;

use maud::{DOCTYPE, Markup, html};

use crate::domain::{Customer, Order, Status};

/// The first page.
pub(super) fn home() -> Markup {
    layout(
        "Welcome",
        &html! {
            p { "Please choose:" }
            ul {
                li { a href="/old/customers" { "Customers" } }
                li { a href="/old/orders" { "Orders" } }
            }
        },
    )
}

/// A list of customers; `next` is where it goes on.
pub(super) fn customers(customers: &[Customer], next: Option<i64>) -> Markup {
    layout(
        "Customers",
        &html! {
            table {
                thead {
                    tr { th { "No." } th { "Name" } th { "Town" } th.number { "Credit limit" } }
                }
                tbody {
                    @for customer in customers {
                        tr {
                            td { a href=(customer_address(customer.id)) { (customer.id) } }
                            td { (customer.name) }
                            td { (customer.city) }
                            td.number { (customer.credit_limit) }
                        }
                    }
                }
            }
            (more("/old/customers", next))
        },
    )
}

/// One customer and the newest of its orders.
pub(super) fn customer(customer: &Customer, orders: &[Order]) -> Markup {
    layout(
        &format!("Customer {}", customer.id),
        &html! {
            table {
                tbody {
                    tr { th scope="row" { "Name" } td { (customer.name) } }
                    tr { th scope="row" { "E-mail" } td { (customer.email) } }
                    tr { th scope="row" { "Town" } td { (customer.city) } }
                    tr { th scope="row" { "Credit limit" } td { (customer.credit_limit) } }
                    tr { th scope="row" { "Held by open orders" } td { (customer.open) } }
                }
            }
            h2 { "Orders" }
            @if orders.is_empty() {
                p { "None yet." }
            } @else {
                (order_table(orders, None))
            }
        },
    )
}

/// A list of orders with the names of their customers; `next` is where it goes on.
pub(super) fn orders(orders: &[Order], names: &BTreeMap<i64, String>, next: Option<i64>) -> Markup {
    layout(
        "Orders",
        &html! {
            (order_table(orders, Some(names)))
            (more("/old/orders", next))
        },
    )
}

/// One order with its lines.
pub(super) fn order(order: &Order, customer: &str) -> Markup {
    layout(
        &format!("Order {}", order.id),
        &html! {
            p {
                "Placed by " a href=(customer_address(order.customer_id)) { (customer) }
                " on " (order.placed_at.strftime("%d/%m/%Y %H:%M")) " UTC. "
                "Status: " b { (status(order.status)) } "."
            }
            table {
                thead {
                    tr {
                        th { "Article" } th { "Name" } th.number { "Quantity" } th.number { "Price" }
                    }
                }
                tbody {
                    @for line in &order.lines {
                        tr {
                            td { (line.sku) }
                            td { (line.name) }
                            td.number { (line.quantity) }
                            td.number { (line.unit_price) }
                        }
                    }
                }
                tfoot {
                    tr { th colspan="3" scope="row" { "Total" } td.number { b { (order.total) } } }
                }
            }
        },
    )
}

/// A page that says one thing.
pub(super) fn message(title: &str, text: &str) -> Markup {
    layout(title, &html! { p { (text) } })
}

fn order_table(orders: &[Order], names: Option<&BTreeMap<i64, String>>) -> Markup {
    html! {
        table {
            thead {
                tr {
                    th { "No." }
                    @if names.is_some() { th { "Customer" } }
                    th { "Date" } th { "Status" } th.number { "Total" }
                }
            }
            tbody {
                @for order in orders {
                    tr {
                        td { a href={ "/old/orders/" (order.id) } { (order.id) } }
                        @if let Some(names) = names {
                            td {
                                a href=(customer_address(order.customer_id)) {
                                    (names.get(&order.customer_id).map_or("?", String::as_str))
                                }
                            }
                        }
                        td { (order.placed_at.strftime("%d/%m/%Y")) }
                        td { (status(order.status)) }
                        td.number { (order.total) }
                    }
                }
            }
        }
    }
}

fn more(address: &str, next: Option<i64>) -> Markup {
    html! {
        @if let Some(from) = next {
            p { a href={ (address) "?from=" (from) } { "Next page >>" } }
        }
    }
}

fn customer_address(id: i64) -> String {
    format!("/old/customers/{id}")
}

fn status(status: Status) -> &'static str {
    match status {
        Status::Approved => "approved",
        Status::Cancelled => "cancelled",
    }
}

fn layout(title: &str, content: &Markup) -> Markup {
    html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                title { (title) " - Shop Manager 2.4" }
                link rel="stylesheet" href="/old/style.css";
            }
            body {
                div #page {
                    header { h1 { "Shop Manager 2.4" } }
                    nav aria-label="Main" {
                        a href="/old/" { "Home" }
                        a href="/old/customers" { "Customers" }
                        a href="/old/orders" { "Orders" }
                    }
                    main {
                        h2 { (title) }
                        (content)
                    }
                    footer { "This page is served by the monolith." }
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;
    use money::Money;

    use super::*;
    use crate::domain::Line;

    const HOSTILE: &str = "<script>alert(1)</script>\"'&";
    const ESCAPED: &str = "&lt;script&gt;alert(1)&lt;/script&gt;&quot;'&amp;";

    fn hostile_order() -> Order {
        Order {
            id: 1,
            customer_id: 1,
            status: Status::Approved,
            placed_at: Timestamp::UNIX_EPOCH,
            lines: vec![Line {
                sku: HOSTILE.into(),
                name: HOSTILE.into(),
                quantity: 1,
                unit_price: Money::euros(1),
            }],
            total: Money::euros(1),
            version: 1,
        }
    }

    #[test]
    fn what_people_have_typed_is_escaped_on_every_page() {
        let hostile = Customer {
            id: 1,
            name: HOSTILE.into(),
            email: HOSTILE.into(),
            city: HOSTILE.into(),
            credit_limit: Money::euros(1),
            open: Money::euros(0),
            version: 1,
        };
        let names = BTreeMap::from([(1, HOSTILE.to_owned())]);
        let one = [hostile_order()];
        for (page, times) in [
            (customers(std::slice::from_ref(&hostile), None), 2),
            (customer(&hostile, &one), 3),
            (orders(&one, &names, None), 1),
            (order(&one[0], HOSTILE), 3),
        ] {
            let page = page.into_string();
            assert!(!page.contains("<script"), "{page}");
            assert_eq!(page.matches(ESCAPED).count(), times, "{page}");
        }
    }

    #[test]
    fn every_page_says_who_serves_it() {
        for page in [
            home(),
            message("x", "y"),
            orders(&[], &BTreeMap::new(), None),
        ] {
            assert!(page.into_string().contains("served by the monolith"));
        }
    }
}
