//! Tries expressions on sample orders, to find those that come to the same whatever happens.

use std::{borrow::Cow, collections::BTreeMap};

use cel::{
    IdedExpr, Value,
    common::ast::{Expr, LiteralValue},
};

use super::{
    atoms::{Atom, Topic},
    outcomes::Outcomes,
    samples,
};
use crate::{
    actor::Actor,
    guard::{CostBudget, Guard, Ready, context},
    judge::{Facts, cost, variables},
    order::Order,
    value::{Comment, Metadata, Money, Timestamp},
    workflow::{Standing, Workflow},
};

/// The steps for asking a sample beside those of the expression itself.
const ASKING_STEPS: u64 = 50;

/// Tries the expressions of one workflow, all of them within one budget.
#[derive(Debug)]
pub(crate) struct Probe<'w> {
    workflow: &'w Workflow,
    /// The order that all samples are made of.
    base: Order,
    budget: CostBudget,
    actor: Actor,
    comment: Comment,
    metadata: Metadata,
}

/// One expression that is tried.
struct ExpressionProbe<'t> {
    probe: &'t Probe<'t>,
    ready: &'t Ready,
    /// Where the order stands; none where that is not known.
    place: Option<&'t Standing>,
    /// The outcomes of parts that do not depend on the place, by their ids.
    known: BTreeMap<u64, Outcomes>,
}

impl<'w> Probe<'w> {
    /// Samples for a workflow; none where its initial state has no status.
    pub(crate) fn new(workflow: &'w Workflow) -> Option<Self> {
        Some(Self {
            workflow,
            base: samples::base(workflow)?,
            budget: CostBudget::new(),
            actor: Actor::unstated(),
            comment: Comment::default(),
            metadata: Metadata::default(),
        })
    }

    /// The outcomes of an expression that is asked of orders at these places; without places,
    /// wherever they stand. Parts of it are judged by themselves, so what only a contradiction of
    /// two of them shows is not found. What samples do not vary may come to anything.
    ///
    /// Returns none for an expression that cannot be used, and where the budget does not suffice.
    pub(crate) fn outcomes(&self, guard: &Guard, places: &[Standing]) -> Option<Outcomes> {
        let ready = guard.ready().ok()?;
        let tree = ready.tree();
        let mut asked = ExpressionProbe {
            probe: self,
            ready,
            place: None,
            known: BTreeMap::new(),
        };
        let mut outcomes = Outcomes::default();
        if places.is_empty() {
            outcomes = asked.expr(tree);
        }
        for place in places {
            asked.place = Some(place);
            outcomes = outcomes.either(asked.expr(tree));
            if outcomes.is_settled() {
                break;
            }
        }
        (!self.budget.is_exhausted()).then_some(outcomes)
    }
}

impl ExpressionProbe<'_> {
    fn expr(&mut self, expr: &IdedExpr) -> Outcomes {
        match &expr.expr {
            Expr::Call(call) => match (call.func_name.as_str(), call.args.as_slice()) {
                ("_&&_", [a, b]) => self.expr(a).and(self.expr(b)),
                ("_||_", [a, b]) => self.expr(a).or(self.expr(b)),
                ("!_", [a]) => self.expr(a).negated(),
                ("_?_:_", [a, yes, no]) => self.expr(a).choice(self.expr(yes), self.expr(no)),
                _ => self.atom(expr),
            },
            Expr::Literal(LiteralValue::Boolean(is)) => {
                let mut outcomes = Outcomes::default();
                outcomes.note(Some(*is.inner()));
                outcomes
            }
            _ => self.atom(expr),
        }
    }

    fn atom(&mut self, expr: &IdedExpr) -> Outcomes {
        let atom = Atom::read(expr);
        let at_place = atom.topics.contains(&Topic::Place);
        if atom.is_free() || at_place && self.place.is_none() {
            return Outcomes::ANY;
        }
        if let Some(known) = self.known.get(&expr.id).filter(|_| !at_place) {
            return *known;
        }
        let mut outcomes = self.tried(expr, &atom);
        if atom.is_reckoned() && !outcomes.always_fails() {
            outcomes = Outcomes::ANY;
        }
        if !at_place {
            self.known.insert(expr.id, outcomes);
        }
        outcomes
    }

    /// Asks a part of the expression of as many samples as it takes.
    fn tried(&self, expr: &IdedExpr, atom: &Atom) -> Outcomes {
        let mut outcomes = Outcomes::default();
        for order in self.orders(atom) {
            if outcomes.is_settled() || !self.ask(expr, &order, &mut outcomes) {
                break;
            }
        }
        outcomes
    }

    /// The samples that differ in what the part names: those that are tried whatever is asked, and
    /// those in the magnitudes of its numbers.
    fn orders<'s>(&'s self, atom: &'s Atom) -> impl Iterator<Item = Order> + 's {
        let base = &self.probe.base;
        let has = |topic: Topic| atom.topics.contains(&topic);
        let amounts = has(Topic::Amounts).then(|| samples::amounts(base));
        let units = has(Topic::Units).then(|| samples::units(base));
        let lines = has(Topic::Lines).then(|| samples::lines(base));
        let near = atom.numbers.iter().flat_map(move |number| {
            let (amount, quantity) = (number.amount(), number.quantity());
            let scale = amount.filter(|_| has(Topic::Amounts));
            let amounts = scale.map(|scale| samples::amounts_of(base, scale));
            let scale = quantity.filter(|_| has(Topic::Units));
            let units = scale.map(|scale| samples::units_of(base, scale));
            let (scale, total) = (quantity.unwrap_or_default(), amount.unwrap_or(Money::ZERO));
            let lines = has(Topic::Lines).then(|| samples::lines_of(base, scale, total));
            let amounts = amounts.into_iter().flatten();
            let others = units.into_iter().flatten();
            amounts.chain(others).chain(lines.into_iter().flatten())
        });
        std::iter::once(base.clone())
            .chain(amounts.into_iter().flatten())
            .chain(units.into_iter().flatten())
            .chain(lines.into_iter().flatten())
            .chain(near)
    }

    /// Notes what a sample answers. Says whether the budget suffices; where it does not, whatever
    /// was found is not known.
    fn ask(&self, expr: &IdedExpr, order: &Order, outcomes: &mut Outcomes) -> bool {
        let mut order = Cow::Borrowed(order);
        if let Some(place) = self.place.filter(|place| **place != order.standing) {
            order.to_mut().standing = place.clone();
        }
        let probe = self.probe;
        let facts = Facts {
            workflow: probe.workflow,
            order: &order,
            actor: &probe.actor,
            comment: &probe.comment,
            metadata: &probe.metadata,
            now: Timestamp::default(),
            entry: None,
            recorded: None,
        };
        let steps = cost(&facts, self.ready).saturating_add(ASKING_STEPS);
        if probe.budget.spend(steps).is_err() {
            return false;
        }
        let context = context(variables(&facts, self.ready.uses()));
        outcomes.note(match Value::resolve(expr, &context) {
            Ok(Value::Bool(holds)) => Some(holds),
            Ok(_) | Err(_) => None,
        });
        true
    }
}
