//! Attacks a server that may have 512 MiB, with 64 others at work beside it, and prints what they noticed as tables:
//! first the attacks that once worked, each by itself, then generated ones for as many seconds as the first argument
//! says (600). A second argument picks of the known attacks those whose names contain it. `make attack` runs it.
//!
//! It ends with an error where the server ended, where somebody was held up for longer than 250 ms or refused beside a
//! generated input, where an input was answered as none should be, or where there were fewer inputs than 100,000 in ten
//! minutes.

#![expect(clippy::print_stdout, reason = "a program that prints tables")]

use std::{
    process::ExitCode,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use tokio::{
    task::JoinSet,
    time::{Instant, sleep, timeout},
};
use waymark_tests::{
    Backend, Server,
    attack::{
        account::Account,
        bystander::{Bystanders, Complaint, HELD_UP_MAX, Noticed},
        campaign::Campaign,
        disk::Disk,
        journal::Journal,
        known::{self, Stage},
    },
    load::Dice,
};

/// How much memory the server may have.
const MEMORY_MIB: u64 = 512;
/// How many others there are.
const CALLERS: usize = 64;
/// How long others are watched before and after an attack.
const SPAN: Duration = Duration::from_secs(5);
/// How long a known attack may take; then its caller goes away.
const ATTACK_MAX: Duration = Duration::from_mins(3);
/// How many send generated inputs at once: one of them waits for answers most of the time.
const ATTACKERS: usize = 4;
/// How many inputs there must be in ten minutes.
const INPUTS_MIN: usize = 100_000;

#[tokio::main]
async fn main() -> ExitCode {
    let mut arguments = std::env::args().skip(1);
    let seconds = arguments.next().and_then(|text| text.parse().ok());
    let wanted = arguments.next().unwrap_or_default();
    println!("{MEMORY_MIB} MiB, {CALLERS} others at work\n");
    let known = known(&wanted).await;
    let generated = generated(Duration::from_secs(seconds.unwrap_or(600))).await;
    if known && generated {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}

/// Makes the attacks that once worked, of which the names contain a text; says whether the server outlived them.
async fn known(wanted: &str) -> bool {
    let mut server = Server::start_within(Backend::Sqlite, &known::SETTINGS, MEMORY_MIB).await;
    let process = server.process().id();
    println!(
        "| attack | p99 before | p99 meanwhile | longest | p99 after | failed | memory, MiB | what came of it |"
    );
    println!("|---|---|---|---|---|---|---|---|");
    let others = Bystanders::at_work(&server, CALLERS, &Journal::default()).await;
    let stage = Stage::set(&server).await;
    let mut has_ended = false;
    for name in known::names() {
        if !name.contains(wanted) {
            continue;
        }
        let quiet = Instant::now();
        sleep(SPAN).await;
        let began = Instant::now();
        let came = timeout(ATTACK_MAX, stage.attack(name))
            .await
            .unwrap_or_else(|_| format!("no end within {ATTACK_MAX:?}"));
        let ended = Instant::now();
        sleep(SPAN).await;
        let before = others.noticed(quiet, began);
        let meanwhile = others.noticed(began, ended);
        let after = others.noticed(ended, Instant::now());
        let failed = before.failed + meanwhile.failed + after.failed;
        let longest = meanwhile.longest.max(after.longest);
        let memory = server.process().peak_mib();
        println!(
            "| {name} | {:.0?} | {:.0?} | {longest:.0?} | {:.0?} | {failed} | {} | {} |",
            before.p99,
            meanwhile.p99,
            after.p99,
            memory.map_or_else(|| "ended".to_owned(), |mib| mib.to_string()),
            in_a_cell(&came)
        );
        if memory.is_none() {
            has_ended = true;
            break;
        }
    }
    drop((stage, others));
    let is_running = outlived(&mut server, process);
    is_running && !has_ended
}

/// Sends generated inputs for a while; says whether all was well.
async fn generated(limit: Duration) -> bool {
    let seed = Dice::seed();
    println!("\nGenerated inputs for {limit:?}, seed {seed} (WAYMARK_TEST_SEED)\n");
    let mut server = Server::start_within(Backend::Sqlite, &[], MEMORY_MIB).await;
    let process = server.process().id();
    let journal = Journal::default();
    let disk = Disk::watched().ok();
    let others = Bystanders::at_work(&server, CALLERS, &journal).await;
    let quiet = Instant::now();
    sleep(SPAN).await;
    let before = others.noticed(quiet, Instant::now());

    let has_ended = Arc::new(AtomicBool::new(false));
    let mut attackers = JoinSet::new();
    let began = Instant::now();
    for number in 0..ATTACKERS {
        let workflow = format!("attacked{number}");
        let seed = seed.wrapping_add(u64::try_from(number).unwrap_or(0));
        let mut campaign = Campaign::against(&server, &workflow, seed, &journal).await;
        let has_ended = Arc::clone(&has_ended);
        attackers.spawn(async move {
            while began.elapsed() < limit && !has_ended.load(Ordering::Relaxed) {
                campaign.one().await;
            }
            campaign.into_account()
        });
    }
    let mut account = Account::default();
    while !attackers.is_empty() {
        tokio::select! {
            Some(ended) = attackers.join_next() => match ended {
                Ok(more) => account.add(more),
                Err(error) => account.strange.push(format!("an attacker terminated unexpectedly: {error}")),
            },
            () = sleep(Duration::from_secs(1)) => {
                has_ended.store(!server.is_running(), Ordering::Relaxed);
            }
        }
    }
    let ended = Instant::now();
    // Calls that are held up now are counted when they have ended.
    sleep(SPAN).await;
    let meanwhile = others.noticed(began, ended);
    tell(&account, ended - began);
    tell_others(before, meanwhile);
    tell_disk(disk.as_ref(), began, ended);
    complain(&others.complaints(), disk.as_ref());
    let is_running = outlived(&mut server, process);
    let needed = INPUTS_MIN * usize::try_from(limit.as_secs()).unwrap_or(0) / 600;
    let inputs = account.inputs();
    if inputs < needed {
        println!("too few inputs: {inputs} of {needed}");
    }
    is_running
        && inputs >= needed
        && meanwhile.held_up == 0
        && meanwhile.failed == 0
        && account.strange.is_empty()
}

/// Prints what came of the inputs.
fn tell(account: &Account, took: Duration) {
    let inputs = account.inputs();
    println!("{inputs} inputs in {took:.0?}\n");
    println!("| kind | sent | taken | mean | slowest | which that was |");
    println!("|---|---|---|---|---|---|");
    for (name, kind) in &account.kinds {
        let mean = kind.took / u32::try_from(kind.sent.max(1)).unwrap_or(u32::MAX);
        let (slowest, which) = &kind.slowest;
        println!(
            "| {name} | {} | {} | {mean:.1?} | {slowest:.1?} | `{}` |",
            kind.sent,
            kind.taken,
            in_a_cell(which)
        );
    }
    println!("\n| refused with | times |");
    println!("|---|---|");
    for (what, times) in &account.refusals {
        println!("| {what} | {times} |");
    }
    println!();
    for strange in account.strange.iter().take(20) {
        println!("strange: {strange:?}");
    }
}

/// Prints what others noticed.
fn tell_others(before: Noticed, meanwhile: Noticed) {
    println!("\n| others | calls | failed | over {HELD_UP_MAX:?} | median | p99 | longest |");
    println!("|---|---|---|---|---|---|---|");
    for (when, noticed) in [("before", before), ("meanwhile", meanwhile)] {
        println!(
            "| {when} | {} | {} | {} | {:.1?} | {:.1?} | {:.1?} |",
            noticed.calls,
            noticed.failed,
            noticed.held_up,
            noticed.median,
            noticed.p99,
            noticed.longest
        );
    }
    println!();
}

/// Prints how long the disk took for a sync.
fn tell_disk(disk: Option<&Disk>, began: Instant, ended: Instant) {
    let Some(disk) = disk else {
        println!("how long a sync takes is not known: there is no temporary file");
        return;
    };
    let syncs = disk.between(began, ended);
    let at = |per_mille: usize| {
        syncs
            .get(syncs.len() * per_mille / 1_000)
            .map_or(Duration::ZERO, |sync| sync.took)
    };
    println!(
        "{} syncs of a page meanwhile: median {:.1?}, p99 {:.1?}, longest {:.1?}\n",
        syncs.len(),
        at(500),
        at(10),
        at(0)
    );
}

/// Prints the calls of others that were held up longest or failed, what the disk took meanwhile, and beside which
/// inputs.
fn complain(complaints: &[Complaint], disk: Option<&Disk>) {
    for complaint in complaints.iter().take(20) {
        let (began, took) = (complaint.began, complaint.took);
        println!("held up for {took:.0?} {}", complaint.failure);
        let syncs = disk.map(|disk| disk.between(began, began + took));
        if let Some(sync) = syncs.and_then(|syncs| syncs.first().copied()) {
            println!("    a sync meanwhile took {:.0?}", sync.took);
        }
        for input in &complaint.beside {
            println!("    beside {input:?}");
        }
    }
}

/// Says whether the process is still the one that was started, and prints how much memory it had at most.
fn outlived(server: &mut Server, process: u32) -> bool {
    let is_running = server.is_running() && server.process().id() == process;
    match server.process().peak_mib() {
        Some(memory) if is_running => {
            println!("\nprocess {process} still runs; resident at most {memory} MiB");
        }
        _ => {
            println!("\nTHE SERVER ENDED");
            server.log().show(0);
        }
    }
    is_running
}

/// The beginning of a text, in one line and without what ends a cell.
fn in_a_cell(text: &str) -> String {
    let shown = text.chars().take(160);
    let plain = shown.map(|letter| match letter {
        '|' => '¦',
        '`' => '\'',
        letter if letter.is_control() => ' ',
        letter => letter,
    });
    plain.collect()
}
