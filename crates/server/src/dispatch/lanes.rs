//! The shares of lanes: how many deliveries of each are in flight at once, so that targets that hang
//! cost the others nothing. A lane is the ordering key of deliveries.
//!
//! Every lane may have one attempt, however many others hang. Further ones share
//! `deliveries_in_flight_max`, of which one lane takes half at most; how many a lane may have it
//! earns by answers, beginning with one. An attempt that has waited for an answer for a second
//! leaves its place to others and costs a socket only. Sockets are bounded too: lanes whose last
//! attempt was not answered have half of them at most, and where all are taken, the attempts that
//! have waited longest give way to lanes that are not known to hang.

use std::{
    collections::{BTreeMap, HashMap},
    time::Duration,
};

use rustix::process::{Resource, getrlimit};
use waymark_domain::delivery::Delivery;

/// After how long an attempt without an answer is late.
pub(super) const LATE: Duration = Duration::from_secs(1);
/// The most attempts that wait for a late answer, and the fewest, whatever the system says.
const LATE_MAX: u64 = 1_024;
const LATE_MIN: u64 = 64;
/// How many lanes one poll asks for.
const LANES_AT_ONCE: usize = 256;
/// How many deliveries one poll begins in a lane at most.
const BEGUN_AT_ONCE: usize = 256;
/// Lanes in which nothing waits are forgotten where there are more than this.
const IDLE_MAX: usize = 1_024;

/// The deliveries of a lane that are in flight.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Load {
    /// All of them, from the poll that found them until their results are recorded.
    pub(super) known: usize,
    /// The attempts that are being made.
    pub(super) tried: usize,
    /// Those of them that are late.
    pub(super) late: usize,
}

impl Load {
    pub(super) fn of(known: usize) -> Self {
        Self {
            known,
            ..Self::default()
        }
    }
}

/// How an attempt ended, as far as it tells of its lane.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum LaneAnswer {
    /// The target answered, whatever it said.
    Came,
    /// None came, and that was seen within a second.
    Failed,
    /// None came in time, or the attempt gave way.
    WasLate,
}

/// The deliveries that one poll may begin.
#[derive(Debug, Default)]
pub(super) struct LanePlan {
    /// The lanes to ask for, with how many may be begun in each.
    most: BTreeMap<String, usize>,
    /// The lanes to ask for, with how many may be found: those in flight are found as well.
    pub(super) limits: BTreeMap<String, i64>,
    /// How many late attempts have to give way.
    pub(super) giving_way: usize,
    /// Whether something had to be left for a later poll.
    pub(super) is_cut: bool,
    shared: usize,
    sockets: usize,
}

#[derive(Debug, Clone, Copy)]
struct LaneState {
    width: usize,
    /// Its last attempt was not answered in time.
    is_slow: bool,
    /// The last poll left something.
    has_more: bool,
}

const NEW: LaneState = LaneState {
    width: 1,
    is_slow: false,
    has_more: false,
};

#[derive(Debug)]
pub(super) struct Lanes {
    known: HashMap<String, LaneState>,
    in_flight_max: usize,
    late_max: usize,
    /// The last lane that a poll asked for which could not ask for all.
    turn: String,
}

impl Lanes {
    /// No lane is known yet. A quarter of the files that the process may open is left to late attempts.
    pub(super) fn new(in_flight_max: usize) -> Self {
        let files = getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX);
        let late_max = (files / 4).clamp(LATE_MIN, LATE_MAX);
        Self {
            known: HashMap::new(),
            in_flight_max: in_flight_max.max(1),
            late_max: usize::try_from(late_max).unwrap_or(0),
            turn: String::new(),
        }
    }

    /// Learns from the end of an attempt.
    pub(super) fn ended(&mut self, lane: &str, answer: LaneAnswer) {
        let width_max = self.in_flight_max.div_ceil(2);
        let lane = self.known.entry(lane.to_owned()).or_insert(NEW);
        match answer {
            LaneAnswer::Came => {
                lane.width = lane.width.saturating_add(1).min(width_max);
                lane.is_slow = false;
            }
            LaneAnswer::Failed => lane.width = (lane.width / 2).max(1),
            LaneAnswer::WasLate => {
                lane.width = 1;
                lane.is_slow = true;
            }
        }
    }

    /// Forgets lanes in which nothing waits, where there are many.
    pub(super) fn retain(&mut self, busy: &[String]) {
        if self.known.len() > IDLE_MAX {
            self.known
                .retain(|lane, _| busy.binary_search(lane).is_ok());
        }
    }

    /// Plans a poll of some lanes, which are sorted. At most `room` deliveries are begun besides
    /// the first of each lane; lanes in `probed` are tried one at a time.
    pub(super) fn plan(
        &mut self,
        lanes: &[String],
        loads: &HashMap<&str, Load>,
        room: usize,
        is_probed: impl Fn(&str) -> bool,
    ) -> LanePlan {
        let tried: usize = loads.values().map(|load| load.tried).sum();
        let shared = loads.values().map(shared).sum();
        let mut slow = self.slow(loads);
        let mut plan = LanePlan {
            shared: self.in_flight_max.saturating_sub(shared).min(room),
            sockets: (self.in_flight_max + self.late_max).saturating_sub(tried),
            ..LanePlan::default()
        };
        let mut asked = Vec::new();
        let (before, after) = lanes.split_at(lanes.partition_point(|lane| *lane <= self.turn));
        for lane in after.iter().chain(before) {
            let load = loads.get(lane.as_str()).copied().unwrap_or_default();
            let known = self.known.get(lane).copied().unwrap_or(NEW);
            let width = if is_probed(lane) { 1 } else { known.width };
            let free = width.saturating_sub(load.tried);
            if free == 0 {
                continue;
            }
            let is_kept_out = known.is_slow && slow >= self.late_max / 2;
            let is_full = plan.sockets == 0;
            if is_full && load.tried == 0 && !known.is_slow {
                plan.giving_way += 1;
            }
            if is_kept_out || is_full || (load.tried > 0 && plan.shared == 0) {
                plan.is_cut = true;
                continue;
            }
            slow += usize::from(known.is_slow);
            asked.push((lane, load, free));
            if asked.len() >= LANES_AT_ONCE {
                plan.is_cut = true;
                break;
            }
        }
        // The next poll begins behind those that have had their turn.
        if let (true, Some((last, _, _))) = (plan.is_cut, asked.last()) {
            self.turn.clone_from(last);
        }
        // Lanes that have more share what there is.
        let sharing = asked.iter().filter(|(lane, _, _)| self.has_more(lane));
        let share = (plan.shared / sharing.count().max(1)).max(1);
        for (lane, load, free) in asked {
            let first = usize::from(load.tried == 0);
            let more = (free - first).min(share).min(plan.shared);
            let most = (first + more).min(BEGUN_AT_ONCE);
            let limit = i64::try_from(load.known + most).unwrap_or(i64::MAX);
            plan.limits.insert(lane.clone(), limit);
            plan.most.insert(lane.clone(), most);
        }
        plan
    }

    /// Chooses which of the deliveries that were found are begun, the longest due first.
    pub(super) fn choose(
        &mut self,
        plan: &mut LanePlan,
        found: Vec<Delivery>,
        loads: &HashMap<&str, Load>,
    ) -> Vec<Delivery> {
        let mut counts: HashMap<String, usize> = HashMap::new();
        let (mut chosen, mut further) = (Vec::new(), Vec::new());
        for delivery in found {
            let lane = delivery.lane.clone();
            let most = plan.most.get(&lane).copied().unwrap_or(0);
            let is_idle = loads.get(lane.as_str()).is_none_or(|load| load.tried == 0);
            let count = counts.entry(lane).or_default();
            *count += 1;
            if *count > most {
                continue;
            }
            if *count == 1 && is_idle && plan.sockets > 0 {
                plan.sockets -= 1;
                chosen.push(delivery);
            } else {
                further.push(delivery);
            }
        }
        for (lane, most) in &plan.most {
            let count = counts.get(lane).copied().unwrap_or(0);
            let has_more = count > 0 && count >= *most;
            if has_more || self.known.contains_key(lane) {
                let lane = self.known.entry(lane.clone()).or_insert(NEW);
                lane.has_more = has_more;
            }
        }
        let room = plan.shared.min(plan.sockets);
        plan.is_cut |= further.len() > room;
        chosen.extend(further.into_iter().take(room));
        chosen
    }

    fn has_more(&self, lane: &str) -> bool {
        self.known.get(lane).is_some_and(|lane| lane.has_more)
    }

    /// How many attempts of slow lanes are being made.
    fn slow(&self, loads: &HashMap<&str, Load>) -> usize {
        let slow = loads.iter().filter(|(lane, _)| {
            let lane = self.known.get(**lane);
            lane.is_some_and(|lane| lane.is_slow)
        });
        slow.map(|(_, load)| load.tried).sum()
    }
}

/// How many of the shared places a lane takes: all but its first attempt and those that are late.
fn shared(load: &Load) -> usize {
    let young = load.tried.saturating_sub(load.late);
    young.min(load.tried.saturating_sub(1))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tests::delivery;

    const ROOM: usize = 10_000;

    fn new(in_flight_max: usize, late_max: usize) -> Lanes {
        Lanes {
            known: HashMap::new(),
            in_flight_max,
            late_max,
            turn: String::new(),
        }
    }

    fn names(count: usize) -> Vec<String> {
        (0..count).map(|n| format!("webhook.t{n:04}")).collect()
    }

    /// As many attempts in each of some lanes, all of them late or none.
    fn loads(lanes: &[String], tried: usize, is_late: bool) -> HashMap<&str, Load> {
        let load = Load {
            known: tried,
            tried,
            late: if is_late { tried } else { 0 },
        };
        lanes.iter().map(|lane| (lane.as_str(), load)).collect()
    }

    fn answered(lanes: &mut Lanes, lane: &str, answer: LaneAnswer, times: usize) {
        for _ in 0..times {
            lanes.ended(lane, answer);
        }
    }

    /// How many may be begun in a lane that has nothing in flight.
    fn width(lanes: &mut Lanes, lane: &str) -> usize {
        let names = [lane.to_owned()];
        let plan = lanes.plan(&names, &HashMap::new(), ROOM, |_| false);
        plan.most.get(lane).copied().unwrap_or(0)
    }

    #[test]
    fn a_lane_earns_by_answers_what_it_may_have_and_loses_it() {
        let mut lanes = new(64, 1_024);
        for (answer, times, expected) in [
            (LaneAnswer::Came, 0, 1),
            (LaneAnswer::Came, 3, 4),
            (LaneAnswer::Came, 100, 32),
            (LaneAnswer::Failed, 1, 16),
            (LaneAnswer::Failed, 9, 1),
            (LaneAnswer::Came, 7, 8),
            (LaneAnswer::WasLate, 1, 1),
            (LaneAnswer::Came, 1, 2),
        ] {
            answered(&mut lanes, "webhook.a", answer, times);
            assert_eq!(
                width(&mut lanes, "webhook.a"),
                expected,
                "{answer:?} {times}"
            );
        }
        let names = ["webhook.a".to_owned()];
        let plan = lanes.plan(&names, &HashMap::new(), ROOM, |_| true);
        assert_eq!(plan.most["webhook.a"], 1, "one that is probed");
    }

    #[test]
    fn however_many_hang_a_new_lane_and_a_good_one_are_tried() {
        for is_late in [false, true] {
            let mut lanes = new(64, 1_024);
            answered(&mut lanes, "webhook.good", LaneAnswer::Came, 100);
            let hanging = names(900);
            let loads = loads(&hanging, 1, is_late);
            let mut busy = hanging.clone();
            busy.extend(["webhook.good".to_owned(), "webhook.new".to_owned()]);
            busy.sort();
            let plan = lanes.plan(&busy, &loads, ROOM, |_| false);
            let expected = [("webhook.good", 32), ("webhook.new", 1)];
            let expected = expected.map(|(lane, most)| (lane.to_owned(), most));
            assert_eq!(plan.most, BTreeMap::from(expected));
            assert_eq!((plan.giving_way, plan.is_cut), (0, false));
        }
    }

    #[test]
    fn what_lanes_share_is_bounded_and_late_attempts_do_not_count_in_it() {
        let mut lanes = new(8, 1_024);
        let known = names(3);
        for lane in &known {
            answered(&mut lanes, lane, LaneAnswer::Came, 100);
        }
        // Two lanes have four each, of which three of each are shared.
        let young = loads(&known[..2], 4, false);
        let plan = lanes.plan(&known, &young, ROOM, |_| false);
        assert_eq!(plan.most, BTreeMap::from([(known[2].clone(), 3)]));
        let late = loads(&known[..2], 4, true);
        let plan = lanes.plan(&known, &late, ROOM, |_| false);
        assert_eq!(plan.most, BTreeMap::from([(known[2].clone(), 4)]));
        // Results that are yet to be recorded take room as well, but for the first of a lane.
        let plan = lanes.plan(&known, &HashMap::new(), 0, |_| false);
        assert!(plan.most.values().all(|most| *most == 1));
    }

    #[test]
    fn where_no_socket_is_left_those_that_wait_give_way_to_others() {
        let mut lanes = new(8, 64);
        let hanging = names(72);
        let loads = loads(&hanging, 1, true);
        let mut busy = hanging.clone();
        busy.extend(["webhook.u".to_owned(), "webhook.v".to_owned()]);
        let plan = lanes.plan(&busy, &loads, ROOM, |_| false);
        assert_eq!((plan.giving_way, plan.limits.len()), (2, 0));
        assert!(plan.is_cut);
        // Not to a lane that is known to hang.
        answered(&mut lanes, "webhook.v", LaneAnswer::WasLate, 1);
        let plan = lanes.plan(&busy, &loads, ROOM, |_| false);
        assert_eq!(plan.giving_way, 1);
    }

    #[test]
    fn lanes_that_hang_have_half_of_the_sockets() {
        let mut lanes = new(8, 64);
        let hanging = names(100);
        for lane in &hanging {
            answered(&mut lanes, lane, LaneAnswer::WasLate, 1);
        }
        let plan = lanes.plan(&hanging, &HashMap::new(), ROOM, |_| false);
        assert_eq!((plan.limits.len(), plan.is_cut), (32, true));
        let busy = loads(&hanging[..32], 1, true);
        let plan = lanes.plan(&hanging, &busy, ROOM, |_| false);
        assert_eq!(plan.limits.len(), 0);
        // When the first ones have ended, others have their turn.
        let plan = lanes.plan(&hanging, &HashMap::new(), ROOM, |_| false);
        assert_eq!(
            plan.limits.first_key_value().map(|(lane, _)| lane),
            Some(&hanging[32])
        );
    }

    #[test]
    fn lanes_that_have_more_share_alike_and_all_have_their_turn() {
        let mut lanes = new(64, 1_024);
        let busy = names(4);
        let mut offset = 0;
        for lane in &busy {
            answered(&mut lanes, lane, LaneAnswer::Came, 100);
        }
        let mut plan = lanes.plan(&busy, &HashMap::new(), ROOM, |_| false);
        assert!(plan.most.values().all(|most| *most == 32));
        let mut found = Vec::new();
        for lane in &busy {
            for _ in 0..40 {
                offset += 1;
                let endpoint = lane.strip_prefix("webhook.").unwrap();
                found.push(delivery(endpoint, offset));
            }
        }
        let chosen = lanes.choose(&mut plan, found, &HashMap::new());
        assert_eq!((chosen.len(), plan.is_cut), (4 + 64, true));
        for lane in &busy {
            assert!(chosen.iter().any(|delivery| delivery.lane == *lane));
        }
        let plan = lanes.plan(&busy, &HashMap::new(), ROOM, |_| false);
        assert!(plan.most.values().all(|most| *most == 1 + 16), "{plan:?}");

        let many = names(600);
        let mut asked = std::collections::BTreeSet::new();
        let mut lanes = new(64, 1_024);
        for _ in 0..3 {
            let plan = lanes.plan(&many, &HashMap::new(), ROOM, |_| false);
            assert!(plan.limits.len() <= LANES_AT_ONCE);
            asked.extend(plan.limits.into_keys());
        }
        assert_eq!(asked.len(), 600);
    }

    #[test]
    fn what_is_in_flight_takes_no_room_of_what_is_found() {
        let mut lanes = new(2_000, 1_024);
        answered(&mut lanes, "webhook.a", LaneAnswer::Came, 2_000);
        let load = Load {
            known: 600,
            tried: 600,
            late: 0,
        };
        let loads = HashMap::from([("webhook.a", load)]);
        let plan = lanes.plan(&["webhook.a".to_owned()], &loads, ROOM, |_| false);
        assert_eq!(plan.limits["webhook.a"], 600 + 256);
    }
}
