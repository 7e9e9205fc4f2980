//! The turns of units while a batch is decided, and their length. Locks are held
//! meanwhile, so a batch ends when its time is up: what is not decided by then, or
//! waits for a workflow, is left for the next one. Pieces are decided in slices, so a
//! unit of a thousand costly steps holds up the others of its batch for one of them.
//!
//! Orders are read a few at a time. A batch whose orders take much memory ends with what it
//! has, and an atomic unit whose orders do is refused.
//!
//! Steps on one order keep the order of their units: a step waits as long as an
//! earlier unit has a step on its order left.

use std::{
    collections::{BTreeSet, HashMap, HashSet, VecDeque},
    time::{Duration, Instant},
};

use waymark_domain::value::{OrderId, WorkflowCode};

use super::{
    Step, Unit, UnitMode,
    answers::ORDERS_BYTES_MAX,
    batch::{Piece, PieceOutcome},
    budget::{Budget, RunTimer},
    working::{Savepoint, Working},
};
use crate::catalog::Known;

pub(super) struct Turn {
    piece: Piece,
    next: usize,
    /// The first step whose order was not read yet.
    unread: usize,
    answers: PieceOutcome,
    /// The bytes that the orders in its answers may still take.
    room: usize,
    whole: Option<Whole>,
    /// Whether later units have their turn before its end.
    is_overtaken: bool,
}

/// An atomic piece that was begun: what it goes back to, and what it has spent.
struct Whole {
    savepoint: Savepoint,
    spent: Duration,
    /// How many bytes its orders take in the database.
    bytes: usize,
}

/// Where the turn of a piece ended.
enum Stop {
    /// All its steps are decided, or it was refused as a whole.
    Done,
    /// It is the turn of the next piece.
    Cut,
    /// Its next step waits for an earlier unit.
    Behind,
    /// Its next step waits for a workflow.
    Unloaded(WorkflowCode),
    /// The order of its next step was not read.
    Unread,
}

/// The pieces of a transaction after their turns.
#[derive(Default)]
pub(super) struct Decided {
    /// The decided pieces, each with the steps that were decided.
    pub(super) outcomes: Vec<(Piece, PieceOutcome)>,
    /// The pieces that were not, in the order of units.
    pub(super) rest: Vec<Piece>,
    /// The workflows that steps of the rest wait for.
    pub(super) unloaded: BTreeSet<WorkflowCode>,
}

pub(super) struct Turns<'u> {
    units: &'u [Unit],
    budget: Budget,
    began: Instant,
    waiting: VecDeque<Turn>,
    left: Vec<Turn>,
    ended: Vec<Turn>,
    unloaded: BTreeSet<WorkflowCode>,
    overtaken: Overtaken<'u>,
    has_decided: bool,
}

/// The orders of steps that are overtaken by later units, each with the earliest of their units.
type Overtaken<'u> = HashMap<(&'u WorkflowCode, &'u OrderId), usize>;

/// The turns of pieces, in the order in which they get them: first a unit that others have
/// overtaken, so that it comes to its end, then the new ones, then the other overtaken ones.
pub(super) fn turns_of(pieces: &[Piece]) -> Vec<Turn> {
    let is_new = |piece: &&Piece| piece.steps.start == 0;
    let (new, mut begun): (Vec<_>, Vec<_>) = pieces.iter().partition(is_new);
    let others = begun.split_off(begun.len().min(1));
    let all = begun.into_iter().chain(new).chain(others);
    all.map(Turn::new).collect()
}

/// The next steps whose orders shall be read, in the order of turns; they are taken as read.
pub(super) fn read_ahead<'u, 't>(
    units: &'u [Unit],
    turns: impl IntoIterator<Item = &'t mut Turn>,
    steps_max: usize,
) -> Vec<&'u Step> {
    let mut steps = Vec::new();
    for turn in turns {
        let room = steps_max.saturating_sub(steps.len());
        if room == 0 {
            break;
        }
        let unread = turn.unread..turn.piece.steps.end.min(turn.unread + room);
        turn.unread = unread.end;
        let unread = Piece {
            unit: turn.piece.unit,
            steps: unread,
        };
        steps.extend(unread.of(units).0);
    }
    steps
}

impl Turn {
    fn new(piece: &Piece) -> Self {
        Self {
            next: piece.steps.start,
            unread: piece.steps.start,
            piece: piece.clone(),
            answers: Ok(Vec::new()),
            room: 0,
            whole: None,
            is_overtaken: false,
        }
    }

    fn rest(&self) -> Piece {
        Piece {
            unit: self.piece.unit,
            steps: self.next..self.piece.steps.end,
        }
    }
}

impl<'u> Turns<'u> {
    /// Begins, with the locks held.
    pub(super) fn new(units: &'u [Unit], mut turns: Vec<Turn>, budget: Budget) -> Self {
        let mut newest = 0;
        for turn in &mut turns {
            newest = newest.max(turn.piece.unit);
            turn.is_overtaken = turn.piece.unit < newest;
            let unit = units.get(turn.piece.unit);
            if unit.is_some_and(|unit| unit.return_orders) {
                turn.room = ORDERS_BYTES_MAX;
            }
        }
        let mut all = Self {
            units,
            budget,
            began: Instant::now(),
            waiting: turns.into(),
            left: Vec::new(),
            ended: Vec::new(),
            unloaded: BTreeSet::new(),
            overtaken: HashMap::new(),
            has_decided: false,
        };
        all.find_overtaken();
        all
    }

    /// Decides until the time is up, which it says by none, or until the orders of these steps
    /// have to be read.
    pub(super) fn run(&mut self, working: &mut Working) -> Option<Vec<&'u Step>> {
        let timer = RunTimer::begin();
        while let Some(mut turn) = self.waiting.pop_front() {
            if turn.whole.is_none() && self.has_decided && self.is_over() {
                self.waiting.push_front(turn);
                break;
            }
            match self.take(working, &mut turn, &timer) {
                Stop::Done => {
                    let was_overtaken = turn.is_overtaken;
                    self.ended.push(turn);
                    if was_overtaken {
                        self.find_overtaken();
                    }
                }
                Stop::Unread => {
                    let may_end = turn.whole.is_none() && self.has_decided && working.is_full();
                    self.waiting.push_front(turn);
                    if may_end {
                        break;
                    }
                    let ahead = self.budget.read_ahead;
                    let unread = read_ahead(self.units, self.waiting.iter_mut(), ahead);
                    return Some(unread);
                }
                Stop::Behind if self.is_behind_what_is_left(&turn) => self.leave(turn),
                Stop::Cut | Stop::Behind => {
                    turn.is_overtaken = true;
                    overtake(&mut self.overtaken, self.units, &turn);
                    self.waiting.push_back(turn);
                }
                Stop::Unloaded(code) => {
                    self.unloaded.insert(code);
                    self.leave(turn);
                }
            }
        }
        None
    }

    /// Begins anew to measure the time of the batch. Says whether there is anything left that can
    /// be decided.
    pub(super) fn go_on(&mut self) -> bool {
        self.began = Instant::now();
        self.has_decided = false;
        !self.waiting.is_empty()
    }

    /// The steps of the units that are on their way, as far as they are not decided.
    pub(super) fn undecided(&self) -> impl Iterator<Item = &'u Step> {
        let turns = self.waiting.iter();
        turns.flat_map(|turn| turn.rest().of(self.units).0)
    }

    pub(super) fn finish(self) -> Decided {
        let mut decided = Decided {
            unloaded: self.unloaded,
            ..Decided::default()
        };
        for turn in self.ended.into_iter().chain(self.waiting).chain(self.left) {
            let (rest, Piece { unit, steps }) = (turn.rest(), turn.piece);
            if steps.start < turn.next {
                let steps = steps.start..turn.next;
                decided.outcomes.push((Piece { unit, steps }, turn.answers));
            }
            decided
                .rest
                .extend(Some(rest).filter(|rest| !rest.steps.is_empty()));
        }
        decided.rest.sort_by_key(|piece| piece.unit);
        decided
    }

    fn is_over(&self) -> bool {
        self.began.elapsed() >= self.budget.batch
    }

    fn take(&mut self, working: &mut Working, turn: &mut Turn, timer: &RunTimer) -> Stop {
        let Some(unit) = self.units.get(turn.piece.unit) else {
            turn.next = turn.piece.steps.end;
            return Stop::Done;
        };
        match unit.mode {
            UnitMode::Separate => self.separate(working, turn, &unit.steps, timer),
            UnitMode::Atomic => self.whole(working, turn, &unit.steps),
        }
    }

    fn separate(
        &mut self,
        working: &mut Working,
        turn: &mut Turn,
        steps: &[Step],
        timer: &RunTimer,
    ) -> Stop {
        let began = Instant::now();
        while turn.next < turn.piece.steps.end
            && let Some(step) = steps.get(turn.next)
        {
            if let Some(stop) = self.obstacle(working, turn, step) {
                return stop;
            }
            if turn.next == turn.unread {
                return Stop::Unread;
            }
            let answer = working.step(step, timer, &mut turn.room);
            if let Ok(answers) = &mut turn.answers {
                answers.push(answer);
            }
            turn.next += 1;
            self.has_decided = true;
            let is_sliced = !self.waiting.is_empty() && began.elapsed() >= self.budget.slice;
            if turn.next < turn.piece.steps.end && (is_sliced || self.is_over()) {
                return Stop::Cut;
            }
        }
        Stop::Done
    }

    /// Decides an atomic piece. Between its beginning and its end nothing else is decided.
    fn whole(&mut self, working: &mut Working, turn: &mut Turn, steps: &[Step]) -> Stop {
        let timer = RunTimer::begin();
        let mut whole = if let Some(whole) = turn.whole.take() {
            whole
        } else {
            for step in steps {
                if let Some(stop) = self.obstacle(working, turn, step) {
                    return stop;
                }
            }
            if turn.unread < turn.piece.steps.end && self.has_decided && working.is_full() {
                return Stop::Unread;
            }
            Whole {
                savepoint: working.savepoint(),
                spent: Duration::ZERO,
                bytes: 0,
            }
        };
        while turn.next < turn.piece.steps.end
            && let Some(step) = steps.get(turn.next)
        {
            if turn.next == turn.unread {
                whole.spent += timer.spent();
                turn.whole = Some(whole);
                return Stop::Unread;
            }
            whole.bytes += working.protect(&mut whole.savepoint, step);
            let mut answer = working.step(step, &timer, &mut turn.room);
            let left = self.budget.whole.saturating_sub(whole.spent);
            if timer.is_longer(timer.began(), left) {
                answer = Err(self.budget.refusal());
            }
            if whole.bytes > self.budget.orders_bytes {
                answer = Err(self.budget.refusal_of_size());
            }
            match (answer, &mut turn.answers) {
                (Ok(committed), Ok(answers)) => answers.push(Ok(committed)),
                (Ok(_), Err(_)) => {}
                (Err(refusal), _) => {
                    working.restore(whole.savepoint);
                    turn.answers = Err((turn.next, refusal));
                    turn.next = turn.piece.steps.end;
                    break;
                }
            }
            turn.next += 1;
        }
        self.has_decided = true;
        Stop::Done
    }

    /// The obstacle to deciding a step now.
    fn obstacle(&self, working: &mut Working, turn: &Turn, step: &Step) -> Option<Stop> {
        let earliest = self.overtaken.get(&(&step.workflow, &step.order_id));
        if earliest.is_some_and(|unit| *unit < turn.piece.unit) {
            return Some(Stop::Behind);
        }
        match working.known(&step.workflow) {
            Known::Ready(_) | Known::Absent => None,
            Known::Unloaded => Some(Stop::Unloaded(step.workflow.clone())),
        }
    }

    fn leave(&mut self, turn: Turn) {
        self.left.push(turn);
        self.find_overtaken();
    }

    /// Whether the step that a piece stopped at waits for one that is left for another batch.
    fn is_behind_what_is_left(&self, turn: &Turn) -> bool {
        let steps = turn.rest().of(self.units).0;
        // An atomic piece stops at any of its steps.
        let first = match self.units.get(turn.piece.unit).map(|unit| unit.mode) {
            Some(UnitMode::Atomic) => steps,
            Some(UnitMode::Separate) | None => steps.get(..1).unwrap_or_default(),
        };
        let orders: HashSet<_> = first.iter().map(order_of).collect();
        let earlier = self
            .left
            .iter()
            .filter(|left| left.piece.unit < turn.piece.unit);
        let mut left = earlier.flat_map(|left| left.rest().of(self.units).0);
        left.any(|step| orders.contains(&order_of(step)))
    }

    /// Finds the steps that later units overtake, as it is now.
    fn find_overtaken(&mut self) {
        self.overtaken.clear();
        let waiting = self.waiting.iter().filter(|turn| turn.is_overtaken);
        for turn in waiting.chain(&self.left) {
            overtake(&mut self.overtaken, self.units, turn);
        }
    }
}

/// Records the steps of a piece as overtaken.
fn overtake<'u>(overtaken: &mut Overtaken<'u>, units: &'u [Unit], turn: &Turn) {
    for step in turn.rest().of(units).0 {
        let earliest = overtaken.entry(order_of(step)).or_insert(turn.piece.unit);
        *earliest = turn.piece.unit.min(*earliest);
    }
}

fn order_of(step: &Step) -> (&WorkflowCode, &OrderId) {
    (&step.workflow, &step.order_id)
}
