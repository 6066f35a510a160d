//! The real services behind the real `routes.yaml`, all on port 0.

use std::net::SocketAddr;
use std::path::Path;

use reqwest::RequestBuilder;
use tempfile::TempDir;

use crate::client::ReplyExt as _;
use crate::deadline::{PATIENCE, eventually};
use crate::gateway::{Edit, Gateway};
use crate::process::{Binary, Process};

/// The issuer that `routes.yaml` names when the edge's port is left to the system.
const ISSUER: &str = "https://localhost:0/identity";

/// Where cargo has put what the shop needs.
#[derive(Debug, Clone, Copy)]
pub struct Binaries {
    pub gateway: Binary,
    pub shop: Binary,
    pub bff_web: Binary,
    pub bff_mobile: Binary,
}

/// Every process of the demo. Dropping it kills them all.
#[derive(Debug)]
pub struct Shop {
    pub gateway: Gateway,
    pub registry: Service,
    pub catalogs: [Service; 2],
    pub inventory: Service,
    pub bffs: Vec<Service>,
    /// What needs no name in a test: monolith, adapter, identity, customer, order.
    pub others: Vec<Service>,
    /// A token of the first customer.
    pub token: String,
    table: String,
    _folder: TempDir,
}

/// A service as a process.
#[derive(Debug)]
pub struct Service {
    pub process: Process,
    pub addr: SocketAddr,
}

impl Service {
    /// Runs one of the shop's services on `listen` and waits until it serves.
    pub async fn run(
        shop: Binary,
        folder: &Path,
        service: &str,
        listen: &str,
        extra: &[&str],
    ) -> Self {
        Self::start(shop, folder, &["run", service, "--listen", listen], extra).await
    }

    /// Starts a binary that serves and waits until it does.
    async fn start(binary: Binary, folder: &Path, call: &[&str], extra: &[&str]) -> Self {
        let data = folder.display().to_string();
        let mut arguments = call.to_vec();
        arguments.extend(["--data-dir", &data, "--supervised"]);
        arguments.extend(extra);
        let process = Process::start(binary, &arguments, &[], folder);
        let line = process.message("listening").await;
        let addr = line["addr"].as_str().and_then(|addr| addr.parse().ok());
        Self {
            addr: addr.unwrap_or_else(|| panic!("no address in {line}")),
            process,
        }
    }

    /// `http://127.0.0.1:port`.
    pub fn url(&self) -> String {
        format!("http://{}", self.addr)
    }
}

impl Shop {
    /// Starts everything and waits until a customer is served everywhere.
    ///
    /// # Panics
    /// When something does not start.
    pub async fn start(binaries: Binaries) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let data = folder.path();
        let run = async |service: &'static str, extra: &[&str]| {
            Service::run(binaries.shop, data, service, "127.0.0.1:0", extra).await
        };
        let registry = run("registry", &[]).await;
        let at_registry = registry.url();
        let known: &[&str] = &["--registry", &at_registry];
        let with = |extra: &[&'static str]| [known, extra].concat();

        let identity = run("identity", &with(&["--issuer", ISSUER])).await;
        let legacy_shop = run("legacy-shop", known).await;
        let at_legacy = legacy_shop.url();
        let adapter = run(
            "legacy-adapter",
            &[known, &["--legacy-url", &at_legacy]].concat(),
        )
        .await;
        let (customer, order) = (run("customer", known).await, run("order", known).await);
        let inventory = run("inventory", known).await;
        let catalogs = [run("catalog", known).await, run("catalog", known).await];

        let table = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../routes.yaml"));
        let table = table.unwrap();
        let port = |service: &Service| service.addr.port().to_string();
        let environment = [
            ("EDGE_PORT", "0".to_owned()),
            ("REDIRECT_PORT", "0".to_owned()),
            ("INTERNAL_PORT", "0".to_owned()),
            ("ADMIN_PORT", "0".to_owned()),
            ("REGISTRY_PORT", port(&registry)),
            ("LEGACY_SHOP_PORT", port(&legacy_shop)),
            ("IDENTITY_PORT", port(&identity)),
            // Not every machine has ::1; any second address will do.
            ("LOOPBACK_V6", "127.0.0.2".to_owned()),
            ("DEMO_DIR", ".".to_owned()),
        ];
        let gateway = Gateway::start_table(binaries.gateway, &table, &environment).await;
        let bffs = Self::start_bffs(binaries, data, known, &gateway, &identity).await;
        let token = Self::token(binaries.shop, data, &identity).await;
        let others = vec![identity, legacy_shop, adapter, customer, order];
        let shop = Self {
            gateway,
            registry,
            catalogs,
            inventory,
            bffs,
            others,
            token,
            table,
            _folder: folder,
        };
        shop.wait_until_open().await;
        shop
    }

    async fn start_bffs(
        binaries: Binaries,
        data: &Path,
        known: &[&str],
        gateway: &Gateway,
        identity: &Service,
    ) -> Vec<Service> {
        let (internal, admin) = (gateway.http("internal", ""), gateway.http("admin", ""));
        let to_gateway = [known, &["--gateway-url", &internal]].concat();
        let identity = identity.url();
        let web = [
            "--admin-url",
            &admin,
            "--issuer",
            ISSUER,
            "--identity-url",
            &identity,
        ];
        let web = [to_gateway.as_slice(), web.as_slice()].concat();
        let call = ["--listen", "127.0.0.1:0"];
        vec![
            Service::start(binaries.bff_web, data, &call, &web).await,
            Service::start(binaries.bff_mobile, data, &call, &to_gateway).await,
        ]
    }

    /// A token by the command that the demo prints.
    async fn token(shop: Binary, folder: &Path, identity: &Service) -> String {
        let url = identity.url();
        let arguments = ["token", "--user", "1", "--identity", &url];
        let mut process = Process::start(shop, &arguments, &[], folder);
        let status = process.ended(PATIENCE).await;
        assert!(status.success(), "`shop token` failed\n{}", process.tail());
        let is_token =
            |line: &serde_json::Value| line.as_str().is_some_and(|line| !line.is_empty());
        let line = process.line_after(0, "a token", is_token).await;
        line.as_str().unwrap_or_default().to_owned()
    }

    /// Started is not open: every caller has to find whom it calls first.
    async fn wait_until_open(&self) {
        eventually("two catalogs and one of each other", PATIENCE, async || {
            let page = self.gateway.admin("/upstreams").await.expect(200).json();
            let items = page["items"].as_array().cloned().unwrap_or_default();
            let complete = items.iter().all(|item| {
                let wanted = if item["name"] == "catalog" { 2 } else { 1 };
                item["endpoints"]
                    .as_array()
                    .is_some_and(|found| found.len() >= wanted)
            });
            complete.then_some(())
        })
        .await;
        eventually("a screen with all its parts", PATIENCE, async || {
            let reply = self.get("/web/home").reply().await;
            let whole = reply.status == 200
                && reply.json()["parts"]
                    .as_object()
                    .is_none_or(serde_json::Map::is_empty);
            whole.then_some(())
        })
        .await;
    }

    /// A request over HTTPS with the first customer's token.
    pub fn get(&self, path: &str) -> RequestBuilder {
        self.gateway
            .client()
            .get(self.gateway.https(path))
            .bearer_auth(&self.token)
    }

    /// Moves a group by an edit of the table's one line, and waits until it serves.
    ///
    /// # Panics
    /// When the table has no such group.
    pub async fn switch(&mut self, group: &str, stage: &str) {
        let table = std::mem::take(&mut self.table);
        let group_at = table.find(&format!("\n  {group}:\n    from:")).unwrap();
        let (head, tail) = table.split_at(group_at);
        let line = tail
            .lines()
            .find(|line| line.trim_start().starts_with("stage:"))
            .unwrap();
        self.table = format!(
            "{head}{}",
            tail.replacen(line, &format!("    stage: {stage}"), 1)
        );
        self.gateway.edit(Edit::Rename, &self.table).await;
    }
}
