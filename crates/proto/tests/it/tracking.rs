//! Tokens of customers: what their requests mean and which are refused, and how what customers see looks on the wire.

use prost_types::Timestamp as WireTimestamp;
use waymark_domain::{
    tracking::{Remark, Tracking},
    value::Timestamp,
};
use waymark_proto::{
    convert::{
        call::ValidateOnly,
        tracking::{CreateTrackingToken, GetTracking, Revocation, RevokeTrackingToken},
    },
    v1,
};

use crate::{
    refused::{CODE, INSTANT, LINE_BREAK, STORE_VIEW, check, text},
    sample::{CREATED, default_workflow, value},
};

const EMPTY: &str = "must not be empty";
const EXCLUDED: &str = "must not be given together with `token`";

fn create(request: v1::CreateTrackingTokenRequest) -> CreateTrackingToken {
    CreateTrackingToken::read(request, &default_workflow()).unwrap()
}

fn revoke(request: v1::RevokeTrackingTokenRequest) -> RevokeTrackingToken {
    RevokeTrackingToken::read(request, &default_workflow()).unwrap()
}

#[test]
fn creating() {
    let request = v1::CreateTrackingTokenRequest {
        order_id: text("1"),
        ..Default::default()
    };
    let least = create(request.clone());
    assert_eq!(least.workflow, default_workflow());
    assert_eq!((least.expire_time, least.call.request), (None, None));
    assert_eq!(least.call.validate_only, ValidateOnly::No);
    let most = create(v1::CreateTrackingTokenRequest {
        workflow: text("returns"),
        expire_time: Some(WireTimestamp {
            seconds: 2,
            nanos: 1_999,
        }),
        validate_only: true,
        ..request
    });
    assert_eq!(most.workflow, value("returns"));
    assert_eq!(most.expire_time, Some(Timestamp::from_micros(2_000_001)));
    assert_eq!(most.call.validate_only, ValidateOnly::Yes);
}

#[test]
fn repeated_calls_are_recognised() {
    let hash = |change: fn(&mut v1::CreateTrackingTokenRequest)| {
        let mut request = v1::CreateTrackingTokenRequest {
            order_id: text("1"),
            request_id: text("once"),
            ..Default::default()
        };
        change(&mut request);
        create(request).call.request.unwrap().fingerprint
    };
    let first = hash(|_| {});
    assert_eq!(first, hash(|request| request.request_id = text("twice")));
    assert_eq!(first, hash(|request| request.validate_only = true));
    assert_eq!(first, hash(|request| request.workflow = text("order")));
    assert_ne!(first, hash(|request| request.order_id = text("2")));
    assert_ne!(
        first,
        hash(|request| request.expire_time = Some(WireTimestamp::default()))
    );
    let revoked = revoke(v1::RevokeTrackingTokenRequest {
        order_id: text("1"),
        request_id: text("once"),
        ..Default::default()
    });
    assert_ne!(first, revoked.call.request.unwrap().fingerprint);
}

#[test]
fn revoking_one_or_all() {
    let all = revoke(v1::RevokeTrackingTokenRequest {
        order_id: text("1"),
        ..Default::default()
    });
    assert_eq!(all.which, Revocation::Order(default_workflow(), value("1")));
    let one = revoke(v1::RevokeTrackingTokenRequest {
        token: text("no token at all"),
        ..Default::default()
    });
    assert_eq!(one.which, Revocation::Token(text("no token at all")));
}

#[test]
fn fields_that_are_wrong() {
    let workflow = default_workflow();
    let request = v1::CreateTrackingTokenRequest {
        workflow: text("?"),
        expire_time: Some(WireTimestamp {
            seconds: 253_402_300_800,
            nanos: 0,
        }),
        actor: Some(v1::Actor {
            kind: -1,
            ..Default::default()
        }),
        request_id: text("\n"),
        ..Default::default()
    };
    let call = [
        ("actor.kind", "has no value with the number -1"),
        ("request_id", LINE_BREAK),
    ];
    let own = [
        ("workflow", CODE),
        ("order_id", EMPTY),
        ("expire_time", INSTANT),
    ];
    check(
        CreateTrackingToken::read(request, &workflow),
        &[own.as_slice(), call.as_slice()].concat(),
    );
    let request = v1::RevokeTrackingTokenRequest {
        actor: Some(v1::Actor {
            kind: -1,
            ..Default::default()
        }),
        request_id: text("\n"),
        ..Default::default()
    };
    check(
        RevokeTrackingToken::read(request.clone(), &workflow),
        &[[("order_id", EMPTY)].as_slice(), call.as_slice()].concat(),
    );
    let both = v1::RevokeTrackingTokenRequest {
        workflow: text("order"),
        order_id: text("1"),
        token: text("token"),
        ..request
    };
    let excluded = [("workflow", EXCLUDED), ("order_id", EXCLUDED)];
    check(
        RevokeTrackingToken::read(both, &workflow),
        &[excluded.as_slice(), call.as_slice()].concat(),
    );
    let request = v1::GetTrackingRequest {
        token: text(""),
        store_view: text("?"),
    };
    check(
        GetTracking::read(request),
        &[("token", EMPTY), ("store_view", STORE_VIEW)],
    );
}

#[test]
fn what_customers_see() {
    let remark = |label: Option<&str>, status_changed| Remark {
        sequence: 7,
        label: label.map(str::to_owned),
        comment: text("on its way"),
        create_time: CREATED,
        status_changed,
    };
    let tracking = Tracking {
        order_id: value("1"),
        status_label: text("Unterwegs"),
        status_time: CREATED,
        entries: vec![remark(Some("Unterwegs"), true), remark(None, false)],
    };
    let time = Some(WireTimestamp {
        seconds: 1_700_000_000,
        nanos: 123_456_000,
    });
    let entry = |label: &str, status_changed| v1::TrackingEntry {
        label: text(label),
        comment: text("on its way"),
        create_time: time,
        status_changed,
    };
    assert_eq!(
        v1::Tracking::from(&tracking),
        v1::Tracking {
            order_id: text("1"),
            status_label: text("Unterwegs"),
            status_time: time,
            entries: vec![entry("Unterwegs", true), entry("", false)],
        }
    );
}
