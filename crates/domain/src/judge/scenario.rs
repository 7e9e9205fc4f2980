//! Steps and what they come to as a person would write them, for tests.

use super::{Graph, create, decide};
use crate::{
    history::{Detail, Entry, evolve, replay},
    order::{
        Action, Command, LineQuantity, NewLine, NewOrder, OperationLines, Order, Progress,
        Rejection, Target,
    },
    value::{Currency, LineId, Money, OperationCode, Quantity, Timestamp, TransitionCode},
    workflow::{Effect, Workflow, sample},
};

pub(crate) const NOW: Timestamp = Timestamp::from_micros(2_000_000);

/// An order with all that was ever written of it.
pub(crate) struct Shop {
    graph: Graph,
    pub(crate) order: Order,
    pub(crate) entries: Vec<Entry>,
}

pub(crate) fn money(minor_units: i64) -> Money {
    Money::new(minor_units).unwrap()
}

/// A line as `a`, `a*3`, `a*2=1000` with its total, or `v~` for one that is never shipped.
pub(crate) fn line(text: &str) -> NewLine {
    let (text, total) = match text.split_once('=') {
        Some((text, total)) => (text, Some(money(total.parse().unwrap()))),
        None => (text, None),
    };
    let (id, quantity) = text.split_once('*').unwrap_or((text, "1"));
    NewLine {
        is_virtual: id.ends_with('~'),
        total,
        ..sample::line(id.trim_end_matches('~'), quantity)
    }
}

/// A step: `pay`, `pay 500`, `ship a*2`, `refund a*1<1 =700` with one that came back, `refund only
/// =500` without lines, `back ship a*1`, or `go cancel`.
pub(crate) fn command(text: &str) -> Command {
    let mut words: Vec<&str> = text.split(' ').collect();
    let reverse = words[0] == "back";
    words.drain(..usize::from(reverse));
    let code = words.remove(0);
    let action = if code == "go" {
        Action::Transition(Target::Transition {
            code: TransitionCode::new(words[0]).unwrap(),
            land_on: None,
        })
    } else {
        let (amounts, lines): (Vec<&str>, Vec<&str>) =
            words.into_iter().partition(|word| word.starts_with('='));
        Action::RecordOperation {
            operation: OperationCode::new(code).unwrap(),
            lines: operation_lines(&lines),
            amount: amounts
                .first()
                .map(|amount| money(amount[1..].parse().unwrap())),
            reverse,
        }
    };
    Command {
        context: sample::context(),
        expected_version: None,
        action,
    }
}

fn operation_lines(words: &[&str]) -> OperationLines {
    match words {
        [] => OperationLines::AllLeft,
        ["only"] => OperationLines::AmountOnly,
        lines => OperationLines::Given(lines.iter().map(|text| moved(text)).collect()),
    }
}

fn moved(text: &str) -> LineQuantity {
    let (text, returned) = text.split_once('<').unwrap_or((text, "0"));
    let (id, quantity) = text.split_once('*').unwrap_or((text, "1"));
    LineQuantity {
        line_id: LineId::new(id).unwrap(),
        quantity: quantity.parse().unwrap(),
        returned: returned.parse().unwrap(),
    }
}

/// A workflow whose states list everything and whose steps nothing sets off.
pub(crate) fn still() -> Workflow {
    let mut workflow = sample::workflow();
    workflow
        .transitions
        .retain(|transition| transition.code.as_str() == "close");
    workflow
}

/// The same without invoices.
pub(crate) fn without_invoices() -> Workflow {
    let mut workflow = still();
    workflow
        .operations
        .retain(|operation| operation.effect != Effect::Invoice);
    for state in &mut workflow.states {
        state
            .operations
            .retain(|operation| operation.as_str() != "invoice");
    }
    workflow
}

impl Shop {
    /// An order of these lines, separated by spaces, that costs so much.
    pub(crate) fn new(workflow: Workflow, grand_total: i64, lines: &str) -> Self {
        let graph = Graph::new(workflow, 1).unwrap();
        let lines = lines.split_whitespace().map(line).collect();
        let new = NewOrder {
            grand_total: money(grand_total),
            currency: Some(Currency::new("EUR").unwrap()),
            ..sample::new_order(&graph, lines)
        };
        let entries = create(&graph, &new, &sample::context(), NOW).unwrap();
        let order = replay(&entries).unwrap();
        Self {
            graph,
            order,
            entries,
        }
    }

    /// Rewrites the order as if it had been placed in another currency.
    pub(crate) fn set_currency(&mut self, currency: Option<Currency>) {
        let [first] = self.entries.as_mut_slice() else {
            panic!("nothing may have happened yet");
        };
        let Detail::Created(created) = &mut first.detail else {
            panic!("the first entry creates");
        };
        created.currency = currency;
        self.order = replay(&self.entries).unwrap();
    }

    pub(crate) fn workflow(&self) -> &Workflow {
        self.graph.workflow()
    }

    pub(crate) fn try_command(&mut self, command: &Command) -> Result<Vec<Entry>, Rejection> {
        let step = decide(&self.graph, &self.order, command, NOW)?;
        self.order = step.iter().fold(self.order.clone(), evolve);
        self.entries.extend(step.clone());
        assert_eq!(replay(&self.entries).as_ref(), Some(&self.order));
        Ok(step)
    }

    pub(crate) fn refused(&mut self, text: &str) -> Rejection {
        let before = self.order.clone();
        let refusal = self.try_command(&command(text)).unwrap_err();
        assert_eq!(self.order, before, "{text}");
        refusal
    }

    pub(crate) fn done(&mut self, text: &str) -> Vec<Entry> {
        let step = self.try_command(&command(text));
        step.unwrap_or_else(|refusal| panic!("{text}: {refusal}"))
    }

    /// Does one step after the other and compares what they come to.
    pub(crate) fn check(&mut self, steps: &[(&str, &str)], tell: impl Fn(&Order) -> String) {
        for (text, expected) in steps {
            let told = match self.try_command(&command(text)) {
                Ok(_) => tell(&self.order),
                Err(refusal) => refusal.reason().to_owned(),
            };
            assert_eq!(&told, expected, "{text}");
        }
    }

    pub(crate) fn allowed(&self) -> Vec<String> {
        let progress = Progress::new(self.workflow(), &self.order);
        let allowed = progress.allowed_operations();
        allowed.iter().map(ToString::to_string).collect()
    }
}

/// `paid 1000, refunded 0, canceled 500; due 200, overpaid 0`.
pub(crate) fn balance(order: &Order) -> String {
    format!(
        "paid {}, refunded {}, canceled {}; due {}, overpaid {}",
        order.total_paid,
        order.total_refunded,
        order.total_canceled,
        order.total_due(),
        order.total_overpaid()
    )
}

/// Of each line `a: 1 invoiced, 2 shipped, 0 refunded, 1 returned, 0 canceled`, shortened.
pub(crate) fn units(order: &Order) -> String {
    let told = order.units().map(|units| {
        let quantities = [
            units.invoiced,
            units.shipped,
            units.refunded,
            units.returned,
            units.canceled,
        ];
        quantities.map(|q: Quantity| q.to_string()).join(" ")
    });
    told.collect::<Vec<_>>().join(", ")
}
