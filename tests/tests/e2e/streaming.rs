//! Answers that come piece by piece, and trailers after them.

use bytes::Bytes;
use http::{HeaderMap, Request};
use tests::upstream::{Rude, event_stream, read_head};
use tests::{Gateway, PATIENCE, within};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::sync::mpsc;

use crate::{GATEWAY, everything_to};

#[tokio::test]
async fn an_event_is_passed_on_at_once_on_either_protocol() {
    for over in [Gateway::client, Gateway::http1_client] {
        // Its own: a stream that was left may take one more event before its end is noticed.
        let (upstream, events) = event_stream().await;
        let gateway = Gateway::start(GATEWAY, &everything_to(&upstream.url())).await;
        let client = over(&gateway);
        let mut response = client.get(gateway.https("/events")).send().await.unwrap();
        for event in ["data: one\n\n", "data: two\n\n"] {
            events.send(event).await.unwrap();
            let chunk = within("the event", PATIENCE, response.chunk()).await;
            assert_eq!(chunk.unwrap().unwrap(), event, "nothing waits for more");
        }
    }
}

#[tokio::test]
async fn trailers_pass_both_ways_without_what_may_not_come_late() {
    let (seen, mut requests) = mpsc::channel::<String>(1);
    let upstream = Rude::start(move |mut connection: TcpStream| {
        let seen = seen.clone();
        async move {
            let mut request = read_head(&mut connection).await;
            let mut chunk = [0; 4096];
            while !request.ends_with("\r\n\r\n") || !request.contains("\r\n0\r\n") {
                let read = connection.read(&mut chunk).await.unwrap();
                request.push_str(&String::from_utf8_lossy(&chunk[..read]));
            }
            seen.send(request).await.unwrap();
            let answer = b"HTTP/1.1 200 OK\r\ntrailer: x-checksum, set-cookie\r\n\
                transfer-encoding: chunked\r\n\r\n2\r\nok\r\n0\r\nx-checksum: 7\r\nset-cookie: a=b\r\n\r\n";
            connection.write_all(answer).await.unwrap();
        }
    })
    .await;
    let gateway = Gateway::start(GATEWAY, &everything_to(&upstream.url())).await;
    let stream = TcpStream::connect(gateway.address("plain")).await.unwrap();
    let (client, connection) = h2::client::handshake(stream).await.unwrap();
    tokio::spawn(connection);
    let request = Request::post("http://localhost/upload")
        .header("te", "trailers")
        .header("trailer", "x-digest, authorization");
    let mut client = client.ready().await.unwrap();
    let (response, mut sending) = client
        .send_request(request.body(()).unwrap(), false)
        .unwrap();
    sending
        .send_data(Bytes::from_static(b"body"), false)
        .unwrap();
    let mut trailers = HeaderMap::new();
    trailers.insert("x-digest", "9".parse().unwrap());
    trailers.insert("authorization", "Bearer x".parse().unwrap());
    trailers.insert("x-user-id", "1".parse().unwrap());
    sending.send_trailers(trailers).unwrap();

    let request = within("the request", PATIENCE, requests.recv())
        .await
        .unwrap();
    assert!(request.ends_with("0\r\nx-digest: 9\r\n\r\n"), "{request}");
    let response = within("the answer", PATIENCE, response).await.unwrap();
    let mut body = response.into_body();
    assert_eq!(body.data().await.unwrap().unwrap(), "ok");
    let trailers = within("trailers", PATIENCE, body.trailers())
        .await
        .unwrap()
        .unwrap();
    assert_eq!(trailers["x-checksum"], "7");
    assert!(!trailers.contains_key("set-cookie"));
}

#[tokio::test]
async fn a_grpc_client_is_told_of_a_failure_in_grpcs_words() {
    let upstream = Rude::hanging().await;
    let gateway = Gateway::start(GATEWAY, &everything_to(&upstream.url())).await;
    let stream = TcpStream::connect(gateway.address("plain")).await.unwrap();
    let (client, connection) = h2::client::handshake(stream).await.unwrap();
    tokio::spawn(connection);
    let mut client = client.ready().await.unwrap();
    let request = Request::post("http://localhost/shop.Orders/Get")
        .header("content-type", "application/grpc")
        .header("grpc-timeout", "200m")
        .header("te", "trailers");
    let (response, _) = client
        .send_request(request.body(()).unwrap(), true)
        .unwrap();
    let response = within("the answer", PATIENCE, response).await.unwrap();
    assert_eq!(response.status(), 200);
    assert_eq!(response.headers()["grpc-status"], "4", "DEADLINE_EXCEEDED");
    assert_eq!(response.headers()["content-type"], "application/grpc");
}
