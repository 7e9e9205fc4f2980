//! A log that nobody reads, as behind a terminal that was stopped or a process that hangs.

use std::{
    net::{Ipv4Addr, SocketAddr, TcpListener},
    process::{Child, Stdio},
    time::Duration,
};

use rustix::process::{Pid, Signal, kill_process};
use tokio::time::{Instant, sleep, timeout};
use tonic::Code;
use waymark_tests::{Clients, Shop, binary};

/// More refusals than a pipe has room for the lines of, several times over.
const CALLS: usize = 2_000;
/// How long a call or an end may take at most, on a machine that compiles as well.
const PATIENCE: Duration = Duration::from_secs(30);

/// A process that goes with the test.
struct Unread(Child);

impl Drop for Unread {
    fn drop(&mut self) {
        // It may have ended.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[tokio::test]
async fn a_log_that_nobody_reads_keeps_nobody_waiting() {
    let folder = tempfile::tempdir().unwrap();
    let free = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let address: SocketAddr = free.local_addr().unwrap();
    drop(free);
    let url = format!("sqlite://{}/waymark.db", folder.path().display());
    let listen = address.to_string();
    let mut command = binary::command(&["serve", "--database-url", &url, "--listen", &listen]);
    command.stdout(Stdio::null()).stderr(Stdio::piped());
    let mut server = Unread(command.spawn().unwrap());

    let clients = Clients::of(address);
    let shop = Shop::new(clients.clone(), "default");
    let refused_by_server = async {
        while shop.find("nobody").await.unwrap_err().code() == Code::Unavailable {
            sleep(Duration::from_millis(20)).await;
        }
    };
    timeout(PATIENCE, refused_by_server).await.unwrap();
    for call in 0..CALLS {
        let answered = timeout(PATIENCE, shop.find("nobody")).await;
        let refused = answered.unwrap_or_else(|_| panic!("call {call} was not answered"));
        assert_eq!(refused.unwrap_err().code(), Code::NotFound, "call {call}");
    }

    kill_process(Pid::from_child(&server.0), Signal::TERM).unwrap();
    let told = Instant::now();
    let status = loop {
        if let Some(status) = server.0.try_wait().unwrap() {
            break status;
        }
        assert!(told.elapsed() < PATIENCE, "it does not end");
        sleep(Duration::from_millis(20)).await;
    };
    assert!(status.success(), "{status}");
}
