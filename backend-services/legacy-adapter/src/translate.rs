//! Our model and the monolith's: `CustNo`, `EMail`, `Town` and amounts such as `500.00` on its side. Pure.

use money::{Currency, Money, MoneyError};
use serde::{Deserialize, Serialize};
use soap::{Element, FieldError, decimal};

/// The namespace of the monolith's elements.
pub(crate) const NAMESPACE: &str = "urn:shop-manager:2003";

/// The customer as clients know it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct Customer {
    pub(crate) id: i64,
    pub(crate) name: String,
    pub(crate) email: String,
    pub(crate) city: String,
    pub(crate) credit_limit: Money,
    pub(crate) version: i64,
}

/// What the monolith tells of a customer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Record {
    pub(crate) customer: Customer,
    /// What open orders hold of the limit.
    pub(crate) open: Money,
}

/// A customer's credit: the limit, and what is left of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct Credit {
    pub(crate) limit: Money,
    pub(crate) available: Money,
}

/// The whole new state of a customer, and the version it was made from.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Change {
    /// Optional, for clients that send back what they were given; must be the id in the path.
    pub(crate) id: Option<i64>,
    pub(crate) name: String,
    pub(crate) email: String,
    pub(crate) city: String,
    pub(crate) credit_limit: Money,
    pub(crate) version: i64,
}

/// One field of a change that cannot be accepted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct Violation {
    pub(crate) field: String,
    pub(crate) message: String,
}

/// Says why a record of the monolith's has no place in our model.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum TranslationError {
    #[error("expected {expected}, got another element")]
    Response { expected: &'static str },
    #[error(transparent)]
    Field(#[from] FieldError),
    #[error("{0} is not an amount")]
    Amount(&'static str),
    #[error(transparent)]
    Currency(#[from] MoneyError),
}

/// What the monolith says no to, in our words.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Objection {
    NoSuchCustomer,
    Stale {
        current: i64,
    },
    Invalid(Vec<Violation>),
    /// It does not understand what we say: our mistake, not our client's.
    Misunderstood,
    /// Something it did not object to when this was written.
    Unknown,
}

impl Record {
    /// What is left of the credit limit: limit − open.
    pub(crate) fn credit(&self) -> Result<Credit, MoneyError> {
        let limit = self.customer.credit_limit;
        let available = limit.checked_sub(self.open)?;
        Ok(Credit { limit, available })
    }
}

pub(crate) fn get_customer(id: i64) -> Element {
    Element::new(NAMESPACE, "GetCustomer").with_field("CustNo", id)
}

pub(crate) fn list_customers(after: Option<i64>, rows: usize) -> Element {
    Element::new(NAMESPACE, "ListCustomers")
        .with_optional("AfterCustNo", after)
        .with_field("MaxRows", rows)
}

/// The call that makes `change`, unless it could not be said in XML or speaks of another customer.
pub(crate) fn update_customer(id: i64, change: &Change) -> Result<Element, Vec<Violation>> {
    let violations = violations(id, change);
    if !violations.is_empty() {
        return Err(violations);
    }
    let limit = change.credit_limit;
    let customer = Element::new(NAMESPACE, "Customer")
        .with_field("CustNo", id)
        .with_field("CustName", &change.name)
        .with_field("EMail", &change.email)
        .with_field("Town", &change.city)
        .with_field("CreditLimit", decimal::from_cents(limit.cents))
        .with_field("Curr", limit.currency)
        .with_field("RecVer", change.version);
    Ok(Element::new(NAMESPACE, "UpdateCustomer").with(customer))
}

/// What the monolith could not even be told. The rest is its business.
fn violations(id: i64, change: &Change) -> Vec<Violation> {
    let violation = |field: &str, message: &str| Violation {
        field: field.to_owned(),
        message: message.to_owned(),
    };
    let mut found = Vec::new();
    if change.id.is_some_and(|given| given != id) {
        let message = format!("must be {id} as in the path, or left out");
        found.push(violation("id", &message));
    }
    let unspeakable = |c: char| c.is_control() || matches!(c, '\u{fffe}' | '\u{ffff}');
    for (field, text) in [
        ("name", &change.name),
        ("email", &change.email),
        ("city", &change.city),
    ] {
        if text.contains(unspeakable) {
            found.push(violation(field, "must not contain control characters"));
        }
    }
    found
}

/// Reads the answer to [`get_customer`] and [`update_customer`].
pub(crate) fn customer(response: &Element) -> Result<Record, TranslationError> {
    let expected = "a customer";
    let is_one = ["GetCustomerResponse", "UpdateCustomerResponse"]
        .iter()
        .any(|name| response.is(NAMESPACE, name));
    if !is_one {
        return Err(TranslationError::Response { expected });
    }
    record(response.required_child("Customer")?)
}

/// Reads the answer to [`list_customers`].
pub(crate) fn customers(response: &Element) -> Result<Vec<Record>, TranslationError> {
    if !response.is(NAMESPACE, "ListCustomersResponse") {
        let expected = "a list of customers";
        return Err(TranslationError::Response { expected });
    }
    let list = response.required_child("Customers")?;
    list.children_named("Customer").map(record).collect()
}

fn record(element: &Element) -> Result<Record, TranslationError> {
    let currency = element.required::<String>("Curr")?;
    let currency: Currency = currency.trim().parse()?;
    let amount = |field: &'static str| {
        let text = element.required::<String>(field)?;
        let cents = decimal::to_cents(&text).ok_or(TranslationError::Amount(field))?;
        Ok::<_, TranslationError>(Money::new(cents, currency))
    };
    Ok(Record {
        customer: Customer {
            id: element.required("CustNo")?,
            name: element.required("CustName")?,
            email: element.required("EMail")?,
            city: element.required("Town")?,
            credit_limit: amount("CreditLimit")?,
            version: element.required("RecVer")?,
        },
        open: amount("OpenAmt")?,
    })
}

/// Reads a Client fault's detail.
pub(crate) fn objection(detail: &[Element]) -> Objection {
    let Some(fault) = detail
        .iter()
        .find(|element| element.is(NAMESPACE, "ShopFault"))
    else {
        // Only what concerns the envelope or the parsing comes without detail, and both are ours.
        return Objection::Misunderstood;
    };
    let code: Option<String> = fault.optional("Code").ok().flatten();
    match code.as_deref() {
        Some("NoSuchCustomer") => Objection::NoSuchCustomer,
        Some("RecordStale") => match fault.required("CurrentRecVer") {
            Ok(current) => Objection::Stale { current },
            Err(_) => Objection::Misunderstood,
        },
        Some("DataInvalid") => {
            let items = fault.children_named("Item");
            Objection::Invalid(items.filter_map(violation).collect())
        }
        Some("RequestMalformed" | "OperationUnknown") => Objection::Misunderstood,
        _ => Objection::Unknown,
    }
}

fn violation(item: &Element) -> Option<Violation> {
    /// The monolith's words are passed on; its essays are not.
    const MESSAGE_CHARS_MAX: usize = 300;

    let field: String = item.required("Field").ok()?;
    let field = match field.as_str() {
        "CustName" => "name",
        "EMail" => "email",
        "Town" => "city",
        "CreditLimit" => "credit_limit",
        // A field that clients do not know is none they could mend.
        _ => return None,
    };
    let message: String = item.required("Message").ok()?;
    Some(Violation {
        field: field.to_owned(),
        message: message.chars().take(MESSAGE_CHARS_MAX).collect(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn element() -> Element {
        Element::new(NAMESPACE, "Customer")
            .with_field("CustNo", 1)
            .with_field("CustName", "Harbour Books")
            .with_field("EMail", "orders@harbour-books.example")
            .with_field("Town", "Bergen")
            .with_field("CreditLimit", "500.00")
            .with_field("OpenAmt", "120.5")
            .with_field("Curr", "EUR")
            .with_field("RecVer", 3)
    }

    fn change() -> Change {
        Change {
            id: Some(1),
            name: "Harbour Books".into(),
            email: "orders@harbour-books.example".into(),
            city: "Bergen".into(),
            credit_limit: Money::euros(50_000),
            version: 3,
        }
    }

    fn answered(record: Element) -> Result<Record, TranslationError> {
        customer(&Element::new(NAMESPACE, "GetCustomerResponse").with(record))
    }

    fn fault(code: &str) -> Element {
        Element::new(NAMESPACE, "ShopFault").with_field("Code", code)
    }

    #[test]
    fn the_monoliths_record_becomes_our_customer() {
        let record = answered(element()).unwrap();
        assert_eq!(record.customer.city, "Bergen");
        assert_eq!(record.customer.credit_limit, Money::euros(50_000));
        assert_eq!(record.credit().unwrap().available, Money::euros(37_950));
    }

    #[test]
    fn our_change_becomes_the_monoliths_record() {
        let call = update_customer(1, &change()).unwrap();
        let sent = call.required_child("Customer").unwrap();
        for (ours, theirs) in sent.children.iter().zip(
            element()
                .children
                .iter()
                .filter(|field| field.name != "OpenAmt"),
        ) {
            assert_eq!(ours, theirs);
        }
    }

    #[test]
    fn a_record_that_does_not_fit_is_an_error_that_names_the_field() {
        let mut wrong = element();
        wrong.children[4].text = "12,00".into();
        assert_eq!(
            answered(wrong),
            Err(TranslationError::Amount("CreditLimit"))
        );
        let mut wrong = element();
        wrong.children.remove(7);
        assert_eq!(
            answered(wrong).unwrap_err().to_string(),
            "Customer has no RecVer"
        );
        let other = Element::new(NAMESPACE, "GetOrderResponse").with(element());
        assert!(customer(&other).is_err());
    }

    #[test]
    fn what_cannot_be_said_in_xml_is_refused_before_it_is_changed_in_silence() {
        let change = Change {
            id: Some(2),
            name: "A\u{1}".into(),
            ..change()
        };
        let violations = update_customer(1, &change).unwrap_err();
        let fields: Vec<_> = violations.iter().map(|v| v.field.as_str()).collect();
        assert_eq!(fields, ["id", "name"]);
    }

    #[test]
    fn objections_are_told_apart() {
        assert_eq!(
            objection(&[fault("NoSuchCustomer")]),
            Objection::NoSuchCustomer
        );
        let stale = fault("RecordStale").with_field("CurrentRecVer", 7);
        assert_eq!(objection(&[stale]), Objection::Stale { current: 7 });
        assert_eq!(objection(&[]), Objection::Misunderstood);
        assert_eq!(
            objection(&[fault("RequestMalformed")]),
            Objection::Misunderstood
        );
        assert_eq!(objection(&[fault("CreditFrozen")]), Objection::Unknown);
    }

    #[test]
    fn fields_are_named_as_clients_know_them() {
        let item = |field: &str| {
            Element::new(NAMESPACE, "Item")
                .with_field("Field", field)
                .with_field("Message", "x".repeat(1000))
        };
        let fault = fault("DataInvalid").with_all([item("Town"), item("Fax")]);
        let Objection::Invalid(violations) = objection(&[fault]) else {
            panic!("the data were invalid");
        };
        assert_eq!(violations.len(), 1);
        assert_eq!(violations[0].field, "city");
        assert_eq!(violations[0].message.len(), 300);
    }
}
