//! Connects to a name with several addresses (RFC 8305).
//!
//! Families take turns, and the next address is tried when one has failed or has said nothing for a
//! quarter of a second: a family or an instance that swallows packets costs that and no more.

use std::io;
use std::net::IpAddr;

use futures_util::StreamExt as _;
use futures_util::stream::FuturesUnordered;
use tokio::net::TcpStream;
use tokio::time::sleep;

use crate::defaults::HAPPY_EYEBALLS_DELAY;

/// Opens a connection to whichever address accepts first. The caller sets the time limit.
///
/// # Errors
/// That of the last address that failed.
pub(super) async fn connect(addresses: &[IpAddr], port: u16, turn: usize) -> io::Result<TcpStream> {
    race(interleave(addresses, turn), |address| {
        TcpStream::connect((address, port))
    })
    .await
}

/// Starts `connect` on one address after the other until one succeeds.
async fn race<C, F, T>(addresses: Vec<IpAddr>, connect: C) -> io::Result<T>
where
    C: Fn(IpAddr) -> F,
    F: Future<Output = io::Result<T>>,
{
    let mut waiting = addresses.into_iter();
    let mut running = FuturesUnordered::new();
    let mut failed = None;
    loop {
        match waiting.next() {
            Some(address) => running.push(connect(address)),
            None if running.is_empty() => {
                return Err(failed.unwrap_or_else(|| io::ErrorKind::NotFound.into()));
            }
            None => {}
        }
        tokio::select! {
            biased;
            Some(outcome) = running.next() => match outcome {
                Ok(connected) => return Ok(connected),
                Err(error) => failed = Some(error),
            },
            () = sleep(HAPPY_EYEBALLS_DELAY), if waiting.len() > 0 => {}
        }
    }
}

/// IPv6 and IPv4 in turn, IPv6 first. `turn` says where each family begins: instances behind one name
/// share the connections.
fn interleave(addresses: &[IpAddr], turn: usize) -> Vec<IpAddr> {
    let rotated = |family: Vec<IpAddr>| {
        let start = turn.checked_rem(family.len()).unwrap_or(0);
        let len = family.len();
        family.into_iter().cycle().skip(start).take(len)
    };
    let (v6, v4): (Vec<_>, Vec<_>) = addresses.iter().partition(|address| address.is_ipv6());
    let (mut v6, mut v4) = (rotated(v6), rotated(v4));
    let mut all = Vec::with_capacity(addresses.len());
    loop {
        let pair = (v6.next(), v4.next());
        if pair == (None, None) {
            return all;
        }
        all.extend(pair.0);
        all.extend(pair.1);
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use parking_lot::Mutex;
    use tokio::time::Instant;

    use super::*;

    fn addresses(texts: &[&str]) -> Vec<IpAddr> {
        let parse = |text: &&str| text.parse().expect("an address");
        texts.iter().map(parse).collect()
    }

    #[track_caller]
    fn order(given: &[&str], turn: usize) -> Vec<String> {
        let order = interleave(&addresses(given), turn);
        order.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn families_take_turns_and_ipv6_begins() {
        assert_eq!(
            order(&["10.0.0.1", "10.0.0.2", "::1"], 0),
            ["::1", "10.0.0.1", "10.0.0.2"]
        );
        assert_eq!(order(&[], 3), [""; 0]);
    }

    #[test]
    fn each_turn_begins_with_another_instance() {
        let instances = ["10.0.0.1", "10.0.0.2", "10.0.0.3"];
        assert_eq!(order(&instances, 1), ["10.0.0.2", "10.0.0.3", "10.0.0.1"]);
        assert_eq!(order(&instances, 5), ["10.0.0.3", "10.0.0.1", "10.0.0.2"]);
    }

    /// Runs a race in which an address answers after so many milliseconds, with success or not.
    async fn outcome(plan: &[(&str, u64, bool)]) -> (Option<String>, Duration, Vec<String>) {
        let started = Instant::now();
        let asked = Mutex::new(Vec::new());
        let connect = |address: IpAddr| {
            asked.lock().push(address.to_string());
            let (_, delay_ms, accepts) = *plan
                .iter()
                .find(|(text, ..)| *text == address.to_string())
                .expect("a planned address");
            async move {
                sleep(Duration::from_millis(delay_ms)).await;
                match accepts {
                    true => Ok(address.to_string()),
                    false => Err(io::ErrorKind::ConnectionRefused.into()),
                }
            }
        };
        let all = addresses(&plan.iter().map(|(text, ..)| *text).collect::<Vec<_>>());
        let winner = race(all, connect).await.ok();
        (winner, started.elapsed(), asked.into_inner())
    }

    #[tokio::test(start_paused = true)]
    async fn an_address_that_says_nothing_costs_a_quarter_of_a_second() {
        let (winner, took, _) = outcome(&[("::1", 60_000, false), ("10.0.0.1", 5, true)]).await;
        assert_eq!(winner.as_deref(), Some("10.0.0.1"));
        assert_eq!(took, Duration::from_millis(255));
    }

    #[tokio::test(start_paused = true)]
    async fn an_address_that_refuses_costs_nothing() {
        let (winner, took, _) = outcome(&[("::1", 0, false), ("10.0.0.1", 5, true)]).await;
        assert_eq!(winner.as_deref(), Some("10.0.0.1"));
        assert!(took < Duration::from_millis(20), "{took:?}");
    }

    #[tokio::test(start_paused = true)]
    async fn a_slow_first_address_still_wins_when_the_second_is_slower() {
        let (winner, took, asked) = outcome(&[("::1", 300, true), ("10.0.0.1", 900, true)]).await;
        assert_eq!(winner.as_deref(), Some("::1"));
        assert_eq!(took, Duration::from_millis(300));
        assert_eq!(asked.len(), 2);
    }

    #[tokio::test(start_paused = true)]
    async fn no_second_address_is_bothered_when_the_first_is_quick() {
        let (_, _, asked) = outcome(&[("::1", 20, true), ("10.0.0.1", 1, true)]).await;
        assert_eq!(asked, ["::1"]);
    }

    #[tokio::test(start_paused = true)]
    async fn when_all_refuse_there_is_no_connection() {
        let (winner, ..) = outcome(&[("::1", 1, false), ("10.0.0.1", 1, false)]).await;
        assert_eq!(winner, None);
    }
}
