//! Workflows and their parts in answers that clients take. One that would be larger than 2 MiB goes
//! without its actions, as the contract says; exports show them.

use prost::Message;
use waymark_proto::v1;

use crate::{limits::ANSWER_BYTES_SOFT_MAX, page};

macro_rules! bounded {
    ($($(#[$doc:meta])+ $name:ident: $message:ident without $($field:ident),+;)+) => {
        $($(#[$doc])+
        pub(super) fn $name(whole: v1::$message) -> v1::$message {
            unless_fits(whole, |whole| v1::$message { $($field: Vec::new(),)+ ..whole })
        })+
    };
}

bounded! {
    /// A workflow; without operations and actions where it is too large with them.
    workflow: Workflow without operations, on_create, on_comment;
    /// A state; without actions where it is too large with them.
    state: OrderState without on_enter, on_leave;
    /// A status; without actions where it is too large with them.
    status: OrderStatus without on_enter;
    /// A transition; without actions where it is too large with them.
    transition: Transition without actions;
}

/// A version of a workflow; without its last changes where it is too large with them.
pub(super) fn version(whole: v1::WorkflowVersion) -> v1::WorkflowVersion {
    unless_fits(whole, |mut whole| {
        let changes = std::mem::take(&mut whole.changes);
        let mut room = ANSWER_BYTES_SOFT_MAX.saturating_sub(whole.encoded_len());
        let fitting = page::fitting_in(&mut room, &changes);
        v1::WorkflowVersion {
            changes: changes.into_iter().take(fitting).collect(),
            truncated: true,
            ..whole
        }
    })
}

/// What lint has to say; without the last findings where they are too many.
pub(super) fn findings(all: Vec<v1::LintFinding>) -> v1::LintWorkflowResponse {
    let total = i32::try_from(all.len()).unwrap_or(i32::MAX);
    let mut findings = all;
    findings.truncate(page::fitting(&findings));
    v1::LintWorkflowResponse { findings, total }
}

fn unless_fits<M: Message>(whole: M, shorter: impl FnOnce(M) -> M) -> M {
    if whole.encoded_len() <= ANSWER_BYTES_SOFT_MAX {
        whole
    } else {
        shorter(whole)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ANSWER_BYTES_MAX: usize = 2 * 1024 * 1024;

    /// Actions whose texts have so many bytes.
    fn actions(bytes: usize) -> Vec<v1::StepAction> {
        vec![
            v1::StepAction {
                description: "d".repeat(bytes / 16),
                ..v1::StepAction::default()
            };
            16
        ]
    }

    #[test]
    fn what_fits_stays() {
        let whole = v1::Transition {
            actions: actions(1_000_000),
            ..v1::Transition::default()
        };
        assert_eq!(transition(whole.clone()), whole);
        let whole = v1::WorkflowVersion {
            changes: vec![v1::WorkflowChange::default(); 1_000],
            ..v1::WorkflowVersion::default()
        };
        assert_eq!(version(whole.clone()), whole);
    }

    #[test]
    fn what_does_not_fit_goes_without_actions() {
        let large = actions(3_000_000);
        let shown = transition(v1::Transition {
            code: "ship".to_owned(),
            actions: large.clone(),
            ..v1::Transition::default()
        });
        assert_eq!((shown.code.as_str(), shown.actions.len()), ("ship", 0));
        let shown = state(v1::OrderState {
            code: "new".to_owned(),
            on_leave: large.clone(),
            ..v1::OrderState::default()
        });
        assert_eq!((shown.code.as_str(), shown.on_leave.len()), ("new", 0));
        let shown = status(v1::OrderStatus {
            code: "packing".to_owned(),
            on_enter: large.clone(),
            ..v1::OrderStatus::default()
        });
        assert_eq!((shown.code.as_str(), shown.on_enter.len()), ("packing", 0));
        let shown = workflow(v1::Workflow {
            code: "order".to_owned(),
            on_comment: large,
            ..v1::Workflow::default()
        });
        assert_eq!((shown.code.as_str(), shown.on_comment.len()), ("order", 0));
    }

    #[test]
    fn lists_that_do_not_fit_end_and_say_so() {
        let change = v1::WorkflowChange {
            before: "b".repeat(1_000),
            ..v1::WorkflowChange::default()
        };
        let shown = version(v1::WorkflowVersion {
            version: 7,
            changes: vec![change; 3_000],
            ..v1::WorkflowVersion::default()
        });
        assert!(shown.truncated && shown.version == 7);
        assert!((1_500..3_000).contains(&shown.changes.len()));
        assert!(shown.encoded_len() <= ANSWER_BYTES_MAX);
        let finding = v1::LintFinding {
            message: "m".repeat(1_000),
            ..v1::LintFinding::default()
        };
        let answer = findings(vec![finding.clone(); 3_000]);
        assert_eq!(answer.total, 3_000);
        assert!((1_500..3_000).contains(&answer.findings.len()));
        assert!(answer.encoded_len() <= ANSWER_BYTES_MAX);
        let answer = findings(vec![finding; 3]);
        assert_eq!((answer.total, answer.findings.len()), (3, 3));
    }
}
