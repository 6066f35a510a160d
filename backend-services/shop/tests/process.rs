//! The binary as a launcher sees it: log lines, exit codes, and an end in order.
#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "test harness: what fails here fails the test"
)]

use std::path::Path;
use std::process::{Output, Stdio};
use std::time::Duration;

use tokio::io::{AsyncBufReadExt as _, BufReader, Lines};
use tokio::process::{Child, ChildStdout, Command};
use tokio::time::timeout;

const DEADLINE: Duration = Duration::from_secs(30);

fn shop(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_shop"));
    command
        .args(arguments)
        .env_remove("BANYAN_LOG")
        .env_remove("BANYAN_REGISTRY")
        .kill_on_drop(true);
    command
}

async fn output(arguments: &[&str]) -> Output {
    timeout(DEADLINE, shop(arguments).output())
        .await
        .expect("an end in time")
        .unwrap()
}

/// A process whose standard input the test holds, as a launcher would.
struct Launched {
    child: Child,
    log: Lines<BufReader<ChildStdout>>,
}

impl Launched {
    fn start(arguments: &[&str], data_dir: &Path) -> Self {
        let mut command = shop(arguments);
        command.arg("--data-dir").arg(data_dir).arg("--supervised");
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("the binary");
        let log = BufReader::new(child.stdout.take().unwrap()).lines();
        Self { child, log }
    }

    /// The address that `service` says it listens on.
    async fn address_of(&mut self, service: &str) -> String {
        let found = async {
            while let Some(line) = self.log.next_line().await.unwrap() {
                let line: serde_json::Value = serde_json::from_str(&line).unwrap();
                if line["message"] == "listening" && line["service"] == service {
                    return line["addr"].as_str().unwrap().to_owned();
                }
            }
            panic!("the process ended before {service} listened");
        };
        timeout(DEADLINE, found).await.expect("a listener in time")
    }

    /// Waits for the end, and reads the log meanwhile, so that the process is not stuck in it.
    async fn exit_code(mut self) -> Option<i32> {
        let end = async {
            while self.log.next_line().await.unwrap().is_some() {}
            self.child.wait().await.unwrap().code()
        };
        timeout(DEADLINE, end).await.expect("an end in time")
    }
}

#[tokio::test]
async fn services_in_one_process_end_in_order_when_their_launcher_is_gone() {
    let folder = tempfile::tempdir().unwrap();
    let arguments = [
        "up",
        "identity=127.0.0.1:0",
        "catalog=127.0.0.1:0",
        "catalog=127.0.0.1:0",
    ];
    let mut launched = Launched::start(&arguments, folder.path());
    let first = launched.address_of("catalog").await;
    let second = launched.address_of("catalog").await;
    assert_ne!(first, second);
    drop(launched.child.stdin.take());
    assert_eq!(launched.exit_code().await, Some(0));
}

#[tokio::test]
async fn a_service_ends_in_order_on_sigterm_though_its_launcher_still_holds_the_pipe() {
    let folder = tempfile::tempdir().unwrap();
    let mut launched = Launched::start(
        &["run", "catalog", "--listen", "127.0.0.1:0"],
        folder.path(),
    );
    launched.address_of("catalog").await;
    let _held = launched.child.stdin.take();
    let pid = launched.child.id().unwrap().to_string();
    let killed = Command::new("kill")
        .args(["-TERM", &pid])
        .status()
        .await
        .unwrap();
    assert!(killed.success());
    assert_eq!(launched.exit_code().await, Some(0));
}

#[tokio::test]
async fn a_token_is_printed_alone_so_that_a_shell_can_take_it() {
    let folder = tempfile::tempdir().unwrap();
    let arguments = ["run", "identity", "--listen", "127.0.0.1:0"];
    let mut launched = Launched::start(&arguments, folder.path());
    let identity = format!("http://{}", launched.address_of("identity").await);
    let printed = output(&["token", "--user", "1", "--identity", &identity]).await;
    assert!(printed.status.success());
    let token = String::from_utf8(printed.stdout).unwrap();
    assert_eq!(token.trim_end().split('.').count(), 3, "{token}");
    assert_eq!(token.lines().count(), 1);
    let printed = output(&["token", "--user", "1", "--json", "--identity", &identity]).await;
    let tokens: serde_json::Value = serde_json::from_slice(&printed.stdout).unwrap();
    assert_eq!(tokens["token_type"], "Bearer");
}

#[tokio::test]
async fn what_failed_is_said_in_one_line_with_exit_code_1() {
    let folder = tempfile::tempdir().unwrap();
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let data_dir = folder.path().to_str().unwrap();
    let run = [
        "run",
        "catalog",
        "--listen",
        &address,
        "--data-dir",
        data_dir,
    ];
    let up = [
        "up",
        "customer=127.0.0.1:0",
        &format!("catalog={address}"),
        "--data-dir",
        data_dir,
    ];
    let token = ["token", "--user", "nobody"];
    for (arguments, mentioned) in [
        (&run[..], address.as_str()),
        (&up[..], &address),
        (&token[..], "nobody"),
    ] {
        let printed = output(arguments).await;
        let error = String::from_utf8(printed.stderr).unwrap();
        assert_eq!(printed.status.code(), Some(1), "{arguments:?}: {error}");
        assert!(error.contains(mentioned), "{arguments:?}: {error}");
        assert_eq!(error.lines().count(), 1, "{error}");
    }
}

#[tokio::test]
async fn a_wrong_command_line_ends_with_exit_code_2_and_help_with_0() {
    for arguments in [
        &["run", "ordr"][..],
        &["up"],
        &["up", "ordr"],
        &["token"],
        &[],
    ] {
        assert_eq!(
            output(arguments).await.status.code(),
            Some(2),
            "{arguments:?}"
        );
    }
    for arguments in [&["--help"][..], &["--version"], &["run", "order", "--help"]] {
        assert_eq!(
            output(arguments).await.status.code(),
            Some(0),
            "{arguments:?}"
        );
    }
}
