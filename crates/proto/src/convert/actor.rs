//! Who asks for something.

use waymark_domain::actor::{Actor, ActorKind};

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

/// Reads an actor; a call that states none is an integration's.
pub(crate) fn read_actor(
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
