//! Services come, go and die; the registry may too.

use std::net::SocketAddr;
use std::time::Duration;

use tests::load::{Load, assert_all};
use tests::{Gateway, HeldPort, PATIENCE, ReplyExt as _, Service, eventually};

use crate::{GATEWAY, SHOP};

/// The gateway before two instances of `catalog` that it finds through the registry.
struct Scene {
    folder: tempfile::TempDir,
    registry: Service,
    /// Where the catalogs listen, also after a restart.
    ports: [HeldPort; 2],
    catalogs: Vec<Service>,
    gateway: Gateway,
}

impl Scene {
    async fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let registry = Service::run(SHOP, folder.path(), "registry", "127.0.0.1:0", &[]).await;
        let table = format!(
            r#"registry: {}
upstreams:
  catalog: {{ registry: catalog, strip_prefix: /api, health: {{ path: /readyz, interval: 1s, timeout: 500ms }} }}
routes:
  - {{ match: {{ path: "/api/{{*rest}}" }}, to: {{ upstream: catalog }} }}
"#,
            registry.url()
        );
        let gateway = Gateway::start(GATEWAY, &table).await;
        let mut scene = Self {
            folder,
            registry,
            catalogs: Vec::new(),
            ports: [HeldPort::new(), HeldPort::new()],
            gateway,
        };
        for port in &scene.ports {
            let catalog = scene.catalog(port.addr()).await;
            scene.catalogs.push(catalog);
        }
        scene.wait_for_available(2).await;
        scene
    }

    async fn catalog(&self, listen: SocketAddr) -> Service {
        let (registry, listen) = (self.registry.url(), listen.to_string());
        let extra = ["--registry", &registry];
        Service::run(SHOP, self.folder.path(), "catalog", &listen, &extra).await
    }

    async fn wait_for_available(&self, count: usize) {
        let what = format!("{count} endpoints of catalog");
        eventually(&what, PATIENCE * 3, async || {
            let page = self.gateway.admin("/upstreams").await.expect(200).json();
            let endpoints = page["items"][0]["endpoints"]
                .as_array()
                .cloned()
                .unwrap_or_default();
            let available = endpoints
                .iter()
                .filter(|one| one["state"] == "available")
                .count();
            (available == count).then_some(())
        })
        .await;
    }

    /// How many requests this instance has answered by the gateway's count.
    async fn answered_by(&self, service: &Service) -> f64 {
        let endpoint = format!("endpoint=\"{}\"", service.addr);
        let labels = [endpoint.as_str(), "outcome=\"answered\""];
        self.gateway
            .metric("gateway_upstream_requests_total", &labels)
            .await
    }

    fn load(&self) -> Load {
        let (client, url) = (
            self.gateway.client(),
            self.gateway.https("/api/products/TEA-001"),
        );
        Load::start(100, move || client.get(&url))
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_instance_killed_under_load_costs_no_request_and_is_used_again_after_its_restart() {
    let mut scene = Scene::start().await;
    let load = scene.load();
    tokio::time::sleep(Duration::from_secs(1)).await;
    scene.catalogs[0].process.kill().await;
    scene.wait_for_available(1).await;
    tokio::time::sleep(Duration::from_secs(1)).await;

    scene.catalogs[0] = scene.catalog(scene.ports[0].addr()).await;
    let before = scene.answered_by(&scene.catalogs[0]).await;
    let used_again = async || {
        let now = scene.answered_by(&scene.catalogs[0]).await;
        (now > before).then_some(())
    };
    eventually(
        "the restarted instance to be used",
        PATIENCE * 3,
        used_again,
    )
    .await;
    let shots = load.finish().await;
    assert_all(&shots, 200);
    scene.gateway.assert_sound();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_registrys_death_changes_nothing_for_traffic() {
    let mut scene = Scene::start().await;
    let load = scene.load();
    scene.registry.process.kill().await;
    // Longer than any list is waited for.
    tokio::time::sleep(Duration::from_secs(3)).await;
    assert_all(&load.finish().await, 200);
    scene.wait_for_available(2).await;
    scene.gateway.assert_sound();
}

#[tokio::test]
async fn a_service_that_leaves_in_order_is_not_asked_any_more() {
    let mut scene = Scene::start().await;
    scene.catalogs[0].process.close_stdin();
    assert!(scene.catalogs[0].process.ended(PATIENCE).await.success());
    scene.wait_for_available(1).await;
    let client = scene.gateway.client();
    for _ in 0..20 {
        client
            .get(scene.gateway.https("/api/products"))
            .reply()
            .await
            .expect(200);
    }
    scene.gateway.assert_sound();
}

#[tokio::test]
async fn a_service_that_nobody_runs_is_unavailable_and_says_when_to_come_back() {
    let folder = tempfile::tempdir().unwrap();
    let registry = Service::run(SHOP, folder.path(), "registry", "127.0.0.1:0", &[]).await;
    let table = format!(
        r#"registry: {}
upstreams:
  nobody: {{ registry: nobody }}
routes:
  - {{ match: {{ prefix: / }}, to: {{ upstream: nobody }} }}
"#,
        registry.url()
    );
    let gateway = Gateway::start(GATEWAY, &table).await;
    let reply = gateway.get("/").await;
    assert_ne!(reply.header("retry-after"), "");
    reply.expect_problem(503, "no_endpoint");
}
