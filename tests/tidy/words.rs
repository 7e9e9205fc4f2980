//! Words that the code does not use: the field has others for what they meant here, and `docs/glossary.md` lists them.

use crate::sources::{crates, rust_files};

const REFUSED: [&str; 7] = [
    "occasion",
    "shelf",
    "tenure",
    "parcel",
    "vitals",
    "put aside",
    "in hand",
];

/// The refused words in a line, in any case, alone or in identifiers. Two words count over one space or underscore.
fn refused_in(line: &str) -> Vec<&'static str> {
    let text = format!(" {} ", words(line).join(" "));
    let is_in = |word: &&str| {
        let forms = [format!(" {word} "), format!(" {word}s ")];
        forms.iter().any(|form| text.contains(form))
    };
    REFUSED.into_iter().filter(is_in).collect()
}

/// The words of a line in lower case; an identifier is taken apart at its underscores and capitals.
fn words(line: &str) -> Vec<String> {
    let mut words = vec![String::new()];
    let mut was_lower = false;
    for letter in line.chars() {
        let begins = letter.is_uppercase() && was_lower;
        if begins || !letter.is_alphabetic() {
            words.push(String::new());
        }
        was_lower = letter.is_lowercase();
        if letter.is_alphabetic() {
            let word = words.last_mut().expect("there is always one");
            word.extend(letter.to_lowercase());
        }
    }
    words.retain(|word| !word.is_empty());
    words
}

#[test]
fn the_code_says_it_in_the_words_of_the_field() {
    let mut found = Vec::new();
    for (name, text) in crates()
        .iter()
        .flat_map(|folder| rust_files(&format!("{folder}/src")))
    {
        for (at, line) in text.lines().enumerate() {
            let refused = refused_in(line).into_iter();
            found.extend(refused.map(|word| format!("{name}:{}: {word}", at + 1)));
        }
    }
    assert!(found.is_empty(), "see docs/glossary.md: {found:#?}");
}

#[test]
fn refused_words_are_found_in_text_and_in_identifiers() {
    for word in REFUSED {
        let (upper, snake) = (word.to_uppercase(), word.replace(' ', "_"));
        let (head, tail) = word.split_at(1);
        let head = head.to_uppercase();
        for line in [
            format!("// It is {word}."),
            format!("// {upper}, and more"),
            format!("let the_{snake}s_max = 1;"),
            format!("struct Shared{head}{tail}(u8);"),
        ] {
            assert_eq!(refused_in(&line), [word], "{line}");
        }
    }
    let line = "// Sometimes a shelter is handled within an input, and put beside it.";
    assert_eq!(refused_in(line), [""; 0]);
}
