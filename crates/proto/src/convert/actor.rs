//! Who asks for something.

use waymark_domain::{
    actor::{Actor, ActorKind},
    value::{ActorId, Invalid, legible, no_controls},
};

use super::violations::{Noted, Path, Violations};
use crate::v1;

/// How many roles an actor may state.
const ROLES_MAX: usize = 64;

/// Writes an actor.
pub fn actor_to_wire(actor: &Actor) -> v1::Actor {
    let Actor {
        kind,
        id,
        on_behalf_of,
        roles,
    } = actor;
    let kind = match kind {
        ActorKind::User => v1::ActorKind::User,
        ActorKind::Integration => v1::ActorKind::Integration,
        ActorKind::Customer => v1::ActorKind::Customer,
        ActorKind::System => v1::ActorKind::System,
    };
    v1::Actor {
        kind: kind.into(),
        id: id.to_string(),
        on_behalf_of: on_behalf_of.to_string(),
        roles: roles.iter().map(ToString::to_string).collect(),
    }
}

/// Reads the actor of a call; one that states none is an integration's. No caller is Waymark itself, and an id stands on
/// one line and reads as what it is.
pub(crate) fn read_actor(
    found: &mut Violations,
    at: Path<'_>,
    actor: Option<v1::Actor>,
) -> Result<Actor, Noted> {
    let is_system = |actor: &v1::Actor| actor.kind() == v1::ActorKind::System;
    let kind = if actor.as_ref().is_some_and(is_system) {
        let expected = "a user, an integration or a customer: the system is Waymark itself";
        Err(found.note(at.field("kind"), Invalid::Malformed { expected }))
    } else {
        Ok(())
    };
    let actor = read_recorded_actor(found, at, actor)?;
    let id = one_line(found, at.field("id"), &actor.id);
    let on_behalf_of = one_line(found, at.field("on_behalf_of"), &actor.on_behalf_of);
    kind.and(id).and(on_behalf_of)?;
    Ok(actor)
}

/// Reads an actor as it was recorded, perhaps by an older version, and is sent back.
pub(crate) fn read_recorded_actor(
    found: &mut Violations,
    at: Path<'_>,
    actor: Option<v1::Actor>,
) -> Result<Actor, Noted> {
    let Some(v1::Actor {
        kind,
        id,
        on_behalf_of,
        roles,
    }) = actor
    else {
        return Ok(Actor::unstated());
    };
    let kind = found.number(at.field("kind"), kind);
    let id = found.text(at.field("id"), &id);
    let on_behalf_of = found.text(at.field("on_behalf_of"), &on_behalf_of);
    let roles = found.list(at.field("roles"), &roles, ROLES_MAX);
    Ok(Actor {
        kind: match kind? {
            v1::ActorKind::User => ActorKind::User,
            v1::ActorKind::Unspecified | v1::ActorKind::Integration => ActorKind::Integration,
            v1::ActorKind::Customer => ActorKind::Customer,
            v1::ActorKind::System => ActorKind::System,
        },
        id: id?,
        on_behalf_of: on_behalf_of?,
        roles: roles?,
    })
}

fn one_line(found: &mut Violations, at: Path<'_>, id: &ActorId) -> Result<(), Noted> {
    let text = id.as_str();
    let read = if !text.is_empty() && text.trim().is_empty() {
        let expected = "more than spaces, or left out";
        Err(Invalid::Malformed { expected })
    } else {
        no_controls(text).and_then(|()| legible(text))
    };
    found.check(at, read)
}
