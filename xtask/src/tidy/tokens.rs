//! What may not stand in the code: unfinished code, tests switched off, tests that sleep.
//!
//! The rules look at tokens, so a string or a comment may say what it likes.

use proc_macro2::{Delimiter, Group, TokenStream, TokenTree};

use super::{Finding, source::Source};

/// The comment, on the same line or the one above, with which a test may sleep; a reason follows.
const EXCUSE: &str = "// tidy: sleeps because ";

/// Returns the forbidden tokens of `source`.
pub(super) fn check(source: &Source<'_>) -> Vec<Finding> {
    let mut findings = Vec::new();
    check_stream(source, source.tokens.clone(), &mut findings);
    findings
}

fn check_stream(source: &Source<'_>, stream: TokenStream, findings: &mut Vec<Finding>) {
    let tokens: Vec<TokenTree> = stream.into_iter().collect();
    for (idx, token) in tokens.iter().enumerate() {
        let line = token.span().start().line;
        let (before, after) = (&tokens[..idx], &tokens[idx + 1..]);
        let message = match token {
            TokenTree::Ident(ident) if ident == "todo" || ident == "unimplemented" => {
                is_macro_call(after).then(|| format!("`{ident}!` is unfinished code"))
            }
            TokenTree::Ident(ident) if ident == "sleep" || ident == "sleep_until" => {
                let is_test = source.is_test(line) && !is_excused(source, line);
                (is_test && is_sleep(before, after))
                    .then(|| "a test may not sleep: pause the clock or await the event".to_owned())
            }
            TokenTree::Group(group) => {
                if ends_in(before, '#') && switches_off(group) {
                    findings.push(Finding::new(
                        source.path,
                        line,
                        "`#[ignore]` switches a test off; repair it or remove it",
                    ));
                }
                check_stream(source, group.stream(), findings);
                None
            }
            _ => None,
        };
        findings.extend(message.map(|message| Finding::new(source.path, line, message)));
    }
}

/// Returns whether `!(…)` follows, in any brackets; `!=` is a comparison.
fn is_macro_call(after: &[TokenTree]) -> bool {
    matches!(after, [TokenTree::Punct(mark), TokenTree::Group(_), ..] if mark.as_char() == '!')
}

/// Returns whether `sleep` between `before` and `after` is the function of a thread or of a
/// runtime: one that is called or imported, but no method and no definition.
fn is_sleep(before: &[TokenTree], after: &[TokenTree]) -> bool {
    let is_path = match before {
        [
            ..,
            TokenTree::Ident(module),
            TokenTree::Punct(one),
            TokenTree::Punct(two),
        ] => {
            (module == "thread" || module == "time") && [one, two].map(|p| p.as_char()) == [':'; 2]
        }
        _ => false,
    };
    let is_call = matches!(
        after,
        [TokenTree::Group(arguments), ..] if arguments.delimiter() == Delimiter::Parenthesis
    );
    let is_definition = matches!(before, [.., TokenTree::Ident(word)] if word == "fn");
    is_path || (is_call && !is_definition && !ends_in(before, '.'))
}

/// Returns whether the attribute is `ignore`, or a `cfg_attr` that gives it.
fn switches_off(attribute: &Group) -> bool {
    if attribute.delimiter() != Delimiter::Bracket {
        return false;
    }
    let tokens: Vec<TokenTree> = attribute.stream().into_iter().collect();
    match tokens.as_slice() {
        [TokenTree::Ident(name), ..] if name == "ignore" => true,
        [TokenTree::Ident(name), TokenTree::Group(arguments)] if name == "cfg_attr" => arguments
            .stream()
            .into_iter()
            .skip_while(|token| !matches!(token, TokenTree::Punct(comma) if comma.as_char() == ','))
            .any(|token| matches!(token, TokenTree::Ident(name) if name == "ignore")),
        _ => false,
    }
}

fn ends_in(tokens: &[TokenTree], mark: char) -> bool {
    matches!(tokens.last(), Some(TokenTree::Punct(punct)) if punct.as_char() == mark)
}

/// Returns whether a comment at `line` says why the test sleeps.
fn is_excused(source: &Source<'_>, line: usize) -> bool {
    let mut lines = source.text.lines().skip(line.saturating_sub(2)).take(2);
    lines.any(|line| {
        line.split_once(EXCUSE)
            .is_some_and(|(_, reason)| !reason.trim().is_empty())
    })
}
