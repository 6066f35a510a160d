//! A BFF with a shop behind it.

use std::time::{Duration, Instant};

use bff_web::{Options, ProviderOptions};
use chassis::{Running, Settings};
use fake_shop::{Answer, Shop};
use identity::ClientOptions;
use reqwest::redirect::Policy;
use reqwest::{Client, RequestBuilder, Response};
use serde_json::{Value, json};

/// How browsers reach this shop in these tests.
pub(crate) const ORIGIN: &str = "https://shop.test";

/// The provider, as browsers reach it.
pub(crate) const ISSUER: &str = "https://shop.test/identity";

/// Until the catalogue's instances are known.
const PATIENCE: Duration = Duration::from_secs(10);

pub(crate) struct Bff {
    pub(crate) running: Running,
    pub(crate) shop: Shop,
    pub(crate) identity: Option<(Running, tempfile::TempDir)>,
    pub(crate) client: Client,
    _data: tempfile::TempDir,
}

impl Bff {
    /// With the shop's own provider.
    pub(crate) async fn start() -> Self {
        let data = tempfile::tempdir().unwrap();
        let identity = identity::start(identity::Options {
            service: Settings::for_tests(data.path()),
            issuer: ISSUER.parse().unwrap(),
            audience: "shop".to_owned(),
            clients: ClientOptions {
                redirect_uris: vec![format!("{ORIGIN}/web/callback")],
                bff_web_secret: "agreed".parse().unwrap(),
                shop_cli_secret: "x".parse().unwrap(),
            },
        });
        let identity = identity.await.unwrap();
        let mut bff = Self::with_provider(&identity.url()).await;
        bff.identity = Some((identity, data));
        bff
    }

    /// With a provider that is reached at this address.
    pub(crate) async fn with_provider(identity_url: &str) -> Self {
        let shop = Shop::start().await;
        let data = tempfile::tempdir().unwrap();
        let running = bff_web::start(Options {
            service: Settings {
                registry: Some(shop.registry.url("")),
                ..Settings::for_tests(data.path())
            },
            gateway_url: shop.gateway.url("").parse().unwrap(),
            admin_url: shop.admin.url("").parse().unwrap(),
            provider: ProviderOptions {
                issuer: ISSUER.parse().unwrap(),
                identity_url: identity_url.parse().unwrap(),
                public_url: None,
                client_secret: "agreed".parse().unwrap(),
                client_secret_file: None,
            },
        });
        let running = running.await.unwrap();
        let client = Client::builder().no_proxy().redirect(Policy::none());
        let bff = Self {
            running,
            shop,
            identity: None,
            client: client.build().unwrap(),
            _data: data,
        };
        let deadline = Instant::now() + PATIENCE;
        while !bff.text("/catalogue").await.contains("Green tea") {
            assert!(Instant::now() < deadline, "the catalogue is not found");
        }
        bff
    }

    /// Somebody whom nobody knows.
    pub(crate) fn anonymous(&self, path: &str) -> RequestBuilder {
        self.client.get(format!("{}{path}", self.running.url()))
    }

    /// A program with a token, as the gateway forwards it.
    pub(crate) fn with_token(&self, path: &str) -> RequestBuilder {
        self.anonymous(path)
            .header("x-user-id", "1")
            .bearer_auth("the-token")
    }

    pub(crate) async fn answer(&self, path: &str) -> Response {
        self.with_token(path).send().await.unwrap()
    }

    pub(crate) async fn text(&self, path: &str) -> String {
        self.answer(path).await.text().await.unwrap()
    }

    pub(crate) async fn json(&self, path: &str) -> Value {
        self.answer(path).await.json().await.unwrap()
    }

    /// From now on the API fails at `path`.
    pub(crate) fn breaks(&self, path: &str, status: u16) {
        let answer = Answer::Status(status, json!({ "detail": "inside text" }));
        self.shop.gateway.answers(path, answer);
    }
}
