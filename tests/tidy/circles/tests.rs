//! Small crates, and the circles in them.

use super::{find, tree::Tree};

/// The circles of a crate, as they are told.
fn circles(files: &[(&str, &str)]) -> Vec<String> {
    let files = files.iter();
    let files = files.map(|(name, text)| ((*name).to_owned(), (*text).to_owned()));
    let uses = Tree::read(&files.collect()).uses();
    find::circles(&uses)
        .iter()
        .map(ToString::to_string)
        .collect()
}

const NONE: [&str; 0] = [];
const AB: &str = "  a.rs uses B of b.rs\n  b.rs uses A of a.rs\n";

#[test]
fn two_files_that_import_each_other() {
    let found = circles(&[
        ("lib.rs", "mod a; mod b;"),
        ("a.rs", "use crate::b::B; pub struct A;"),
        ("b.rs", "use super::{a::A}; pub struct B;"),
    ]);
    assert_eq!(found, [AB]);
}

#[test]
fn paths_in_code_and_in_macros_count_as_imports_do() {
    let found = circles(&[
        ("main.rs", "mod a; mod b;"),
        ("a.rs", "pub struct A; fn f() { crate::b::B::new() }"),
        (
            "b.rs",
            "use crate::a; pub struct B; fn g() { print!(\"{:?}\", a::A); }",
        ),
    ]);
    assert_eq!(found, [AB]);
    let found = circles(&[
        ("lib.rs", "mod a; mod b;"),
        ("a.rs", "pub struct A(self::super::b::B);"),
        ("b.rs", "#[serde(from = \"crate::a::A\")] pub struct B;"),
    ]);
    assert_eq!(found, [AB]);
}

#[test]
fn names_that_are_handed_on_lead_to_where_they_are_defined() {
    let found = circles(&[
        (
            "lib.rs",
            "mod a; mod b; pub use a::A as First; pub use b::*;",
        ),
        ("a.rs", "use crate::B; pub struct A;"),
        ("b.rs", "use crate::*; pub struct B(First);"),
    ]);
    assert_eq!(found, [AB]);
}

#[test]
fn a_file_that_only_hands_names_on_ties_nothing() {
    let found = circles(&[
        ("lib.rs", "mod m; pub use m::{A, B}; pub use std::fmt;"),
        ("m/mod.rs", "mod a; mod b; pub use self::{a::A, b::B};"),
        ("m/a.rs", "pub struct A(crate::fmt::Error);"),
        ("m/b.rs", "use super::A; pub struct B(A);"),
    ]);
    assert_eq!(found, NONE);
}

#[test]
fn a_file_that_defines_what_its_children_use_is_tied_to_them() {
    let found = circles(&[
        ("lib.rs", "mod m;"),
        ("m/mod.rs", "mod a; pub use a::A; pub struct M(A);"),
        ("m/a.rs", "use super::*; pub struct A; fn f(_: M) {}"),
    ]);
    let told = "  m/a.rs uses M of m/mod.rs\n  m/mod.rs uses A of m/a.rs\n";
    assert_eq!(found, [told]);
}

#[test]
fn tests_and_other_crates_are_left_out() {
    let found = circles(&[
        ("lib.rs", "mod a; mod b;"),
        (
            "a.rs",
            "use a::A as _; use ::b::B as _; pub struct A; impl A { #[cfg(test)] fn f(_: crate::b::B) {} }
             #[cfg(test)] mod tests { use crate::b::B; }",
        ),
        ("b.rs", "use crate::a::A; pub struct B;"),
    ]);
    assert_eq!(found, NONE);
}

#[test]
fn a_module_and_an_item_may_have_one_name() {
    let found = circles(&[
        ("lib.rs", "mod decide; mod other; pub use decide::decide;"),
        (
            "decide.rs",
            "use crate::other::Other; pub fn decide() {} pub struct Why;",
        ),
        (
            "other.rs",
            "use crate::decide; pub struct Other; fn f() -> decide::Why { decide() }",
        ),
    ]);
    let told = "  decide.rs uses Other of other.rs\n  other.rs uses Why, decide of decide.rs\n";
    assert_eq!(found, [told]);
}

#[test]
fn circles_over_several_files_are_whole_and_apart() {
    let found = circles(&[
        ("lib.rs", "mod a; mod b; mod c; mod d; mod e; mod f;"),
        ("a.rs", "pub struct A(crate::b::B);"),
        ("b.rs", "pub struct B(crate::c::C);"),
        ("c.rs", "made! { pub struct C(crate::a::A); }"),
        ("d.rs", "pub struct D(crate::a::A, crate::e::E);"),
        (
            "e.rs",
            "mod inner { pub struct E; } pub use inner::E; type F = crate::f::F;",
        ),
        ("f.rs", "pub struct F(crate::d::D);"),
    ]);
    let first = "  a.rs uses B of b.rs\n  b.rs uses C of c.rs\n  c.rs uses A of a.rs\n";
    let second = "  d.rs uses E of e.rs\n  e.rs uses F of f.rs\n  f.rs uses D of d.rs\n";
    assert_eq!(found, [first, second]);
}
