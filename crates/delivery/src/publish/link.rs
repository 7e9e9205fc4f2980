//! How the connection to NATS fares, as the client's events tell it.

use async_nats::Event as Change;
use tokio::sync::watch;

/// What is known of the connection.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Link {
    pub(super) is_connected: bool,
    /// What the client said last of a connection that it could not make; empty where it said nothing.
    pub(super) problem: String,
}

/// Keeps what `change` says, and logs what is new: while NATS is down the same
/// problem comes with every attempt to connect.
pub(super) fn note(change: &Change, link: &watch::Sender<Link>) {
    match change {
        Change::Connected => {
            link.send_replace(Link {
                is_connected: true,
                problem: String::new(),
            });
            tracing::info!("connected to NATS");
        }
        Change::Disconnected | Change::Closed => {
            link.send_modify(|link| link.is_connected = false);
            tracing::warn!("the connection to NATS is lost");
        }
        Change::ServerError(error) => note_problem(error.to_string(), link),
        Change::ClientError(error) => note_problem(error.to_string(), link),
        Change::LameDuckMode | Change::Draining | Change::SlowConsumer(_) => {}
    }
}

fn note_problem(problem: String, link: &watch::Sender<Link>) {
    if link.borrow().problem != problem {
        tracing::warn!(nats.problem = problem, "NATS reports a problem");
        link.send_modify(|link| link.problem = problem);
    }
}

#[cfg(test)]
mod tests {
    use async_nats::ClientError;

    use super::*;

    #[test]
    fn a_problem_is_kept_until_there_is_a_connection() {
        let (tell, link) = watch::channel(Link::default());
        let problem = Change::ClientError(ClientError::Other("IO error".to_owned()));
        note(&problem, &tell);
        assert!(!link.borrow().is_connected);
        assert!(link.borrow().problem.contains("IO error"));
        note(&Change::Connected, &tell);
        assert!(link.borrow().is_connected && link.borrow().problem.is_empty());
        note(&Change::Disconnected, &tell);
        assert_eq!(*link.borrow(), Link::default());
    }
}
