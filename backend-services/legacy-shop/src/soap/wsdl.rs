//! The description of the interface (WSDL 1.1, document/literal, SOAP 1.1 over HTTP).

/// Where the template has the address of the endpoint.
const ADDRESS: &str = "@ADDRESS@";

/// The description for clients that know us by `address`.
pub(super) fn document(address: &str) -> String {
    let escaped = address
        .replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('"', "&quot;");
    include_str!("shop.wsdl").replace(ADDRESS, &escaped)
}

#[cfg(test)]
mod tests {
    use soap::Element;

    use super::*;
    use crate::soap::NAMESPACE;
    use crate::soap::operations::OPERATIONS;

    const WSDL: &str = "http://schemas.xmlsoap.org/wsdl/";
    const BINDING: &str = "http://schemas.xmlsoap.org/wsdl/soap/";
    const SCHEMA: &str = "http://www.w3.org/2001/XMLSchema";

    fn description() -> Element {
        soap::parse(document("http://shop.example/soap").as_bytes()).unwrap()
    }

    fn named<'e>(parent: &'e Element, kind: &'e str, name: &'e str) -> &'e Element {
        parent
            .children_named(kind)
            .find(|child| child.attribute("", "name") == Some(name))
            .unwrap_or_else(|| panic!("no {kind} {name}"))
    }

    fn local<'e>(element: &'e Element, attribute: &str) -> &'e str {
        let value = element.attribute("", attribute).unwrap();
        value.strip_prefix("tns:").unwrap()
    }

    fn schema(description: &Element) -> &Element {
        let types = description.required_child("types").unwrap();
        let schema = &types.children[0];
        assert!(schema.is(SCHEMA, "schema"));
        schema
    }

    #[test]
    fn it_is_well_formed_and_of_our_namespace() {
        let description = description();
        assert!(description.is(WSDL, "definitions"));
        assert_eq!(
            description.attribute("", "targetNamespace"),
            Some(NAMESPACE)
        );
        let schema = schema(&description);
        assert_eq!(schema.attribute("", "targetNamespace"), Some(NAMESPACE));
        assert_eq!(
            schema.attribute("", "elementFormDefault"),
            Some("qualified")
        );
    }

    #[test]
    fn every_operation_is_bound_and_has_messages_whose_elements_exist() {
        let description = description();
        let port_type = description.required_child("portType").unwrap();
        let binding = description.required_child("binding").unwrap();
        assert_eq!(port_type.children.len(), OPERATIONS.len());
        for (operation, _) in OPERATIONS {
            let abstract_one = named(port_type, "operation", operation);
            for direction in ["input", "output", "fault"] {
                let end = abstract_one.required_child(direction).unwrap();
                let message = named(&description, "message", local(end, "message"));
                let part = message.required_child("part").unwrap();
                named(schema(&description), "element", local(part, "element"));
            }
            let input = abstract_one.required_child("input").unwrap();
            let message = named(&description, "message", local(input, "message"));
            let part = message.required_child("part").unwrap();
            assert_eq!(local(part, "element"), operation);

            let bound = named(binding, "operation", operation);
            let action = bound.children.iter().find(|e| e.is(BINDING, "operation"));
            let action = action.unwrap().attribute("", "soapAction").unwrap();
            assert_eq!(action, format!("{NAMESPACE}#{operation}"));
        }
    }

    #[test]
    fn the_service_is_at_the_address_it_was_asked_by() {
        let document = document("http://shop.example/soap?a=\"<&");
        let description = soap::parse(document.as_bytes()).unwrap();
        let service = description.required_child("service").unwrap();
        let port = service.required_child("port").unwrap();
        assert_eq!(
            local(port, "binding"),
            description
                .required_child("binding")
                .unwrap()
                .attribute("", "name")
                .unwrap()
        );
        assert_eq!(
            port.children[0].attribute("", "location"),
            Some("http://shop.example/soap?a=\"<&")
        );
    }
}
