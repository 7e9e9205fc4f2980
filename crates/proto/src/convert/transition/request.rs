//! Requests about transitions.

use waymark_domain::{
    value::{StatusCode, TransitionCode, WorkflowCode},
    workflow::{Transition, TransitionPatch},
};

use super::resource::{PATHS, read_patch, read_transition};
use crate::{
    convert::{
        call::{EditCall, EditFields, PageRequest, fingerprint, read_page},
        mask::Mask,
        violations::{Path, Violations},
    },
    invalid::InvalidRequest,
    v1,
};

/// Asks for a new transition.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CreateTransition {
    /// The workflow.
    pub workflow: WorkflowCode,
    /// The transition.
    pub transition: Transition,
    /// Who asks, and how.
    pub edit: EditCall,
}

/// Asks for one transition.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GetTransition {
    /// The workflow.
    pub workflow: WorkflowCode,
    /// The transition.
    pub code: TransitionCode,
}

/// Asks for a page of transitions.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListTransitions {
    /// The workflow.
    pub workflow: WorkflowCode,
    /// Only those that may start from this status; none for all.
    pub from_status: Option<StatusCode>,
    /// Which page.
    pub page: PageRequest,
}

/// Asks to change a transition.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UpdateTransition {
    /// The workflow.
    pub workflow: WorkflowCode,
    /// The transition.
    pub code: TransitionCode,
    /// What shall change.
    pub patch: TransitionPatch,
    /// Who asks, and how; the etag is the transition's.
    pub edit: EditCall,
}

/// Asks to delete a transition.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeleteTransition {
    /// The workflow.
    pub workflow: WorkflowCode,
    /// The transition.
    pub code: TransitionCode,
    /// Who asks, and how; the etag is the transition's.
    pub edit: EditCall,
}

impl CreateTransition {
    /// Reads the request.
    ///
    /// # Errors
    /// Returns [`InvalidRequest`] with every field that breaks a rule.
    pub fn read(
        mut request: v1::CreateTransitionRequest,
        default: &WorkflowCode,
    ) -> Result<Self, InvalidRequest> {
        let fingerprint =
            fingerprint!("CreateTransition", request in default, without request_id, validate_only);
        let v1::CreateTransitionRequest {
            workflow,
            transition,
            actor,
            request_id,
            validate_only,
        } = request;
        let fields = EditFields {
            actor,
            request_id,
            validate_only,
        };
        Violations::collect(|found| {
            let at = Path::REQUEST;
            let workflow = found.workflow(at, &workflow, default);
            let edit = fields.read_without_etag(found, fingerprint);
            let at = at.field("transition");
            let transition = found.required(at, transition);
            let transition = transition.and_then(|given| read_transition(found, at, given));
            Ok(Self {
                workflow: workflow?,
                transition: transition?,
                edit: edit?,
            })
        })
    }
}

impl GetTransition {
    /// Reads the request.
    ///
    /// # Errors
    /// Returns [`InvalidRequest`] with every field that breaks a rule.
    pub fn read(
        request: v1::GetTransitionRequest,
        default: &WorkflowCode,
    ) -> Result<Self, InvalidRequest> {
        let v1::GetTransitionRequest { workflow, code } = request;
        Violations::collect(|found| {
            let at = Path::REQUEST;
            let workflow = found.workflow(at, &workflow, default);
            let code = found.text(at.field("code"), &code);
            Ok(Self {
                workflow: workflow?,
                code: code?,
            })
        })
    }
}

impl ListTransitions {
    /// Reads the request.
    ///
    /// # Errors
    /// Returns [`InvalidRequest`] with every field that breaks a rule.
    pub fn read(
        mut request: v1::ListTransitionsRequest,
        default: &WorkflowCode,
    ) -> Result<Self, InvalidRequest> {
        let arguments = fingerprint!("ListTransitions", request, without page_size, page_token);
        let v1::ListTransitionsRequest {
            workflow,
            from_status,
            page_size,
            page_token,
        } = request;
        Violations::collect(|found| {
            let at = Path::REQUEST;
            let workflow = found.workflow(at, &workflow, default);
            let from_status = found.optional(at.field("from_status"), &from_status);
            let page = read_page(found, page_size, page_token, arguments);
            Ok(Self {
                workflow: workflow?,
                from_status: from_status?,
                page: page?,
            })
        })
    }
}

impl UpdateTransition {
    /// Reads the request.
    ///
    /// # Errors
    /// Returns [`InvalidRequest`] with every field that breaks a rule.
    pub fn read(
        mut request: v1::UpdateTransitionRequest,
        default: &WorkflowCode,
    ) -> Result<Self, InvalidRequest> {
        let fingerprint =
            fingerprint!("UpdateTransition", request in default, without request_id, validate_only);
        let v1::UpdateTransitionRequest {
            workflow,
            transition,
            update_mask,
            actor,
            request_id,
            validate_only,
        } = request;
        let fields = EditFields {
            actor,
            request_id,
            validate_only,
        };
        Violations::collect(|found| {
            let at = Path::REQUEST;
            let workflow = found.workflow(at, &workflow, default);
            let mask = Mask::read(found, Path::REQUEST, update_mask, &PATHS);
            let at = at.field("transition");
            let transition = found.required(at, transition);
            let etag = transition
                .as_ref()
                .map(|transition| transition.etag.clone());
            let etag = (at.field("etag"), etag.unwrap_or_default());
            let edit = fields.read(found, etag, fingerprint);
            let transition = transition.and_then(|transition| {
                let code = found.text(at.field("code"), &transition.code);
                let patch = read_patch(found, at, transition, &mask);
                Ok((code?, patch?))
            });
            let (code, patch) = transition?;
            Ok(Self {
                workflow: workflow?,
                code,
                patch,
                edit: edit?,
            })
        })
    }
}

impl DeleteTransition {
    /// Reads the request.
    ///
    /// # Errors
    /// Returns [`InvalidRequest`] with every field that breaks a rule.
    pub fn read(
        mut request: v1::DeleteTransitionRequest,
        default: &WorkflowCode,
    ) -> Result<Self, InvalidRequest> {
        let fingerprint =
            fingerprint!("DeleteTransition", request in default, without request_id, validate_only);
        let v1::DeleteTransitionRequest {
            workflow,
            code,
            actor,
            etag,
            request_id,
            validate_only,
        } = request;
        let fields = EditFields {
            actor,
            request_id,
            validate_only,
        };
        Violations::collect(|found| {
            let at = Path::REQUEST;
            let workflow = found.workflow(at, &workflow, default);
            let code = found.text(at.field("code"), &code);
            let edit = fields.read(found, (at.field("etag"), etag), fingerprint);
            Ok(Self {
                workflow: workflow?,
                code: code?,
                edit: edit?,
            })
        })
    }
}
