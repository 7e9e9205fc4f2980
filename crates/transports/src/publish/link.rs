//! How the connection to NATS fares, as those who wait for it and the log are told.

use tokio::sync::watch;

/// What is known of the connection.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Link {
    pub(super) is_connected: bool,
    /// What was wrong last; empty where nothing was since there is a connection.
    pub(super) problem: String,
}

/// Tells that there is a connection.
pub(super) fn connected(link: &watch::Sender<Link>) {
    link.send_replace(Link {
        is_connected: true,
        problem: String::new(),
    });
    tracing::info!("connected to NATS");
}

/// Tells that there is none any more, by `problem`.
pub(super) fn lost(problem: String, link: &watch::Sender<Link>) {
    link.send_modify(|link| link.is_connected = false);
    tracing::warn!("the connection to NATS is lost");
    report(problem, link);
}

/// Tells of `problem`, and logs it where it is new: while NATS is down the same
/// comes with every attempt to connect.
pub(super) fn report(problem: String, link: &watch::Sender<Link>) {
    if link.borrow().problem != problem {
        tracing::warn!(nats.problem = problem, "NATS reports a problem");
        link.send_modify(|link| link.problem = problem);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_problem_is_kept_until_there_is_a_connection() {
        let (tell, link) = watch::channel(Link::default());
        report("nats: timed out".to_owned(), &tell);
        assert!(!link.borrow().is_connected);
        assert_eq!(link.borrow().problem, "nats: timed out");
        connected(&tell);
        assert!(link.borrow().is_connected && link.borrow().problem.is_empty());
        lost("nats: gone".to_owned(), &tell);
        assert!(!link.borrow().is_connected);
        assert_eq!(link.borrow().problem, "nats: gone");
    }
}
