//! One `.rs` file, parsed: which of its lines are code, and which of those are tests.

use proc_macro2::{Delimiter, Span, TokenStream, TokenTree};
use syn::{
    Attribute, ImplItem, Item, Meta, Token,
    punctuated::Punctuated,
    spanned::Spanned,
    visit::{self, Visit},
};

use super::Finding;

/// A parsed `.rs` file.
pub(super) struct Source<'a> {
    /// From the root of the workspace.
    pub(super) path: &'a str,
    pub(super) text: &'a str,
    pub(super) tokens: TokenStream,
    pub(super) file: syn::File,
    lines: Vec<Line>,
}

/// What one line of a file holds.
#[derive(Clone, Copy, Default)]
struct Line {
    /// Something other than blanks and comments, those of the docs included.
    is_code: bool,
    /// A part of a test, or of what only tests use.
    is_test: bool,
}

/// Returns whether `path` is an input of UI tests, which is wrong on purpose.
pub(super) fn is_fixture(path: &str) -> bool {
    path.contains("/tests/ui/")
}

/// Returns a finding unless `text` opens with a sentence that says what the file is for.
pub(super) fn check_head(path: &str, text: &str) -> Option<Finding> {
    let first = text
        .lines()
        .find(|line| !line.trim().is_empty())
        .unwrap_or_default();
    let sentence = first.strip_prefix("//!").unwrap_or_default();
    let message = "a file opens with a `//!` sentence that says what it is for";
    sentence
        .trim()
        .is_empty()
        .then(|| Finding::new(path, 1, message))
}

impl<'a> Source<'a> {
    /// Parses `text`, the content of `path`.
    pub(super) fn parse(path: &'a str, text: &'a str) -> Result<Self, Finding> {
        let finding = |span: Span, error: &dyn std::fmt::Display| {
            Finding::new(path, span.start().line, format!("does not parse: {error}"))
        };
        let tokens: TokenStream = text
            .parse()
            .map_err(|error: proc_macro2::LexError| finding(error.span(), &error))?;
        let file: syn::File =
            syn::parse2(tokens.clone()).map_err(|error| finding(error.span(), &error))?;

        let texts: Vec<&str> = text.lines().collect();
        let mut lines = vec![Line::default(); texts.len()];
        mark_code(&tokens, &texts, &mut lines);
        if is_test_file(path) || only_in_tests(&file.attrs) {
            lines.iter_mut().for_each(|line| line.is_test = true);
        }
        let mut tests = TestItems { lines: &mut lines };
        tests.visit_file(&file);
        Ok(Self {
            path,
            text,
            tokens,
            file,
            lines,
        })
    }

    /// Returns the numbers of the lines between `first` and `last` that hold code which is no test.
    pub(super) fn code(&self, first: usize, last: usize) -> impl Iterator<Item = usize> {
        let lines = self.lines.iter().enumerate().take(last).skip(first - 1);
        lines
            .filter(|(_, line)| line.is_code && !line.is_test)
            .map(|(idx, _)| idx + 1)
    }

    /// Returns whether the line `number` is a part of a test.
    pub(super) fn is_test(&self, number: usize) -> bool {
        self.lines.get(number - 1).is_some_and(|line| line.is_test)
    }

    /// Returns how many lines there are, with blank ones and comments.
    pub(super) fn n_lines(&self) -> usize {
        self.lines.len()
    }
}

fn is_test_file(path: &str) -> bool {
    path.split('/')
        .any(|part| part == "tests" || part == "tests.rs")
}

/// Marks the lines on which a token stands that is no doc comment.
fn mark_code(tokens: &TokenStream, texts: &[&str], lines: &mut [Line]) {
    let mut mark = |span: Span| {
        for line in &mut lines[span.start().line - 1..span.end().line] {
            line.is_code = true;
        }
    };
    let mut groups = Vec::new();
    for token in tokens.clone() {
        match token {
            // A doc comment stands in the stream as the tokens of an attribute.
            token if is_comment(&token, texts) => {}
            TokenTree::Group(group) => {
                if group.delimiter() != Delimiter::None {
                    mark(group.span_open());
                    mark(group.span_close());
                }
                groups.push(group.stream());
            }
            token => mark(token.span()),
        }
    }
    groups
        .iter()
        .for_each(|group| mark_code(group, texts, lines));
}

/// Returns whether the text of `token` is that of a comment: it begins with `//` or `/*`.
fn is_comment(token: &TokenTree, texts: &[&str]) -> bool {
    let start = token.span().start();
    let mut text = texts[start.line - 1].chars().skip(start.column);
    text.next() == Some('/') && matches!(text.next(), Some('/' | '*'))
}

/// Marks the lines of the items that exist in tests only.
struct TestItems<'a> {
    lines: &'a mut [Line],
}

impl TestItems<'_> {
    fn mark(&mut self, span: Span) {
        for line in &mut self.lines[span.start().line - 1..span.end().line] {
            line.is_test = true;
        }
    }
}

impl<'ast> Visit<'ast> for TestItems<'_> {
    fn visit_item(&mut self, item: &'ast Item) {
        if only_in_tests(attributes(item)) {
            self.mark(item.span());
        } else {
            visit::visit_item(self, item);
        }
    }

    fn visit_impl_item(&mut self, item: &'ast ImplItem) {
        let attributes: &[Attribute] = match item {
            ImplItem::Const(item) => &item.attrs,
            ImplItem::Fn(item) => &item.attrs,
            ImplItem::Type(item) => &item.attrs,
            ImplItem::Macro(item) => &item.attrs,
            _ => &[],
        };
        if only_in_tests(attributes) {
            self.mark(item.span());
        } else {
            visit::visit_impl_item(self, item);
        }
    }
}

fn attributes(item: &Item) -> &[Attribute] {
    match item {
        Item::Const(item) => &item.attrs,
        Item::Enum(item) => &item.attrs,
        Item::ExternCrate(item) => &item.attrs,
        Item::Fn(item) => &item.attrs,
        Item::Impl(item) => &item.attrs,
        Item::Macro(item) => &item.attrs,
        Item::Mod(item) => &item.attrs,
        Item::Static(item) => &item.attrs,
        Item::Struct(item) => &item.attrs,
        Item::Trait(item) => &item.attrs,
        Item::Type(item) => &item.attrs,
        Item::Union(item) => &item.attrs,
        Item::Use(item) => &item.attrs,
        _ => &[],
    }
}

/// Returns whether one of `attributes` is `#[test]`, `#[some_runtime::test]` or a `#[cfg]` that
/// holds in tests only.
fn only_in_tests(attributes: &[Attribute]) -> bool {
    attributes.iter().any(|attribute| {
        let path = attribute.path();
        if path.is_ident("cfg") {
            return attribute
                .parse_args()
                .is_ok_and(|condition| needs_test(&condition));
        }
        path.segments
            .last()
            .is_some_and(|last| last.ident == "test")
    })
}

/// Returns whether the condition of a `#[cfg]` cannot hold without `test`.
fn needs_test(condition: &Meta) -> bool {
    match condition {
        Meta::Path(path) => path.is_ident("test"),
        Meta::List(list) if list.path.is_ident("all") => list
            .parse_args_with(Punctuated::<Meta, Token![,]>::parse_terminated)
            .is_ok_and(|all| all.iter().any(needs_test)),
        _ => false,
    }
}
