//! A monolith on a free port, and ways to ask it.

use chassis::{Client, Running, Settings};
use reqwest::{Response, StatusCode};
use serde_json::Value;
use soap::{Element, Fault};
use tempfile::TempDir;

pub(crate) const NAMESPACE: &str = "urn:shop-manager:2003";

pub(crate) struct Shop {
    pub(crate) client: Client,
    running: Running,
    _folder: TempDir,
}

impl Shop {
    pub(crate) async fn start() -> Self {
        Self::start_with(false).await
    }

    pub(crate) async fn start_with(faults: bool) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let service = Settings::for_tests(folder.path());
        let options = legacy_shop::Options { service, faults };
        Self {
            client: Client::new().unwrap(),
            running: legacy_shop::start(options).await.unwrap(),
            _folder: folder,
        }
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("{}{path}", self.running.url())
    }

    pub(crate) async fn fetch(&self, path: &str) -> Response {
        self.client.get(self.url(path)).send().await.unwrap()
    }

    pub(crate) async fn get(&self, path: &str) -> (StatusCode, Value) {
        let response = self.fetch(path).await;
        (response.status(), response.json().await.unwrap())
    }

    pub(crate) async fn page(&self, path: &str) -> (StatusCode, String) {
        let response = self.fetch(path).await;
        (response.status(), response.text().await.unwrap())
    }

    pub(crate) async fn post(&self, path: &str, body: &Value) -> (StatusCode, Value) {
        let request = self.client.post(self.url(path)).json(body);
        let response = request.send().await.unwrap();
        (response.status(), response.json().await.unwrap())
    }

    /// Sends bytes as SOAP 1.1, and takes the answer out of its envelope.
    pub(crate) async fn send_soap(&self, message: impl Into<Vec<u8>>) -> (StatusCode, Element) {
        let request = self.client.post(self.url("/soap"));
        let request = request.header("content-type", "text/xml; charset=utf-8");
        let response = request.body(message.into()).send().await.unwrap();
        let status = response.status();
        assert_eq!(response.headers()["content-type"], soap::CONTENT_TYPE);
        (
            status,
            soap::open(&response.bytes().await.unwrap()).unwrap(),
        )
    }

    pub(crate) async fn call(&self, request: Element) -> Element {
        let (status, element) = self.send_soap(soap::message(request)).await;
        assert_eq!(status, StatusCode::OK, "{element:?}");
        element
    }

    /// A call that must be refused: the code in the fault's detail, and the fault.
    pub(crate) async fn refused(&self, request: Element) -> (String, Fault) {
        let (status, element) = self.send_soap(soap::message(request)).await;
        assert_eq!(status, StatusCode::INTERNAL_SERVER_ERROR, "{element:?}");
        let fault = Fault::read(&element).unwrap().unwrap();
        (fault.detail[0].required("Code").unwrap(), fault)
    }
}

pub(crate) fn request(operation: &str) -> Element {
    Element::new(NAMESPACE, operation)
}

pub(crate) fn text(element: &Element, field: &str) -> String {
    element.required(field).unwrap()
}
