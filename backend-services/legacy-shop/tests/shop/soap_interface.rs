use soap::{Element, Fault, FaultCode};

use crate::harness::{NAMESPACE, Shop, request, text};

fn customer_of(response: &Element) -> Element {
    response.required_child("Customer").unwrap().clone()
}

fn create_order(sku: &str, quantity: u32) -> Element {
    let line = request("Line")
        .with_field("Sku", sku)
        .with_field("Qty", quantity);
    request("CreateOrder")
        .with_field("CustNo", 1)
        .with(request("Lines").with(line))
}

/// The customer with another value for one field.
fn with(customer: &Element, field: &str, value: &str) -> Element {
    let mut changed = customer.clone();
    let found = changed.children.iter_mut().find(|e| e.name == field);
    value.clone_into(&mut found.unwrap().text);
    changed
}

#[tokio::test]
async fn a_customer_is_answered_in_the_monoliths_own_words() {
    let shop = Shop::start().await;
    let response = shop
        .call(request("GetCustomer").with_field("CustNo", 4))
        .await;
    assert!(response.is(NAMESPACE, "GetCustomerResponse"));
    let customer = customer_of(&response);
    let fields = [
        "CustNo",
        "CustName",
        "Town",
        "CreditLimit",
        "OpenAmt",
        "Curr",
        "RecVer",
    ];
    assert_eq!(
        fields.map(|field| text(&customer, field)),
        [
            "4",
            "Northern Light Hostel",
            "Tromsø",
            "800.00",
            "0.00",
            "EUR",
            "1"
        ]
    );
}

#[tokio::test]
async fn customers_are_listed_in_portions() {
    let shop = Shop::start().await;
    let (mut numbers, mut after) = (Vec::<i64>::new(), None::<i64>);
    loop {
        let portion = request("ListCustomers")
            .with_optional("AfterCustNo", after)
            .with_field("MaxRows", 2);
        let response = shop.call(portion).await;
        let list = response.required_child("Customers").unwrap();
        let found = list.children_named("Customer");
        let found: Vec<i64> = found.map(|c| c.required("CustNo").unwrap()).collect();
        if found.is_empty() {
            break;
        }
        after = found.last().copied();
        numbers.extend(found);
    }
    assert_eq!(numbers, [1, 2, 3, 4, 5]);
}

#[tokio::test]
async fn a_customer_is_changed_once_from_each_version() {
    let shop = Shop::start().await;
    let before = customer_of(
        &shop
            .call(request("GetCustomer").with_field("CustNo", 1))
            .await,
    );
    let change = request("UpdateCustomer").with(with(&before, "CustName", "Books & <Maps>"));
    let after = customer_of(&shop.call(change.clone()).await);
    assert_eq!(text(&after, "CustName"), "Books & <Maps>");
    assert_eq!(text(&after, "RecVer"), "2");

    let (code, fault) = shop.refused(change).await;
    assert_eq!(
        (code.as_str(), fault.code),
        ("RecordStale", FaultCode::Client)
    );
    assert_eq!(text(&fault.detail[0], "CurrentRecVer"), "2");
    let stored = customer_of(
        &shop
            .call(request("GetCustomer").with_field("CustNo", 1))
            .await,
    );
    assert_eq!(stored, after);
}

#[tokio::test]
async fn every_field_that_cannot_be_accepted_is_named() {
    let shop = Shop::start().await;
    let customer = customer_of(
        &shop
            .call(request("GetCustomer").with_field("CustNo", 1))
            .await,
    );
    let wrong = with(&with(&customer, "EMail", "nobody"), "CreditLimit", "-0.01");
    let (code, fault) = shop.refused(request("UpdateCustomer").with(wrong)).await;
    assert_eq!(code, "DataInvalid");
    let items = fault.detail[0].children_named("Item");
    let fields: Vec<String> = items.map(|item| text(item, "Field")).collect();
    assert_eq!(fields, ["EMail", "CreditLimit"]);

    let no_amount = with(&customer, "CreditLimit", "1.005");
    let (code, _) = shop
        .refused(request("UpdateCustomer").with(no_amount))
        .await;
    assert_eq!(code, "RequestMalformed");
}

#[tokio::test]
async fn an_order_is_created_read_and_listed() {
    let shop = Shop::start().await;
    let response = shop.call(create_order("POT-001", 2)).await;
    let order = response.required_child("Order").unwrap().clone();
    assert_eq!(text(&order, "OrdTotal"), "98.00");
    assert_eq!(text(&order, "OrdStat"), "A");
    let number = text(&order, "OrdNo");
    let read = shop
        .call(request("GetOrder").with_field("OrdNo", &number))
        .await;
    assert_eq!(read.required_child("Order").unwrap(), &order);
    let list = request("ListOrders")
        .with_field("CustNo", 1)
        .with_field("MaxRows", 1);
    let list = shop.call(list).await;
    let list = list.required_child("Orders").unwrap();
    assert_eq!(list.children, [order]);
}

#[tokio::test]
async fn an_order_with_the_same_reference_is_created_once() {
    let shop = Shop::start().await;
    let order = create_order("POT-001", 1).with_field("ClientRef", "k-1");
    assert_eq!(shop.call(order.clone()).await, shop.call(order).await);
    let other = create_order("POT-001", 2).with_field("ClientRef", "k-1");
    assert_eq!(shop.refused(other).await.0, "ClientRefReused");
}

#[tokio::test]
async fn refusals_are_client_faults_with_a_code() {
    let shop = Shop::start().await;
    for (call, expected) in [
        (
            request("GetCustomer").with_field("CustNo", 99),
            "NoSuchCustomer",
        ),
        (request("GetOrder").with_field("OrdNo", 99), "NoSuchOrder"),
        (request("GetCustomer"), "RequestMalformed"),
        (
            request("GetCustomer").with_field("CustNo", "1 OR 1=1"),
            "RequestMalformed",
        ),
        (
            request("ListOrders").with_field("MaxRows", 201),
            "RequestMalformed",
        ),
        (request("DropTables"), "OperationUnknown"),
        (Element::new("urn:other", "GetCustomer"), "OperationUnknown"),
        (create_order("XXX-001", 1), "NoSuchItem"),
        (create_order("POT-001", 10_000), "StockShort"),
        (create_order("POT-001", 0), "DataInvalid"),
    ] {
        let (code, fault) = shop.refused(call).await;
        assert_eq!((code.as_str(), fault.code), (expected, FaultCode::Client));
    }
}

#[tokio::test]
async fn hostile_xml_is_a_client_fault_and_the_monolith_goes_on() {
    let shop = Shop::start().await;
    let inside = |content: &str| {
        format!(
            "<s:Envelope xmlns:s='{}'><s:Body>{content}</s:Body></s:Envelope>",
            soap::NAMESPACE
        )
    };
    let laughs = format!(
        "<!DOCTYPE l [<!ENTITY a 'ha'><!ENTITY b '&a;&a;&a;'>]>{}",
        inside("<x>&b;</x>")
    );
    let external = format!(
        "<!DOCTYPE x [<!ENTITY e SYSTEM 'file:///etc/passwd'>]>{}",
        inside("<x>&e;</x>")
    );
    let valid =
        inside("<GetCustomer xmlns='urn:shop-manager:2003'><CustNo>1</CustNo></GetCustomer>");
    let utf16: Vec<u8> = valid.encode_utf16().flat_map(u16::to_be_bytes).collect();
    for hostile in [
        laughs.into_bytes(),
        external.into_bytes(),
        inside(&("<a>".repeat(10_000) + &"</a>".repeat(10_000))).into_bytes(),
        inside(&"<a/>".repeat(100_000)).into_bytes(),
        valid.as_bytes()[..valid.len() - 20].to_vec(),
        utf16,
        b"\x00\xff<>".to_vec(),
        Vec::new(),
    ] {
        let (status, element) = shop.send_soap(hostile).await;
        let fault = Fault::read(&element).unwrap().unwrap();
        assert_eq!((status.as_u16(), fault.code), (500, FaultCode::Client));
        assert!(!fault.reason.contains("root:"), "{}", fault.reason);
    }
    assert_eq!(shop.send_soap(valid).await.0, 200);
}

#[tokio::test]
async fn a_body_beyond_the_limit_is_refused() {
    let shop = Shop::start().await;
    let request = shop.client.post(shop.url("/soap"));
    let request = request.header("content-type", "text/xml");
    let response = request
        .body(vec![b' '; 1024 * 1024 + 1])
        .send()
        .await
        .unwrap();
    assert_eq!(response.status(), 413);
}

#[tokio::test]
async fn a_message_that_is_not_soap_1_1_is_told_so() {
    let shop = Shop::start().await;
    let soap12 =
        "<e:Envelope xmlns:e='http://www.w3.org/2003/05/soap-envelope'><e:Body/></e:Envelope>";
    let (_, element) = shop.send_soap(soap12).await;
    let fault = Fault::read(&element).unwrap().unwrap();
    assert_eq!(fault.code, FaultCode::VersionMismatch);

    let call = soap::message(request("GetCustomer").with_field("CustNo", 1));
    let send = async |name: &'static str, value: &'static str| {
        let request = shop.client.post(shop.url("/soap")).header(name, value);
        request.body(call.clone()).send().await.unwrap().status()
    };
    assert_eq!(send("content-type", "application/soap+xml").await, 415);
    let request = shop.client.post(shop.url("/soap"));
    let request = request.header("content-type", "text/xml");
    let request = request.header("soapaction", "\"urn:shop-manager:2003#CreateOrder\"");
    assert_eq!(
        request.body(call.clone()).send().await.unwrap().status(),
        500
    );
}

#[tokio::test]
async fn the_description_names_the_address_it_was_asked_by() {
    let shop = Shop::start().await;
    let response = shop.fetch("/soap?wsdl").await;
    assert_eq!(response.status(), 200);
    let document = response.bytes().await.unwrap();
    soap::parse(&document).unwrap();
    let address = format!("location=\"{}\"", shop.url("/soap"));
    assert!(String::from_utf8_lossy(&document).contains(&address));

    let request = shop.client.get(shop.url("/soap?WSDL"));
    let response = request
        .header("host", "shop.example:81")
        .send()
        .await
        .unwrap();
    let document = response.text().await.unwrap();
    assert!(document.contains("\"http://shop.example:81/soap\""));
    assert_eq!(shop.get("/soap").await.0, 400);
}
