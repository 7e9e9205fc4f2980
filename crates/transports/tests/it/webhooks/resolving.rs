//! A resolver that answers what a test wants, differently at each call.

use std::{
    collections::VecDeque,
    net::{IpAddr, SocketAddr},
    sync::{Arc, Mutex},
};

use waymark_transports::{Addrs, Name, Resolve, Resolving};

#[derive(Default)]
pub(super) struct Script {
    answers: Mutex<VecDeque<Vec<SocketAddr>>>,
}

impl Script {
    /// Answers the first call with the addresses of the first text, and so on; texts hold addresses parted by blanks.
    pub(super) fn new(answers: &[&str]) -> Arc<Self> {
        let parse = |text: &&str| -> Vec<_> {
            let addresses = text.split_whitespace();
            addresses
                .map(|a| SocketAddr::new(a.parse::<IpAddr>().unwrap(), 0))
                .collect()
        };
        let answers = Mutex::new(answers.iter().map(parse).collect());
        Arc::new(Self { answers })
    }

    /// How many answers nobody has asked for.
    pub(super) fn left(&self) -> usize {
        self.answers.lock().unwrap().len()
    }
}

impl Resolve for Script {
    fn resolve(&self, name: Name) -> Resolving {
        let answer = self.answers.lock().unwrap().pop_front();
        Box::pin(async move {
            let Some(answer) = answer else {
                return Err(format!("{} is asked for once too often", name.as_str()).into());
            };
            Ok(Box::new(answer.into_iter()) as Addrs)
        })
    }
}
