//! A browser, as far as signing in goes: cookies by host, redirects followed by hand.

use std::collections::BTreeMap;

use reqwest::{RequestBuilder, Response};
use url::Url;

use crate::bff::{Bff, ISSUER, ORIGIN};

/// Its cookies; the BFF and the provider stand on one host, with different paths.
#[derive(Debug, Default, Clone)]
pub(crate) struct Browser {
    cookies: BTreeMap<String, String>,
}

impl Browser {
    pub(crate) async fn get(&mut self, bff: &Bff, url: &str) -> Response {
        let request = bff.client.get(reached(bff, url));
        self.send(request).await
    }

    /// Posts a form from a page of `origin`.
    pub(crate) async fn post(
        &mut self,
        bff: &Bff,
        url: &str,
        origin: &str,
        form: &[(String, String)],
    ) -> Response {
        let request = bff.client.post(reached(bff, url)).form(form);
        self.send(request.header("origin", origin)).await
    }

    async fn send(&mut self, request: RequestBuilder) -> Response {
        let cookies: Vec<String> = self
            .cookies
            .iter()
            .map(|(name, value)| format!("{name}={value}"))
            .collect();
        let response = request
            .header("cookie", cookies.join("; "))
            .send()
            .await
            .unwrap();
        for cookie in response.headers().get_all("set-cookie") {
            let text = cookie.to_str().unwrap();
            let (name, rest) = text.split_once('=').unwrap();
            let (value, attributes) = rest.split_once(';').unwrap();
            if attributes.contains("Max-Age=0") {
                self.cookies.remove(name);
            } else {
                self.cookies.insert(name.to_owned(), value.to_owned());
            }
        }
        response
    }

    pub(crate) fn cookies(&self) -> &BTreeMap<String, String> {
        &self.cookies
    }

    /// Begins to sign in; returns where the provider's page is.
    pub(crate) async fn begin(&mut self, bff: &Bff, return_to: &str) -> String {
        let login = format!("{ORIGIN}/web/login?return_to={return_to}");
        let response = self.get(bff, &login).await;
        location(&response)
    }

    /// Fills in the provider's form; returns where the provider sends the browser.
    pub(crate) async fn fill_in(&mut self, bff: &Bff, authorize: &str) -> String {
        let page = self.get(bff, authorize).await;
        // Somebody who is signed in there already is sent back at once.
        if page.status().is_redirection() {
            return location(&page);
        }
        let url = Url::parse(authorize).unwrap();
        let mut form: Vec<(String, String)> = url.query_pairs().into_owned().collect();
        form.push((
            "username".to_owned(),
            "orders@harbour-books.example".to_owned(),
        ));
        let page = page.text().await.unwrap();
        let (_, rest) = page.split_once("password of every account is").unwrap();
        let (_, rest) = rest.split_once("<code>").unwrap();
        let (password, _) = rest.split_once("</code>").unwrap();
        form.push(("password".to_owned(), password.to_owned()));
        let response = self
            .post(bff, &format!("{ISSUER}/login"), ORIGIN, &form)
            .await;
        location(&response)
    }

    /// Signs in; returns where the browser ends up.
    pub(crate) async fn sign_in(&mut self, bff: &Bff) -> String {
        let authorize = self.begin(bff, "%2Forders").await;
        let callback = self.fill_in(bff, &authorize).await;
        let response = self.get(bff, &callback).await;
        location(&response)
    }
}

/// What the gateway does: the provider stands below `/identity`, the BFF has the rest.
fn reached(bff: &Bff, url: &str) -> String {
    if let Some(path) = url.strip_prefix(ISSUER) {
        let (identity, _) = bff.identity.as_ref().unwrap();
        return format!("{}{path}", identity.url());
    }
    let path = url.strip_prefix(ORIGIN).unwrap();
    format!("{}{path}", bff.running.url())
}

#[track_caller]
pub(crate) fn location(response: &Response) -> String {
    assert_eq!(response.status(), 303, "{response:?}");
    response.headers()["location"].to_str().unwrap().to_owned()
}
