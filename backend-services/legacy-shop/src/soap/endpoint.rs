//! SOAP over HTTP.

use axum::Router;
use axum::body::Bytes;
use axum::extract::{RawQuery, Request, State};
use axum::http::uri::Authority;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use problem::Problem;
use soap::{Element, Fault, FaultCode};

use super::{fault, operations, wsdl};
use crate::store::Store;

/// The SOAP endpoint and its description.
pub(crate) fn routes() -> Router<Store> {
    Router::new().route("/soap", get(describe).post(call))
}

async fn describe(RawQuery(query): RawQuery, request: Request) -> problem::Result<Response> {
    if !query.is_some_and(|query| query.eq_ignore_ascii_case("wsdl")) {
        let detail = "this address takes SOAP by POST; GET /soap?wsdl describes it";
        return Err(Problem::bad_request(detail));
    }
    let authority = authority(&request)
        .ok_or_else(|| Problem::bad_request("the request names no host, or a malformed one"))?;
    let document = wsdl::document(&format!("http://{authority}/soap"));
    Ok(xml(StatusCode::OK, document.into_bytes()))
}

/// The host that the client knows us by.
fn authority(request: &Request) -> Option<Authority> {
    let of_header = || {
        let host = request.headers().get(header::HOST)?;
        host.to_str().ok()?.parse().ok()
    };
    request.uri().authority().cloned().or_else(of_header)
}

async fn call(State(store): State<Store>, headers: HeaderMap, body: Bytes) -> Response {
    if let Err(refusal) = check_content_type(&headers) {
        return answer(StatusCode::UNSUPPORTED_MEDIA_TYPE, refusal.to_element());
    }
    let outcome = match soap::open(&body) {
        Ok(element) => match check_action(&headers, &element) {
            Ok(()) => operations::call(&store, &element)
                .await
                .map_err(|refusal| fault::to_soap(&refusal)),
            Err(refusal) => Err(refusal),
        },
        Err(error) => Err(error.fault()),
    };
    match outcome {
        Ok(element) => answer(StatusCode::OK, element),
        // SOAP 1.1: whatever the fault is, over HTTP it is a 500.
        Err(fault) => answer(StatusCode::INTERNAL_SERVER_ERROR, fault.to_element()),
    }
}

/// SOAP 1.1 is `text/xml`. A charset other than UTF-8 would be a lie or beyond us.
fn check_content_type(headers: &HeaderMap) -> Result<(), Fault> {
    let value = headers.get(header::CONTENT_TYPE);
    let value = value.and_then(|value| value.to_str().ok()).unwrap_or("");
    let mut parts = value.split(';').map(str::trim_ascii);
    let is_xml = parts
        .next()
        .is_some_and(|kind| kind.eq_ignore_ascii_case("text/xml"));
    let is_utf8 = parts
        .filter_map(|parameter| parameter.split_once('='))
        .filter(|(name, _)| name.trim_ascii().eq_ignore_ascii_case("charset"))
        .all(|(_, charset)| {
            let charset = charset.trim_ascii().trim_matches('"');
            charset.eq_ignore_ascii_case("utf-8") || charset.eq_ignore_ascii_case("us-ascii")
        });
    if is_xml && is_utf8 {
        Ok(())
    } else {
        let reason = "a message must come as text/xml; charset=utf-8";
        Err(Fault::new(FaultCode::Client, reason))
    }
}

/// Old clients leave the action out or empty, and that is fine; one that names another operation than
/// the message holds is a mistake, or an attempt to pass a filter that reads the header only.
fn check_action(headers: &HeaderMap, element: &Element) -> Result<(), Fault> {
    let Some(action) = headers.get("soapaction") else {
        return Ok(());
    };
    let action = action.to_str().unwrap_or("?").trim_ascii();
    let action = action.trim_matches('"');
    let operation = action.rsplit(['/', '#', ':']).next().unwrap_or_default();
    if action.is_empty() || operation == element.name {
        Ok(())
    } else {
        let reason = "the SOAPAction is not that of the operation in the body";
        Err(Fault::new(FaultCode::Client, reason))
    }
}

fn answer(status: StatusCode, element: Element) -> Response {
    xml(status, soap::message(element))
}

fn xml(status: StatusCode, document: Vec<u8>) -> Response {
    let content_type = [(header::CONTENT_TYPE, soap::CONTENT_TYPE)];
    (status, content_type, document).into_response()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(name: &'static str, value: &'static str) -> HeaderMap {
        let mut headers = HeaderMap::new();
        headers.insert(name, value.parse().unwrap());
        headers
    }

    #[test]
    fn an_action_is_checked_loosely() {
        let element = Element::new("urn:x", "GetOrder");
        for action in [
            "",
            "\"\"",
            "GetOrder",
            "\"urn:x#GetOrder\"",
            "http://x/GetOrder",
        ] {
            assert_eq!(
                check_action(&headers("soapaction", action), &element),
                Ok(()),
                "{action}"
            );
        }
        assert!(check_action(&HeaderMap::new(), &element).is_ok());
        for action in ["\"urn:x#CreateOrder\"", "MyGetOrder", "GetOrder/x"] {
            assert!(
                check_action(&headers("soapaction", action), &element).is_err(),
                "{action}"
            );
        }
    }

    #[test]
    fn only_text_xml_in_utf8_is_read() {
        for kind in [
            "text/xml",
            "Text/XML; charset=\"UTF-8\"",
            "text/xml;action=x",
        ] {
            assert_eq!(
                check_content_type(&headers("content-type", kind)),
                Ok(()),
                "{kind}"
            );
        }
        assert!(check_content_type(&HeaderMap::new()).is_err());
        for kind in [
            "application/soap+xml",
            "text/xml; charset=utf-16",
            "text/plain",
        ] {
            assert!(
                check_content_type(&headers("content-type", kind)).is_err(),
                "{kind}"
            );
        }
    }
}
