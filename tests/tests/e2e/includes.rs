//! A table of several files, one for each team: one team's error is nobody else's.

use std::path::Path;

use tempfile::TempDir;
use tests::upstream::Fake;
use tests::{Gateway, PATIENCE, Signal, eventually};

use crate::GATEWAY;

const REFUSED: &str = "file of the route table refused; its last good version serves on";

/// A folder of two teams' files, and the first file's rows.
struct Teams {
    folder: TempDir,
    upstream: Fake,
}

impl Teams {
    async fn new() -> Self {
        let teams = Self {
            folder: tempfile::tempdir().unwrap(),
            upstream: Fake::echo("both").await,
        };
        teams.save("orders", &row("orders", "team"));
        teams.save("stock", &row("stock", "team"));
        teams
    }

    fn save(&self, team: &str, text: &str) {
        // Moved over what was there, as most editors do.
        let path = self.path(team);
        let unfinished = path.with_extension("tmp");
        std::fs::write(&unfinished, text).unwrap();
        std::fs::rename(unfinished, path).unwrap();
    }

    fn path(&self, team: &str) -> std::path::PathBuf {
        self.folder.path().join(format!("{team}.yaml"))
    }

    fn first_file(&self) -> String {
        let folder = self.folder.path().display();
        format!(
            "include: '{folder}/*.yaml'\nupstreams: {{ team: {{ endpoints: ['{}'] }} }}\n\
             routes: [ {{ match: {{ path: /first }}, to: {{ upstream: team }} }} ]\n",
            self.upstream.url()
        )
    }
}

fn row(path: &str, upstream: &str) -> String {
    let to = format!("to: {{ upstream: {upstream} }}");
    format!("version: 1\nroutes:\n  - {{ match: {{ prefix: /{path} }}, {to} }}\n")
}

async fn until_served(gateway: &Gateway, path: &str) {
    let what = format!("{path} to be served");
    eventually(&what, PATIENCE, async || {
        (gateway.get(path).await.status == 200).then_some(())
    })
    .await;
}

#[tokio::test]
async fn the_other_teams_edit_goes_live_while_a_broken_files_last_good_version_stays() {
    let teams = Teams::new().await;
    let gateway = Gateway::start(GATEWAY, &teams.first_file()).await;
    for path in ["/first", "/orders", "/stock"] {
        gateway.get(path).await.expect(200);
    }

    let mark = gateway.process.mark();
    teams.save("orders", &row("orders-2", "taem"));
    let line = gateway.process.message_after(mark, REFUSED).await;
    let file = teams.path("orders").display().to_string();
    assert_eq!(line["file"], *file, "{line}");
    let error = line["error"].as_str().unwrap();
    assert!(error.contains(&format!("{file}:3:")), "{error}");
    assert!(error.contains("did you mean `team`?"), "{error}");

    teams.save("stock", &row("stock-2", "team"));
    until_served(&gateway, "/stock-2").await;
    gateway.get("/stock").await.expect(404);
    gateway.get("/orders").await.expect(200);
    let label = format!("file=\"{file}\"");
    let refused = "gateway_config_file_refused";
    assert_eq!(gateway.metric(refused, &[&label]).await, 1.0);
    let success = "gateway_config_last_reload_success";
    assert_eq!(gateway.metric(success, &[]).await, 0.0);
    let (code, said) = check(gateway.folder());
    assert_eq!(code, Some(1));
    assert!(said.contains(&format!("{file}:3:")), "{said}");

    teams.save("orders", &row("orders-2", "team"));
    until_served(&gateway, "/orders-2").await;
    assert_eq!(gateway.metric(refused, &[]).await, 0.0);
    assert_eq!(gateway.metric(success, &[]).await, 1.0);
}

fn check(folder: &Path) -> (Option<i32>, String) {
    let output = std::process::Command::new(GATEWAY.0)
        .args(["check", "routes.yaml"])
        .current_dir(folder)
        .output()
        .unwrap();
    let text = [output.stdout, output.stderr].concat();
    (
        output.status.code(),
        String::from_utf8_lossy(&text).into_owned(),
    )
}

#[tokio::test]
async fn files_come_and_go() {
    let teams = Teams::new().await;
    let gateway = Gateway::start(GATEWAY, &teams.first_file()).await;
    teams.save("billing", &row("billing", "team"));
    until_served(&gateway, "/billing").await;
    std::fs::remove_file(teams.path("stock")).unwrap();
    eventually("the removed file's row to be gone", PATIENCE, async || {
        (gateway.get("/stock").await.status == 404).then_some(())
    })
    .await;
    gateway.get("/orders").await.expect(200);
}

#[tokio::test]
async fn a_start_beside_a_broken_file_serves_what_was_last_good() {
    let teams = Teams::new().await;
    let state = tempfile::tempdir().unwrap();
    let environment = [("STATE_DIRECTORY", state.path().display().to_string())];
    let table = Gateway::table(&teams.first_file());
    let first = Gateway::start_table(GATEWAY, &table, &environment).await;
    let mark = first.process.mark();
    teams.save("orders", "version: 1\nroutes: [");
    first.process.message_after(mark, REFUSED).await;
    // It is started again where it was: the kept files are that table's.
    first.process.signal(Signal::USR2);
    let successor = first.process.message_after(mark, "the successor serves");
    successor.await;
    let refused = "gateway_config_file_refused";
    eventually(
        "the successor to say what it serves",
        PATIENCE,
        async || (first.metric(refused, &["orders.yaml"]).await == 1.0).then_some(()),
    )
    .await;
    first.get("/orders").await.expect(200);
    first.get("/stock").await.expect(200);
}
