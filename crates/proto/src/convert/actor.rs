//! Actors: who asks for something.

use waymark_domain::{
    actor::Actor,
    value::{ActorId, Invalid, legible, no_controls},
};

use super::violations::{Path, Read};
use crate::v1;

/// The most roles that an actor may state.
const ROLES_MAX: usize = 64;

/// Writes an actor.
pub fn actor_to_wire(actor: &Actor) -> v1::Actor {
    message!(Actor from actor: Actor;
        number: kind;
        text: id, on_behalf_of;
        texts: roles;
    )
}

/// Reads the actor of a call; one that states none is an integration's. No caller is Waymark itself, and an id stands on
/// one line and reads as what it is.
pub(crate) fn read_actor(at: Path<'_>, actor: Option<v1::Actor>) -> Read<Actor> {
    let is_system = |actor: &v1::Actor| actor.kind() == v1::ActorKind::System;
    let kind = if actor.as_ref().is_some_and(is_system) {
        let expected = "a user, an integration or a customer: the system is Waymark itself";
        Err(at.field("kind").note(Invalid::Malformed { expected }))
    } else {
        Ok(())
    };
    let actor = read_recorded_actor(at, actor)?;
    let id = one_line(at.field("id"), &actor.id);
    let on_behalf_of = one_line(at.field("on_behalf_of"), &actor.on_behalf_of);
    kind.and(id).and(on_behalf_of)?;
    Ok(actor)
}

/// Reads an actor as it was recorded, perhaps by an older version, and is sent back.
pub(crate) fn read_recorded_actor(at: Path<'_>, actor: Option<v1::Actor>) -> Read<Actor> {
    let actor = actor.map(|actor| recorded(at, actor)).transpose()?;
    Ok(actor.unwrap_or_else(Actor::unstated))
}

reader! {
    fn recorded(Actor) -> Actor {
        kind: number(kind),
        id: text(id),
        on_behalf_of: text(on_behalf_of),
        roles: list(roles; ROLES_MAX),
    }
}

fn one_line(at: Path<'_>, id: &ActorId) -> Read<()> {
    let text = id.as_str();
    let read = if !text.is_empty() && text.trim().is_empty() {
        let expected = "more than spaces, or left out";
        Err(Invalid::Malformed { expected })
    } else {
        no_controls(text).and_then(|()| legible(text))
    };
    at.check(read)
}
