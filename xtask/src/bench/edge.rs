//! The full edge: tokens verified, a limit for each subject, two endpoints balanced.

use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anyhow::Context as _;
use jsonwebtoken::jwk::{Jwk, JwkSet};
use jsonwebtoken::{Algorithm, EncodingKey, Header, encode};
use rcgen::{KeyPair, PKCS_RSA_SHA256};
use serde_json::json;

use crate::bench::lab::Lab;
use crate::bench::peers::nginx::Edge;
use crate::bench::peers::{haproxy, nginx};
use crate::bench::report::{Section, Verdict};
use crate::bench::rounds::{Client, Contestant, alternate};
use crate::bench::server::Server;
use crate::bench::wrk::Wrk;
use crate::demo::ports;

/// CPU time a request in relation to what nginx takes for bare proxying.
const BAR: f64 = 1.4;

/// Clients with a token each.
const SUBJECTS: usize = 64;

const ISSUER: &str = "http://bench.example";
const AUDIENCE: &str = "shop";
const KEY_ID: &str = "bench";

/// Longer than any bench.
const TOKEN_LIFE: Duration = Duration::from_hours(24);

pub(super) async fn measure(lab: &Lab) -> anyhow::Result<Section> {
    let key = issuer_key()?;
    let script = requests(lab, &key)?;
    let contestants = [
        lab.under_wrk("nginx, bare", nginx::proxy(lab, Edge::Plain).await?),
        with_tokens(lab, "gateway", gateway(lab, &key).await?, &script),
        with_tokens(lab, "haproxy", haproxy(lab, &key).await?, &script),
    ];
    let measured = alternate(&contestants, lab.options.rounds, lab.options.seconds).await?;
    let [nginx, gateway, _] = measured.as_slice() else {
        anyhow::bail!("not every contestant was measured");
    };
    let verdict = Verdict::at_most("2: CPU a request to bare nginx", gateway.cpu_to(nginx), BAR);
    Ok(Section::of_rounds(
        "edge",
        "The full edge",
        format!(
            "RS256 tokens of {SUBJECTS} subjects verified, a limit for each subject, two endpoints, trace \
             context, metrics, JSON access log; nginx does none of it. HAProxy verifies, counts and logs."
        ),
        &measured,
        vec![verdict],
    ))
}

/// The gateway alone.
pub(super) async fn own(lab: &Lab) -> anyhow::Result<Contestant> {
    let key = issuer_key()?;
    let script = requests(lab, &key)?;
    Ok(with_tokens(
        lab,
        "gateway",
        gateway(lab, &key).await?,
        &script,
    ))
}

fn issuer_key() -> anyhow::Result<KeyPair> {
    KeyPair::generate_for(&PKCS_RSA_SHA256).context("cannot make an RSA key")
}

fn with_tokens(lab: &Lab, name: &str, server: Server, script: &Path) -> Contestant {
    let url = format!("http://127.0.0.1:{}/api/orders/7", server.port);
    let wrk = Wrk {
        script: Some(script.to_owned()),
        ..Wrk::new(&lab.programs.wrk, url)
    };
    Contestant {
        name: name.to_owned(),
        server,
        client: Client::Wrk(wrk),
    }
}

async fn gateway(lab: &Lab, key: &KeyPair) -> anyhow::Result<Server> {
    let mut jwk = Jwk::from_encoding_key(&private(key)?, Algorithm::RS256)?;
    jwk.common.key_id = Some(KEY_ID.to_owned());
    let set = serde_json::to_string(&JwkSet { keys: vec![jwk] })?;
    lab.file("static/jwks.json", &set)?;
    let [port] = ports::free()?;
    let (one, two) = (lab.upstream.port, lab.second_upstream_port);
    let table = format!(
        "listeners: [ {{ bind: \"127.0.0.1:{port}\" }} ]\n\
         upstreams: {{ shop: {{ endpoints: [\"http://127.0.0.1:{one}\", \"http://127.0.0.1:{two}\"] }} }}\n\
         auth:\n  providers:\n    bench:\n      issuer: {ISSUER}\n      \
         jwks_uri: http://127.0.0.1:{one}/static/jwks.json\n      audiences: [{AUDIENCE}]\n      \
         algorithms: [RS256]\n\
         limits: {{ subject: {{ key: \"claim:sub\", rate: 1000000/s }} }}\n\
         routes:\n  - match: {{ prefix: /api }}\n    to: {{ upstream: shop }}\n    \
         auth: {{ provider: bench, scopes: [orders] }}\n    limits: [subject]\n"
    );
    Ok(lab.gateway("edge", port, &table).await?.server)
}

async fn haproxy(lab: &Lab, key: &KeyPair) -> anyhow::Result<Server> {
    let public = lab.file("bench.pub.pem", &key.public_key_pem())?;
    let rules = format!(
        "  http-request set-var(txn.bearer) http_auth_bearer\n  \
         http-request deny deny_status 401 unless {{ var(txn.bearer),jwt_verify(\"RS256\",\"{}\") 1 }}\n  \
         http-request set-var(txn.sub) var(txn.bearer),jwt_payload_query('$.sub')\n  \
         http-request track-sc0 var(txn.sub) table subjects\n  \
         http-request deny deny_status 429 if {{ sc_http_req_rate(0,subjects) gt 1000000 }}\n  \
         http-request set-header X-User-Id %[var(txn.sub)]\n",
        public.display()
    );
    let sections = "backend subjects\n  \
                    stick-table type string len 64 size 1m expire 60s store http_req_rate(1s)\n";
    haproxy::proxy(lab, "haproxy-edge", Edge::Plain, &rules, sections).await
}

fn private(key: &KeyPair) -> anyhow::Result<EncodingKey> {
    Ok(EncodingKey::from_rsa_pem(key.serialize_pem().as_bytes())?)
}

/// A script of wrk's that sends every subject's token in turn.
fn requests(lab: &Lab, key: &KeyPair) -> anyhow::Result<PathBuf> {
    let now = SystemTime::now().duration_since(UNIX_EPOCH)?;
    let mut header = Header::new(Algorithm::RS256);
    header.kid = Some(KEY_ID.to_owned());
    let private = private(key)?;
    let mut lines = Vec::new();
    for subject in 0..SUBJECTS {
        let claims = json!({
            "iss": ISSUER,
            "aud": AUDIENCE,
            "sub": format!("customer-{subject}"),
            "scope": "orders profile",
            "iat": now.as_secs(),
            "exp": (now + TOKEN_LIFE).as_secs(),
        });
        let token = encode(&header, &claims, &private)?;
        lines.push(format!(
            "  wrk.format(\"GET\", nil, {{ [\"Authorization\"] = \"Bearer {token}\" }}),"
        ));
    }
    let text = format!(
        "local requests = {{}}\nlocal next = 0\nfunction init(args)\n  requests = {{\n{}\n  }}\nend\n\
         function request()\n  next = next % #requests + 1\n  return requests[next]\nend\n",
        lines.join("\n")
    );
    lab.file("tokens.lua", &text)
}
