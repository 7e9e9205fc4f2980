//! The state of the connection to NATS, for those who wait for it and for the log.

use tokio::sync::watch;

/// The state of the connection.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Link {
    pub(super) is_connected: bool,
    /// The last problem; empty where there was none since the connection was made.
    pub(super) problem: String,
}

/// Reports that there is a connection.
pub(super) fn connected(link: &watch::Sender<Link>) {
    link.send_replace(Link {
        is_connected: true,
        problem: String::new(),
    });
    tracing::info!("NATS connection established");
}

/// Reports that it was lost by `problem`.
pub(super) fn lost(problem: String, link: &watch::Sender<Link>) {
    link.send_modify(|link| link.is_connected = false);
    tracing::warn!("NATS connection lost");
    report(problem, link);
}

/// Reports `problem`, and logs it where it is new: while NATS is down the same
/// comes with every attempt to connect.
pub(super) fn report(problem: String, link: &watch::Sender<Link>) {
    if link.borrow().problem != problem {
        tracing::warn!(nats.problem = problem, "NATS connection problem");
        link.send_modify(|link| link.problem = problem);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_problem_is_kept_until_there_is_a_connection() {
        let (sender, link) = watch::channel(Link::default());
        report("nats: timed out".to_owned(), &sender);
        assert!(!link.borrow().is_connected);
        assert_eq!(link.borrow().problem, "nats: timed out");
        connected(&sender);
        assert!(link.borrow().is_connected && link.borrow().problem.is_empty());
        lost("nats: gone".to_owned(), &sender);
        assert!(!link.borrow().is_connected);
        assert_eq!(link.borrow().problem, "nats: gone");
    }
}
