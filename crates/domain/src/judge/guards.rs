//! Guards and dates asked about facts, and texts filled in with them.

use cel::Value;

use super::facts::{Facts, bind, cost, variables};
use crate::{
    actor::Actor,
    guard::{
        CostBudget, EvaluationError, Guard, Instant, NOT_BOOL, NOT_INSTANT, Ready, STEPS_MAX,
        first_line, wrong_type,
    },
    order::Order,
    template::{Template, TemplateError, TextBudget},
    value::{Comment, Metadata, Timestamp},
    workflow::Workflow,
};

/// The end of the year 9999: what is due later never is.
const LAST: Timestamp = Timestamp::from_micros(253_402_300_799_999_999);

impl Guard {
    /// Asks the guard, and takes its cost for these facts off the budget.
    ///
    /// # Errors
    /// Returns [`EvaluationError`] when the expression cannot be evaluated for these
    /// facts, such as an attribute that the order does not have, when it would take too long
    /// or the budget does not suffice, and when it can no longer be used.
    pub fn holds(&self, facts: &Facts<'_>, budget: &CostBudget) -> Result<bool, EvaluationError> {
        match answer(self.ready()?, facts, budget)? {
            Value::Bool(holds) => Ok(holds),
            other => Err(EvaluationError {
                message: wrong_type(NOT_BOOL, &other),
            }),
        }
    }
}

impl Instant {
    /// When it is for an order, from 1970 on; none for later than the year 9999. Takes its cost
    /// for this order off the budget.
    ///
    /// # Errors
    /// Returns [`EvaluationError`] when it cannot be evaluated for this order, as for an attribute
    /// that it does not have, when it would take too long or the budget does not suffice, and when
    /// it can no longer be used.
    pub fn reckon(
        &self,
        workflow: &Workflow,
        order: &Order,
        budget: &CostBudget,
    ) -> Result<Option<Timestamp>, EvaluationError> {
        let facts = Facts {
            workflow,
            order,
            // Nobody makes a call, and nothing of these may be named.
            actor: &Actor::system(),
            comment: &Comment::default(),
            metadata: &Metadata::default(),
            now: Timestamp::default(),
            recorded: None,
            entry: None,
        };
        match answer(self.ready()?, &facts, budget)? {
            Value::Timestamp(instant) => {
                let instant = Timestamp::from_micros(instant.timestamp_micros().max(0));
                Ok(Some(instant).filter(|instant| *instant <= LAST))
            }
            other => Err(EvaluationError {
                message: wrong_type(NOT_INSTANT, &other),
            }),
        }
    }
}

impl Template {
    /// Fills in the placeholders.
    ///
    /// # Errors
    /// Returns [`TemplateError`] for what these facts do not have, such as an attribute of
    /// another order, for a template that takes too long or comes to too much, and for one
    /// that is [wrong](Self::problem).
    pub fn fill_in(&self, facts: &Facts<'_>) -> Result<String, TemplateError> {
        self.fill_in_within(facts, &mut TextBudget::default())
    }

    /// Fills in the placeholders as part of a step, whose texts together are bounded.
    ///
    /// # Errors
    /// As [`Self::fill_in`], and when the step has no budget left.
    pub fn fill_in_within(
        &self,
        facts: &Facts<'_>,
        budget: &mut TextBudget,
    ) -> Result<String, TemplateError> {
        self.fill_in_with(|uses| bind(facts, uses), budget)
    }
}

/// Evaluates an expression for these facts and takes its cost off the budget.
fn answer(ready: &Ready, facts: &Facts<'_>, budget: &CostBudget) -> Result<Value, EvaluationError> {
    let cost = cost(facts, ready);
    if cost > STEPS_MAX {
        return Err(EvaluationError {
            message: format!(
                "it takes {cost} steps on this order, at most {STEPS_MAX} are allowed"
            ),
        });
    }
    budget.spend(cost)?;
    let answer = ready.evaluate(variables(facts, ready.uses()));
    answer.map_err(|error| EvaluationError {
        message: first_line(&error.to_string()),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        guard::{Expression, GuardError},
        value::Attributes,
        workflow::sample,
    };

    const DAY: i64 = 86_400_000_000;

    fn compile(text: &str) -> Result<Instant, GuardError> {
        Instant::compile(&Expression::new(text).unwrap())
    }

    /// The instant for the sample order with an attribute, in microseconds.
    fn reckoned(text: &str, attribute: &str) -> Result<Option<i64>, EvaluationError> {
        let (graph, mut order) = sample::graph_and_order();
        let attributes = [("day".to_owned(), attribute.to_owned())];
        order.attributes = Attributes::new(attributes.into()).unwrap();
        let instant = compile(text).unwrap_or_else(|problem| panic!("{text}: {problem}"));
        let found = instant.reckon(graph.workflow(), &order, &CostBudget::new());
        found.map(|found| found.map(Timestamp::micros))
    }

    #[test]
    fn instants_are_reckoned_from_the_order() {
        let created = sample::CREATED.micros();
        for (text, attribute, expected) in [
            ("order.create_time", "", Some(created)),
            (
                "order.create_time + duration('24h')",
                "",
                Some(created + DAY),
            ),
            (
                "order.create_time + duration(order.attributes['day'])",
                "48h",
                Some(created + 2 * DAY),
            ),
            (
                "timestamp(order.attributes['day'])",
                "1970-01-02T00:00:00Z",
                Some(DAY),
            ),
            (
                "timestamp(order.attributes['day'])",
                "1970-01-02T02:00:00+02:00",
                Some(DAY),
            ),
            (
                "order.grand_total > 0 ? order.status_time : order.update_time",
                "",
                Some(created),
            ),
            // The past is the past, however far it is.
            (
                "timestamp(order.attributes['day'])",
                "0001-01-01T00:00:00Z",
                Some(0),
            ),
            (
                "timestamp(order.attributes['day'])",
                "9999-12-31T23:59:59.999999Z",
                Some(LAST.micros()),
            ),
        ] {
            assert_eq!(reckoned(text, attribute), Ok(expected), "{text}");
        }
    }

    #[test]
    fn what_cannot_be_reckoned_is_said() {
        for (text, attribute) in [
            ("timestamp(order.attributes['other'])", ""),
            ("timestamp(order.attributes['day'])", "tomorrow"),
            (
                "timestamp(order.attributes['day'])",
                "9999-12-31T23:59:59-12:00",
            ),
            (
                "order.create_time + duration(order.attributes['day'])",
                "99999999h",
            ),
            (
                "order.lines[7].id == '' ? order.create_time : order.update_time",
                "",
            ),
        ] {
            let found = reckoned(text, attribute);
            assert!(
                found.is_err() || found == Ok(None),
                "{text}, {attribute}: {found:?}"
            );
        }
    }

    #[test]
    fn what_is_no_instant_of_the_order_is_refused() {
        let alone = "may use order only";
        for (text, said) in [
            ("now", alone),
            ("now + duration('1h')", alone),
            (
                "actor.id == '' ? order.create_time : order.update_time",
                alone,
            ),
            ("timestamp(request.comment)", alone),
            ("timestamp(request.metadata['day'])", alone),
            ("entry.create_time", alone),
            (
                "order.lines.exists(l, l.quantity_moving > 0.0) ? order.create_time : order.update_time",
                alone,
            ),
            ("order.grand_total", "must answer a timestamp"),
            ("order.attributes['day']", "must answer a timestamp"),
            (
                "order.create_time > order.update_time",
                "must answer a timestamp",
            ),
            (
                "order.update_time - order.create_time",
                "must answer a timestamp",
            ),
            ("duration('24h')", "must answer a timestamp"),
            ("order.lines", "must answer a timestamp"),
            ("true ? 1 : 'a'", "must answer a timestamp"),
            ("order.nothing", "knows no field order.nothing"),
            ("order.((", "is not a CEL expression"),
            ("other", "knows no variable other; did you mean order?"),
            ("zzz", "knows no variable zzz; there is order alone"),
        ] {
            let problem = compile(text).expect_err(text).to_string();
            assert!(problem.contains(said), "{text}: {problem}");
        }
    }

    #[test]
    fn one_that_can_no_longer_be_used_never_comes() {
        let (graph, order) = sample::graph_and_order();
        let stored = Instant::of_stored(&Expression::of_stored("now"));
        assert!(stored.problem().is_some());
        let budget = CostBudget::new();
        let said = stored.reckon(graph.workflow(), &order, &budget);
        let said = said.unwrap_err().message;
        assert!(said.starts_with("it cannot be used any more"), "{said}");
        // Nor does one for which nothing is left.
        let instant = compile("order.create_time").unwrap();
        let none = CostBudget::of(0);
        assert!(instant.reckon(graph.workflow(), &order, &none).is_err());
    }
}
