//! What the binaries say on the command line.

use std::net::TcpListener;
use std::path::Path;

use tests::{Binary, PATIENCE, Process};

use crate::{BFF_MOBILE, BFF_WEB, GATEWAY, SHOP};

/// Exit code and everything that was written, once the process has ended.
fn run(binary: Binary, arguments: &[&str], folder: &Path) -> (i32, String) {
    let output = std::process::Command::new(binary.0)
        .args(arguments)
        .current_dir(folder)
        .stdin(std::process::Stdio::null())
        .output()
        .unwrap();
    let text = [output.stdout, output.stderr].concat();
    (
        output.status.code().unwrap_or(-1),
        String::from_utf8_lossy(&text).into_owned(),
    )
}

#[test]
fn every_help_shows_examples() {
    let folder = tempfile::tempdir().unwrap();
    let calls: [(Binary, &[&str]); 11] = [
        (GATEWAY, &["--help"]),
        (GATEWAY, &["run", "--help"]),
        (GATEWAY, &["check", "--help"]),
        (GATEWAY, &["explain", "--help"]),
        (GATEWAY, &["plan", "--help"]),
        (GATEWAY, &["api-key", "--help"]),
        (SHOP, &["--help"]),
        (SHOP, &["run", "--help"]),
        (SHOP, &["token", "--help"]),
        (BFF_WEB, &["--help"]),
        (BFF_MOBILE, &["--help"]),
    ];
    for (binary, arguments) in calls {
        let (code, text) = run(binary, arguments, folder.path());
        assert_eq!(code, 0, "{} {arguments:?}", binary.0);
        assert!(
            text.contains("Examples:"),
            "{} {arguments:?}:\n{text}",
            binary.0
        );
    }
}

#[test]
fn check_reports_three_mistakes_at_once_each_with_its_place_and_mend() {
    let folder = tempfile::tempdir().unwrap();
    let table = r#"version: 1
listeners:
  - bind: "127.0.0.1:0"
upstreams:
  orders: { endpoints: ["http://127.0.0.1:7007"] }
routes:
  - match: { path: "/api/orders/{id}" }
    to: { upstream: ordrs }
    timeout: 15 parsecs
  - mach: { prefix: / }
    match: { prefix: / }
    to: { upstream: orders }
"#;
    std::fs::write(folder.path().join("routes.yaml"), table).unwrap();
    let (code, text) = run(GATEWAY, &["check", "routes.yaml"], folder.path());
    assert_eq!(code, 1, "{text}");
    for (place, value) in [
        ("routes.yaml:8:21", "ordrs"),
        ("routes.yaml:9:14", "15 parsecs"),
        ("routes.yaml:10:5", "mach"),
    ] {
        let line = text.lines().find(|line| line.starts_with(place));
        assert!(
            line.is_some_and(|line| line.contains(value)),
            "{place} {value}\n{text}"
        );
    }
    assert_eq!(text.matches("mend:").count(), 3, "{text}");
}

#[test]
fn the_reference_table_is_good_and_says_so() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let (code, text) = run(GATEWAY, &["check", "--strict", "routes.yaml"], root);
    assert_eq!(code, 0, "{text}");
    assert!(text.starts_with("routes.yaml: ok"), "{text}");
}

/// A table with one row, and a name that no row uses.
const WITH_A_WARNING: &str = "version: 1
listeners: [ { bind: '127.0.0.1:0' } ]
upstreams:
  orders: { endpoints: ['http://127.0.0.1:7007'] }
  spare: { endpoints: ['http://127.0.0.1:7008'] }
auth: { providers: { shop: { issuer: i, jwks_uri: 'http://127.0.0.1:1', audiences: [a], on_outage: { stale: 1h } } } }
routes:
  - { match: { prefix: / }, to: { upstream: orders }, auth: { provider: shop } }
";

#[test]
fn check_warns_and_fails_on_warnings_when_strict() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("routes.yaml"), WITH_A_WARNING).unwrap();
    let (code, text) = run(GATEWAY, &["check"], folder.path());
    assert_eq!(code, 0, "{text}");
    assert!(
        text.contains("routes.yaml:5:3: warning[unused-name]: "),
        "{text}"
    );
    assert!(text.contains("1 warning"), "{text}");
    let (code, text) = run(GATEWAY, &["check", "--strict"], folder.path());
    assert_eq!(code, 1, "{text}");
    let allowed = ["check", "--strict", "--allow", "unused-name"];
    let (code, text) = run(GATEWAY, &allowed, folder.path());
    assert_eq!(code, 0, "{text}");
    let (code, text) = run(GATEWAY, &["check", "--allow", "unused"], folder.path());
    assert_eq!(code, 2, "{text}");
    assert!(text.contains("unused-name"), "{text}");
}

#[test]
fn check_against_the_table_of_before_fails_where_authentication_is_lost() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("old.yaml"), WITH_A_WARNING).unwrap();
    let open = WITH_A_WARNING.replace("auth: { provider: shop } }", "auth: none }");
    std::fs::write(folder.path().join("new.yaml"), open).unwrap();
    let against = ["check", "new.yaml", "--against", "old.yaml"];
    let (code, text) = run(GATEWAY, &against, folder.path());
    assert_eq!(code, 1, "{text}");
    assert!(text.contains("new.yaml:8:5: error[auth-lost]: "), "{text}");
    let (code, text) = run(
        GATEWAY,
        &[&against[..], &["--allow", "auth-lost"]].concat(),
        folder.path(),
    );
    assert_eq!(code, 0, "{text}");
}

#[test]
fn check_answers_programs_in_json() {
    let folder = tempfile::tempdir().unwrap();
    let json = |table: &str| {
        std::fs::write(folder.path().join("routes.yaml"), table).unwrap();
        let (code, text) = run(GATEWAY, &["check", "--output", "json"], folder.path());
        let report: serde_json::Value = serde_json::from_str(&text).expect(&text);
        (code, report)
    };
    let (code, report) = json(WITH_A_WARNING);
    assert_eq!(code, 0, "{report}");
    assert_eq!(report["ok"], true);
    let finding = &report["findings"][0];
    assert_eq!(finding["severity"], "warning");
    assert_eq!(finding["code"], "unused-name");
    assert_eq!(finding["line"], 5);
    assert_eq!(finding["column"], 3);

    let (code, report) = json(&WITH_A_WARNING.replace("upstream: orders", "upstream: ordrs"));
    assert_eq!(code, 1, "{report}");
    assert_eq!(report["ok"], false);
    let finding = &report["findings"][0];
    assert_eq!(finding["severity"], "error");
    assert_eq!(finding["code"], "invalid");
    assert_eq!(finding["file"], "routes.yaml");
    assert!(
        finding["mend"].as_str().unwrap().contains("orders"),
        "{report}"
    );
}

#[test]
fn a_wrong_call_and_an_absent_file_have_codes_of_their_own() {
    let folder = tempfile::tempdir().unwrap();
    let (code, text) = run(GATEWAY, &["chekc"], folder.path());
    assert_eq!(code, 2, "{text}");
    let (code, text) = run(GATEWAY, &["check", "absent.yaml"], folder.path());
    assert_eq!(code, 1, "{text}");
    assert!(text.contains("absent.yaml"), "{text}");
}

#[test]
fn a_busy_port_is_one_clear_line() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let addr = taken.local_addr().unwrap().to_string();
    let folder = tempfile::tempdir().unwrap();
    let table = format!(
        "version: 1\nlisteners: [{{ bind: \"{addr}\" }}]\nadmin: {{ bind: \"127.0.0.1:0\" }}\n{}",
        crate::everything_to("http://127.0.0.1:1")
    );
    std::fs::write(folder.path().join("routes.yaml"), table).unwrap();
    let (code, text) = run(GATEWAY, &["run"], folder.path());
    assert_eq!(code, 1, "{text}");
    let said: Vec<_> = text.lines().filter(|line| !line.starts_with('{')).collect();
    assert_eq!(said.len(), 1, "{text}");
    assert!(
        said[0].contains(&addr) && said[0].contains("in use"),
        "{text}"
    );
}

#[test]
fn a_service_on_a_busy_port_names_the_address() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let addr = taken.local_addr().unwrap().to_string();
    let folder = tempfile::tempdir().unwrap();
    let arguments = ["run", "catalog", "--listen", &addr, "--data-dir", "data"];
    let (code, text) = run(SHOP, &arguments, folder.path());
    assert_eq!(code, 1, "{text}");
    assert!(text.contains(&addr), "{text}");
}

#[tokio::test]
async fn a_supervised_process_ends_with_its_launcher() {
    let folder = tempfile::tempdir().unwrap();
    let arguments = [
        "run",
        "catalog",
        "--listen",
        "127.0.0.1:0",
        "--data-dir",
        "data",
        "--supervised",
    ];
    let mut service = Process::start(SHOP, &arguments, &[], folder.path());
    service.message("listening").await;
    service.close_stdin();
    assert!(
        service.ended(PATIENCE).await.success(),
        "{}",
        service.tail()
    );
}
