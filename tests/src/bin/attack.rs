//! Attacks a server that may have 512 MiB, with 64 others at work beside it, and prints what they noticed: first the
//! attacks that once worked, each by itself, then generated ones for as many seconds as the first argument says.
//! `make attack` runs it. It ends with an error where the server ended, where somebody was held up for longer than
//! 250 ms by a generated input, or where one was answered as none should be.

#![expect(clippy::print_stdout, reason = "a program that prints a table")]

use std::{process::ExitCode, time::Duration};

use tokio::time::{Instant, sleep};
use waymark_tests::{
    Backend, Server,
    attack::{
        bystander::{Bystanders, Noticed},
        campaign::Campaign,
        known::{self, Stage},
    },
    load::Dice,
};

/// How much memory the server may have.
const MEMORY_MIB: u64 = 512;
/// The longest that anybody else may be held up.
const HELD_UP_MAX: Duration = Duration::from_millis(250);
/// How many others there are.
const CALLERS: usize = 64;
/// How long others are watched before and after an attack.
const STRETCH: Duration = Duration::from_secs(5);

#[tokio::main]
async fn main() -> ExitCode {
    let seconds = std::env::args()
        .nth(1)
        .and_then(|text| text.parse().ok())
        .unwrap_or(600);
    println!("{MEMORY_MIB} MiB, {CALLERS} others at work");
    let known = known().await;
    let generated = generated(Duration::from_secs(seconds)).await;
    if known && generated {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}

/// Makes the attacks that once worked; says whether the server outlived them.
async fn known() -> bool {
    let mut server = Server::start_within(Backend::Sqlite, &known::SETTINGS, MEMORY_MIB).await;
    let wanted = std::env::args().nth(2);
    let names = known::NAMES.iter().filter(|name| {
        wanted
            .as_ref()
            .is_none_or(|wanted| name.contains(wanted.as_str()))
    });
    let stage = Stage::set(&server).await;
    let others = Bystanders::at_work(&server, CALLERS).await;
    println!(
        "| attack | p99 before | p99 meanwhile | longest | p99 after | failed | memory, MiB | what came of it |"
    );
    println!("|---|---|---|---|---|---|---|---|");
    for name in names {
        let before = Instant::now();
        sleep(STRETCH).await;
        let began = Instant::now();
        let came = stage.attack(name).await;
        let ended = Instant::now();
        sleep(STRETCH).await;
        let told = |since, until| -> Noticed { others.noticed(since, until) };
        let (before, meanwhile, after) = (
            told(before, began),
            told(began, ended),
            told(ended, Instant::now()),
        );
        let memory = server.process().memory_kib("VmHWM:") / 1024;
        let failed = before.failed + meanwhile.failed + after.failed;
        println!(
            "| {name} | {:.0?} | {:.0?} | {:.0?} | {:.0?} | {failed} | {memory} | {came} |",
            before.p99,
            meanwhile.p99,
            meanwhile.longest.max(after.longest),
            after.p99
        );
    }
    drop((stage, others));
    let is_running = server.is_running();
    if !is_running {
        println!("THE SERVER ENDED");
        server.log().show(0);
    }
    is_running
}

/// Sends generated inputs for a while; says whether all was well.
async fn generated(limit: Duration) -> bool {
    let seed = Dice::seed();
    println!("generated inputs for {limit:?}, seed {seed} (WAYMARK_TEST_SEED)");
    let mut server = Server::start_within(Backend::Sqlite, &[], MEMORY_MIB).await;
    let others = Bystanders::at_work(&server, CALLERS).await;
    let mut campaign = Campaign::against(&server, seed).await;
    let began = Instant::now();
    sleep(STRETCH).await;
    println!("others before: {:?}", others.noticed(began, Instant::now()));

    let began = Instant::now();
    while began.elapsed() < limit && server.is_running() {
        campaign.one().await;
    }
    let noticed = others.noticed(began, Instant::now());
    let account = campaign.account();
    println!("{} inputs in {:.0?}", campaign.inputs(), began.elapsed());
    for (kind, (all, taken)) in &account.kinds {
        println!("  {kind}: {all}, {taken} taken");
    }
    println!("codes: {:?}", account.codes);
    println!("slowest: {:?} {}", account.slowest.0, account.slowest.1);
    println!("others meanwhile: {noticed:?}");
    for strange in account.strange.iter().take(20) {
        println!("strange: {strange}");
    }
    let is_running = server.is_running();
    if is_running {
        println!(
            "memory at most {} MiB",
            server.process().memory_kib("VmHWM:") / 1024
        );
    } else {
        println!("THE SERVER ENDED");
        server.log().show(0);
    }
    is_running
        && noticed.longest <= HELD_UP_MAX
        && noticed.failed == 0
        && account.strange.is_empty()
}
