//! The first check of a template: its tokens alone. It bounds what the parser of the engine
//! recurses over, for the parser itself counts only brackets and some tags.

use minijinja::{
    machinery::{Span, Token, Tokenizer},
    syntax::SyntaxConfig,
};

use super::language::{BRACKETS_MAX, Language, NESTING_MAX, Problem, TAG_TOKENS_MAX};

/// Counts tokens, and refuses tags that there are not, long tags and deep nesting. Returns
/// the number of tokens.
pub(super) fn check(
    source: &str,
    syntax: &SyntaxConfig,
    language: Language,
) -> Result<usize, Problem> {
    let mut tokens = Tokenizer::new(source, "", false, syntax.clone());
    let mut outline = Outline::new(language);
    while let Some((token, span)) = tokens.next_token().map_err(|e| Problem::from(&e))? {
        outline.take(&token, span)?;
    }
    Ok(outline.tokens)
}

struct Outline {
    language: Language,
    tokens: usize,
    /// The tokens of the present tag or placeholder.
    in_tag: usize,
    /// Whether the next token is the name of a tag.
    at_name: bool,
    brackets: usize,
    /// The tags that are open, and how much each adds to the depth.
    open: Vec<usize>,
    depth: usize,
}

impl Outline {
    fn new(language: Language) -> Self {
        Self {
            language,
            tokens: 0,
            in_tag: 0,
            at_name: false,
            brackets: 0,
            open: Vec::new(),
            depth: 0,
        }
    }

    fn take(&mut self, token: &Token<'_>, span: Span) -> Result<(), Problem> {
        let line = span.start_line;
        self.tokens += 1;
        if self.tokens > self.language.tokens_max() {
            let max = self.language.tokens_max();
            let message = format!("it has more than {max} names, signs and pieces of text");
            return Err(Problem::new(line, message));
        }
        self.in_tag += 1;
        let at_name = std::mem::replace(&mut self.at_name, false);
        match token {
            Token::VariableStart | Token::BlockStart => {
                self.in_tag = 0;
                self.brackets = 0;
                self.at_name = matches!(token, Token::BlockStart);
            }
            Token::TemplateData(_) | Token::VariableEnd | Token::BlockEnd => self.in_tag = 0,
            Token::Ident(name) if at_name => self.tag(name, line)?,
            Token::ParenOpen | Token::BracketOpen | Token::BraceOpen => self.brackets += 1,
            Token::ParenClose | Token::BracketClose | Token::BraceClose => {
                self.brackets = self.brackets.saturating_sub(1);
            }
            _ => {}
        }
        if self.in_tag > TAG_TOKENS_MAX {
            let message = format!("a tag has more than {TAG_TOKENS_MAX} names and signs");
            return Err(Problem::new(line, message));
        }
        if self.brackets > BRACKETS_MAX {
            let message = format!("brackets are nested more than {BRACKETS_MAX} deep");
            return Err(Problem::new(line, message));
        }
        Ok(())
    }

    fn tag(&mut self, name: &str, line: u16) -> Result<(), Problem> {
        if !self.language.tags().contains(&name) {
            let tags = self.language.tags().iter().copied();
            // What it ends is a tag that there is, in a form that there is not.
            let name = if name == "endset" {
                "set with a body"
            } else {
                name
            };
            return Err(Problem::unknown(line, "the tag", name, tags));
        }
        match name {
            "if" | "for" | "block" => {
                self.open.push(1);
                self.depth += 1;
            }
            "elif" => {
                if let Some(open) = self.open.last_mut() {
                    *open += 1;
                    self.depth += 1;
                }
            }
            "endif" | "endfor" | "endblock" => self.depth -= self.open.pop().unwrap_or(0),
            _ => {}
        }
        if self.depth > NESTING_MAX {
            let message = format!(
                "its tags are nested more than {NESTING_MAX} deep, each elif counted as one"
            );
            return Err(Problem::new(line, message));
        }
        Ok(())
    }
}
