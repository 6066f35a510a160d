//! Records as elements.

use money::{Currency, Money};
use soap::{Element, decimal};

use super::NAMESPACE;
use super::fault::Refusal;
use crate::domain::{Change, Customer, Field, Order, Request, RequestLine, Status};

pub(super) fn customer(customer: &Customer) -> Element {
    Element::new(NAMESPACE, "Customer")
        .with_field("CustNo", customer.id)
        .with_field(field_name(Field::Name), &customer.name)
        .with_field(field_name(Field::Email), &customer.email)
        .with_field(field_name(Field::City), &customer.city)
        .with_field(
            field_name(Field::CreditLimit),
            decimal::from_cents(customer.credit_limit.cents),
        )
        .with_field("OpenAmt", decimal::from_cents(customer.open.cents))
        .with_field("Curr", customer.credit_limit.currency)
        .with_field("RecVer", customer.version)
}

/// Reads the customer of an `UpdateCustomer`: its number and its new state. `OpenAmt` is not the
/// client's to change, and is not looked at.
pub(super) fn change(customer: &Element) -> Result<(i64, Change), Refusal> {
    let limit: String = customer.required(field_name(Field::CreditLimit))?;
    let limit = decimal::to_cents(&limit).ok_or_else(|| {
        Refusal::Malformed("CreditLimit is not an amount such as 500.00".to_owned())
    })?;
    let currency: String = customer.required("Curr")?;
    let currency: Currency = currency
        .trim_ascii()
        .parse()
        .map_err(|_| Refusal::Malformed("Curr is not a currency such as EUR".to_owned()))?;
    let change = Change {
        name: customer.required(field_name(Field::Name))?,
        email: customer.required(field_name(Field::Email))?,
        city: customer.required(field_name(Field::City))?,
        credit_limit: Money::new(limit, currency),
        version: customer.required("RecVer")?,
    };
    Ok((customer.required("CustNo")?, change))
}

/// What a field is called here.
pub(super) fn field_name(field: Field) -> &'static str {
    match field {
        Field::Name => "CustName",
        Field::Email => "EMail",
        Field::City => "Town",
        Field::CreditLimit => "CreditLimit",
    }
}

pub(super) fn order(order: &Order) -> Element {
    let lines = order.lines.iter().map(|line| {
        Element::new(NAMESPACE, "Line")
            .with_field("Sku", &line.sku)
            .with_field("ItemName", &line.name)
            .with_field("Qty", line.quantity)
            .with_field("UnitPrice", decimal::from_cents(line.unit_price.cents))
    });
    let state = match order.status {
        Status::Approved => "A",
        Status::Cancelled => "C",
    };
    Element::new(NAMESPACE, "Order")
        .with_field("OrdNo", order.id)
        .with_field("CustNo", order.customer_id)
        .with_field("OrdStat", state)
        .with_field("OrdDate", order.placed_at)
        .with(Element::new(NAMESPACE, "Lines").with_all(lines))
        .with_field("OrdTotal", decimal::from_cents(order.total.cents))
        .with_field("Curr", order.total.currency)
        .with_field("RecVer", order.version)
}

/// Reads a `CreateOrder`.
pub(super) fn order_request(request: &Element) -> Result<Request, Refusal> {
    let lines = request
        .required_child("Lines")?
        .children_named("Line")
        .map(|line| {
            Ok(RequestLine {
                sku: line.required("Sku")?,
                quantity: line.required("Qty")?,
            })
        })
        .collect::<Result<Vec<_>, Refusal>>()?;
    Ok(Request {
        customer_id: request.required("CustNo")?,
        lines,
    })
}
