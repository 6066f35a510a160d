//! A process of its own is asked to stop in every way there is.
#![expect(
    clippy::unwrap_used,
    reason = "test harness: what does not hold fails the test"
)]

use std::io::{BufRead as _, BufReader, Read as _};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::time::Duration;

/// Set for the child: whether it is supervised.
const CHILD: &str = "SHUTDOWN_TEST_SUPERVISED";
const DEADLINE: Duration = Duration::from_secs(20);

/// The child's part: says that it listens, then why it stops. Does nothing when it is run as a test.
#[test]
fn a_child_says_why_it_stops() {
    let Ok(supervised) = std::env::var(CHILD) else {
        return;
    };
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    let reason = runtime.block_on(async {
        let mut requested = std::pin::pin!(shutdown::requested(supervised == "yes"));
        // The first poll sets the signal handlers.
        tokio::select! {
            biased;
            _ = &mut requested => {}
            () = async { println!("\nlistening") } => {}
        }
        requested.await
    });
    // Dropping the runtime must not wait for standard input.
    drop(runtime);
    println!("\nstopped: {reason:?}");
}

fn child(supervised: &str) -> (Child, BufReader<ChildStdout>) {
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "a_child_says_why_it_stops", "--nocapture"])
        .env(CHILD, supervised)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut output = BufReader::new(child.stdout.take().unwrap());
    let mut line = String::new();
    while line.trim() != "listening" {
        line.clear();
        assert!(
            output.read_line(&mut line).unwrap() > 0,
            "the child ended before it listened"
        );
    }
    (child, output)
}

#[track_caller]
fn assert_stops(mut child: Child, mut output: BufReader<ChildStdout>, reason: &str) {
    let (publish, said) = std::sync::mpsc::channel();
    std::thread::spawn(move || {
        let mut said = String::new();
        output.read_to_string(&mut said).map(|_| publish.send(said))
    });
    let said = said.recv_timeout(DEADLINE);
    if said.is_err() {
        child.kill().unwrap();
    }
    child.wait().unwrap();
    let said = said.expect("the child hangs");
    assert!(said.contains(&format!("stopped: {reason}")), "{said}");
}

#[track_caller]
fn send(signal: &str, child: &Child) {
    let sent = Command::new("kill")
        .args([signal, &child.id().to_string()])
        .status()
        .unwrap();
    assert!(sent.success());
}

#[test]
fn a_signal_stops_a_process_whose_launcher_lives_on() {
    for (signal, reason) in [("-TERM", "Terminate"), ("-INT", "Interrupt")] {
        for supervised in ["yes", "no"] {
            let (mut child, output) = child(supervised);
            let _held_open = child.stdin.take();
            send(signal, &child);
            assert_stops(child, output, reason);
        }
    }
}

#[test]
fn the_end_of_the_launcher_stops_a_supervised_process() {
    let (mut child, output) = child("yes");
    drop(child.stdin.take());
    assert_stops(child, output, "LauncherGone");
}

#[test]
fn the_end_of_standard_input_means_nothing_to_an_unsupervised_process() {
    let (mut child, output) = child("no");
    drop(child.stdin.take());
    send("-TERM", &child);
    assert_stops(child, output, "Terminate");
}
