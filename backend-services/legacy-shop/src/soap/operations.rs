//! The operations, each with its request element and its response element.

use jiff::Timestamp;
use soap::Element;

use super::fault::Refusal;
use super::{NAMESPACE, model};
use crate::domain::ClientKey;
use crate::store::Store;

/// What one can call.
#[derive(Debug, Clone, Copy)]
pub(super) enum Operation {
    GetCustomer,
    ListCustomers,
    UpdateCustomer,
    GetOrder,
    ListOrders,
    CreateOrder,
}

/// Every operation by the name of its request element; the description has the same.
pub(super) const OPERATIONS: [(&str, Operation); 6] = [
    ("GetCustomer", Operation::GetCustomer),
    ("ListCustomers", Operation::ListCustomers),
    ("UpdateCustomer", Operation::UpdateCustomer),
    ("GetOrder", Operation::GetOrder),
    ("ListOrders", Operation::ListOrders),
    ("CreateOrder", Operation::CreateOrder),
];

/// Records in one answer when the client does not say, and at most.
const ROWS_DEFAULT: u32 = 50;
const ROWS_MAX: u32 = 200;

/// Clients of this interface are not told apart: they are the company's own programs.
const CALLER: &str = "soap";

/// Answers one request element.
pub(super) async fn call(store: &Store, request: &Element) -> Result<Element, Refusal> {
    let (name, operation) = OPERATIONS
        .into_iter()
        .find(|(name, _)| request.is(NAMESPACE, name))
        .ok_or(Refusal::UnknownOperation)?;
    let content = match operation {
        Operation::GetCustomer => get_customer(store, request).await,
        Operation::ListCustomers => list_customers(store, request).await,
        Operation::UpdateCustomer => update_customer(store, request).await,
        Operation::GetOrder => get_order(store, request).await,
        Operation::ListOrders => list_orders(store, request).await,
        Operation::CreateOrder => create_order(store, request).await,
    }?;
    let response = format!("{name}Response");
    Ok(Element::new(NAMESPACE, &response).with(content))
}

async fn get_customer(store: &Store, request: &Element) -> Result<Element, Refusal> {
    let number = request.required("CustNo")?;
    let customer = store.customer(number).await?;
    let customer = customer.ok_or(Refusal::NoSuchCustomer(number))?;
    Ok(model::customer(&customer))
}

async fn list_customers(store: &Store, request: &Element) -> Result<Element, Refusal> {
    let customers = store
        .customers(request.optional("AfterCustNo")?, rows(request)?)
        .await?;
    let list = Element::new(NAMESPACE, "Customers");
    Ok(list.with_all(customers.iter().map(model::customer)))
}

async fn update_customer(store: &Store, request: &Element) -> Result<Element, Refusal> {
    let (number, change) = model::change(request.required_child("Customer")?)?;
    let customer = store.update_customer(number, change).await;
    let customer = customer.map_err(|error| Refusal::not_updated(number, error))?;
    Ok(model::customer(&customer))
}

async fn get_order(store: &Store, request: &Element) -> Result<Element, Refusal> {
    let number = request.required("OrdNo")?;
    let order = store.order(number).await?;
    Ok(model::order(&order.ok_or(Refusal::NoSuchOrder(number))?))
}

async fn list_orders(store: &Store, request: &Element) -> Result<Element, Refusal> {
    let customer = request.optional("CustNo")?;
    let before = request.optional("BeforeOrdNo")?;
    let orders = store.orders(customer, before, rows(request)?).await?;
    let list = Element::new(NAMESPACE, "Orders");
    Ok(list.with_all(orders.iter().map(model::order)))
}

async fn create_order(store: &Store, request: &Element) -> Result<Element, Refusal> {
    let order = model::order_request(request)?;
    order
        .check()
        .map_err(|error| Refusal::InvalidOrder(error.to_string()))?;
    let key = request
        .optional::<String>("ClientRef")?
        .map(|key| ClientKey::new(CALLER.to_owned(), key.as_bytes(), &order))
        .transpose()
        .map_err(|error| Refusal::Malformed(format!("ClientRef: {error}")))?;
    let placed = store.place_order(key.as_ref(), &order, Timestamp::now());
    Ok(model::order(&placed.await?))
}

fn rows(request: &Element) -> Result<u32, Refusal> {
    let rows = request.optional("MaxRows")?.unwrap_or(ROWS_DEFAULT);
    if (1..=ROWS_MAX).contains(&rows) {
        Ok(rows)
    } else {
        let reason = format!("MaxRows must be between 1 and {ROWS_MAX}");
        Err(Refusal::Malformed(reason))
    }
}
