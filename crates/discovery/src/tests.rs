//! The client against registries that behave, hang, talk nonsense and come back.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use axum::extract::State;
use axum::http::{Method, StatusCode, Uri};
use axum::response::{IntoResponse, Response};
use axum::{Json, Router};
use serde_json::json;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinSet;

use crate::{
    Instance, Registration, RegistryClient, RegistryError, SelfRegistration, Status, Watch,
};

const DEADLINE: Duration = Duration::from_secs(20);

type Answer = dyn Fn(&Method, &str) -> Response + Send + Sync;

/// A registry whose answers a test decides.
#[derive(Clone)]
struct Fake {
    addr: SocketAddr,
    answer: Arc<Answer>,
    asked: watch::Sender<Vec<String>>,
}

impl Fake {
    async fn start(answer: impl Fn(&Method, &str) -> Response + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let fake = Self {
            addr: listener.local_addr().unwrap(),
            answer: Arc::new(answer),
            asked: watch::Sender::new(Vec::new()),
        };
        let routes = Router::new().fallback(Self::serve).with_state(fake.clone());
        tokio::spawn(async move { axum::serve(listener, routes).await });
        fake
    }

    async fn serve(State(fake): State<Self>, method: Method, uri: Uri) -> Response {
        let asked = format!("{method} {}", uri.path());
        let response = (fake.answer)(&method, uri.path());
        fake.asked.send_modify(|all| all.push(asked));
        response
    }

    fn client(&self) -> RegistryClient {
        RegistryClient::new(&format!("http://{}", self.addr)).unwrap()
    }

    /// Waits until a request that begins so has been answered `times`.
    async fn until_asked(&self, request: &str, times: usize) {
        let mut asked = self.asked.subscribe();
        let enough =
            |all: &Vec<String>| all.iter().filter(|one| one.starts_with(request)).count() >= times;
        tokio::time::timeout(DEADLINE, asked.wait_for(enough))
            .await
            .expect(request)
            .unwrap();
    }

    fn count(&self, request: &str) -> usize {
        self.asked
            .borrow()
            .iter()
            .filter(|one| one.starts_with(request))
            .count()
    }
}

fn lease() -> Response {
    Json(json!({ "lease_id": "l", "renew_every_s": 0.01 })).into_response()
}

fn view(index: u64, statuses: &[Status]) -> Response {
    let instances: Vec<Instance> = statuses
        .iter()
        .zip(1..)
        .map(|(s, n)| instance(n, *s))
        .collect();
    Json(json!({ "index": index, "instances": instances })).into_response()
}

fn instance(n: u16, status: Status) -> Instance {
    serde_json::from_value(json!({
        "id": format!("i{n}"), "service": "catalog", "addr": "127.0.0.1", "port": n,
        "scheme": "http", "weight": 1, "status": status, "source": "self",
    }))
    .unwrap()
}

fn registration() -> Registration {
    serde_json::from_value(json!({ "addr": "127.0.0.1", "port": 7004 })).unwrap()
}

async fn within<T>(work: impl Future<Output = T>) -> T {
    tokio::time::timeout(DEADLINE, work).await.expect("in time")
}

fn ids(watch: &Watch) -> Vec<String> {
    watch
        .instances()
        .iter()
        .map(|instance| instance.id.clone())
        .collect()
}

#[tokio::test]
async fn an_instance_that_the_registry_has_forgotten_registers_again() {
    let forgets = AtomicBool::new(true);
    let fake = Fake::start(move |method, _| match *method {
        Method::POST if forgets.swap(false, Ordering::Relaxed) => {
            StatusCode::NOT_FOUND.into_response()
        }
        _ => lease(),
    })
    .await;
    let _kept = SelfRegistration::start(fake.client(), "catalog", "c1", registration());
    fake.until_asked("PUT /v1/services/catalog/instances/c1", 2)
        .await;
    fake.until_asked("POST /v1/services/catalog/instances/c1/renew", 3)
        .await;
    assert_eq!(fake.count("PUT"), 2);
}

#[tokio::test]
async fn who_lost_its_name_to_another_does_not_take_it_back_while_the_other_lives() {
    let conflicts = AtomicUsize::new(0);
    let fake = Fake::start(move |method, _| match *method {
        Method::POST => match conflicts.fetch_add(1, Ordering::Relaxed) {
            0..3 => StatusCode::CONFLICT.into_response(),
            3 => StatusCode::NOT_FOUND.into_response(),
            _ => lease(),
        },
        _ => lease(),
    })
    .await;
    let mut kept = SelfRegistration::start(fake.client(), "catalog", "c1", registration());
    fake.until_asked("POST", 3).await;
    assert_eq!(fake.count("PUT"), 1, "the other one has the name");
    fake.until_asked("PUT", 2).await;
    within(kept.registered()).await;
}

#[tokio::test]
async fn a_registry_that_is_away_at_first_is_asked_until_it_is_there() {
    let failures = AtomicUsize::new(0);
    let fake = Fake::start(move |_, _| match failures.fetch_add(1, Ordering::Relaxed) {
        0 => StatusCode::SERVICE_UNAVAILABLE.into_response(),
        1 => "garbage".into_response(),
        _ => lease(),
    })
    .await;
    let mut kept = SelfRegistration::start(fake.client(), "catalog", "c1", registration());
    within(kept.registered()).await;
    assert_eq!(fake.count("PUT"), 3);
}

#[tokio::test]
async fn who_is_leaving_drains_then_deregisters_and_never_comes_back() {
    let draining = Arc::new(AtomicBool::new(false));
    let forgets = Arc::clone(&draining);
    let fake = Fake::start(move |method, _| match *method {
        Method::PATCH => {
            forgets.store(true, Ordering::Relaxed);
            StatusCode::NO_CONTENT.into_response()
        }
        Method::POST if forgets.load(Ordering::Relaxed) => StatusCode::NOT_FOUND.into_response(),
        _ => lease(),
    })
    .await;
    let mut kept = SelfRegistration::start(fake.client(), "catalog", "c1", registration());
    within(kept.registered()).await;
    kept.drain().await;
    fake.until_asked("PATCH /v1/services/catalog/instances/c1/status", 1)
        .await;
    // The registry forgets it just then.
    fake.until_asked("POST", 1).await;
    within(kept.deregister()).await;
    assert_eq!(fake.count("PUT"), 1);
}

#[tokio::test]
async fn a_dropped_registration_is_renewed_no_more() {
    let fake = Fake::start(|_, _| lease()).await;
    let kept = SelfRegistration::start(fake.client(), "catalog", "c1", registration());
    fake.until_asked("POST", 1).await;
    drop(kept);
    tokio::time::sleep(Duration::from_millis(300)).await;
    let renewals = fake.count("POST");
    tokio::time::sleep(Duration::from_millis(500)).await;
    assert_eq!(fake.count("POST"), renewals);
}

#[tokio::test]
async fn the_last_good_list_is_kept_while_the_registry_fails() {
    let calls = AtomicUsize::new(0);
    let fake = Fake::start(move |_, _| match calls.fetch_add(1, Ordering::Relaxed) {
        0 => view(1, &[Status::Up]),
        1 => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
        2 => "garbage".into_response(),
        3 => Json(json!({ "index": 2, "instances": "none" })).into_response(),
        _ => view(5, &[Status::Up, Status::Up]),
    })
    .await;
    let mut watch = Watch::start(fake.client(), "catalog");
    within(watch.changed()).await;
    assert_eq!(ids(&watch), ["i1"]);
    fake.until_asked("GET", 4).await;
    assert_eq!(ids(&watch), ["i1"]);
    within(watch.changed()).await;
    assert_eq!(ids(&watch), ["i1", "i2"]);
}

#[tokio::test]
async fn the_first_answer_counts_as_a_change_even_if_nobody_is_there() {
    let fake = Fake::start(|_, _| view(1, &[])).await;
    let mut watch = Watch::start(fake.client(), "catalog");
    within(watch.changed()).await;
    assert_eq!(watch.pick(), None);
}

#[tokio::test]
async fn a_registry_that_does_not_wait_is_not_asked_in_a_loop() {
    let fake = Fake::start(|_, _| view(7, &[Status::Up])).await;
    let mut watch = Watch::start(fake.client(), "catalog");
    within(watch.changed()).await;
    tokio::time::sleep(Duration::from_millis(500)).await;
    let asked = fake.count("GET");
    assert!(asked <= 8, "asked {asked} times in half a second");
}

#[tokio::test]
async fn up_comes_first_then_suspect_then_draining_and_down_never() {
    use Status::{Down, Draining, Suspect, Up};
    let (publish, shown) = watch::channel(vec![Down]);
    let index = AtomicUsize::new(0);
    let fake = Fake::start(move |_, _| {
        let index = index.fetch_add(1, Ordering::Relaxed);
        view(u64::try_from(index).unwrap() + 1, &shown.borrow())
    })
    .await;
    let mut watch = Watch::start(fake.client(), "catalog");
    let mut picks_of = async |statuses: &[Status]| {
        publish.send_replace(statuses.to_vec());
        let shown = |watch: &Watch| {
            watch
                .instances()
                .iter()
                .map(|instance| instance.status)
                .eq(statuses.iter().copied())
        };
        while !shown(&watch) {
            within(watch.changed()).await;
        }
        let mut picks: Vec<_> = (0..4)
            .map(|_| watch.pick().map(|instance| instance.port))
            .collect();
        picks.sort_unstable();
        picks
    };
    let three = [Some(1), Some(1), Some(3), Some(3)];
    assert_eq!(picks_of(&[Up, Suspect, Up, Draining]).await, three);
    assert_eq!(picks_of(&[Down, Suspect, Draining]).await, [Some(2); 4]);
    assert_eq!(picks_of(&[Down, Down, Draining]).await, [Some(3); 4]);
    assert_eq!(picks_of(&[Down]).await, [None; 4]);
}

#[tokio::test]
async fn watching_ends_with_the_last_clone() {
    let fake = Fake::start(|_, _| view(7, &[Status::Up])).await;
    let watch = Watch::start(fake.client(), "catalog");
    let clone = watch.clone();
    drop(watch);
    let asked = fake.count("GET");
    fake.until_asked("GET", asked + 2).await;
    drop(clone);
    tokio::time::sleep(Duration::from_millis(300)).await;
    let asked = fake.count("GET");
    tokio::time::sleep(Duration::from_millis(300)).await;
    assert_eq!(fake.count("GET"), asked);
}

#[tokio::test]
async fn a_registry_that_hangs_is_given_up_in_time() {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let addr = listener.local_addr().unwrap();
    let mut held = JoinSet::new();
    held.spawn(async move {
        let mut connections = Vec::new();
        while let Ok((connection, _)) = listener.accept().await {
            connections.push(connection);
        }
    });
    let client = RegistryClient::new(&format!("http://{addr}")).unwrap();
    let given_up = within(client.register("catalog", "c1", &registration())).await;
    assert!(matches!(given_up, Err(RegistryError::Unreachable(_))));
}

#[tokio::test]
async fn errors_say_what_to_do_about_them() {
    let fake = Fake::start(|_, path| match path {
        "/v1/services/catalog/instances/gone/renew" => StatusCode::GONE.into_response(),
        "/v1/services/catalog/instances/taken/renew" => StatusCode::CONFLICT.into_response(),
        _ => {
            let problem = json!({ "detail": "`ttl_s` must be 1 to 300", "status": 422 });
            (StatusCode::UNPROCESSABLE_ENTITY, Json(problem)).into_response()
        }
    })
    .await;
    let client = fake.client();
    let lease = serde_json::from_value(json!({ "lease_id": "l", "renew_every_s": 5 })).unwrap();
    let renew = async |id| client.renew("catalog", id, &lease).await.unwrap_err();
    assert!(matches!(renew("gone").await, RegistryError::UnknownLease));
    assert!(matches!(renew("taken").await, RegistryError::AnothersLease));
    let refused = client
        .register("catalog", "c1", &registration())
        .await
        .unwrap_err();
    assert_eq!(
        refused.to_string(),
        "the registry refused with 422: `ttl_s` must be 1 to 300"
    );
    let nobody = RegistryClient::new("http://127.0.0.1:1").unwrap();
    let error = nobody
        .register("catalog", "c1", &registration())
        .await
        .unwrap_err();
    assert!(error.to_string().contains("refused"), "{error}");
}
