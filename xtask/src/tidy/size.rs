//! The sizes of files and functions, in lines of code: blank lines, comments and tests are free.

use proc_macro2::Span;
use syn::{
    Block, ImplItemFn, ItemFn, Signature, TraitItemFn,
    spanned::Spanned,
    visit::{self, Visit},
};

use super::{Finding, source::Source};

/// Lines of code in a file.
const FILE: usize = 500;

/// Lines of code in a function, from its `fn` to its last brace.
const FUNCTION: usize = 100;

/// Lines in a `lib.rs`, which is a map: comments count too.
const MAP: usize = 120;

/// Returns what in `source` is too big.
pub(super) fn check(source: &Source<'_>) -> Vec<Finding> {
    let path = source.path;
    let mut findings = Vec::new();
    let code: Vec<_> = source.code(1, source.n_lines()).collect();
    if let Some(&line) = code.get(FILE) {
        let message = format!(
            "{} lines of code in this file; {FILE} are allowed",
            code.len()
        );
        findings.push(Finding::new(path, line, message));
    }
    if path.ends_with("src/lib.rs") && MAP < source.n_lines() {
        let message = format!("{} lines in a lib.rs; {MAP} are allowed", source.n_lines());
        findings.push(Finding::new(path, MAP + 1, message));
    }
    let mut functions = Functions { source, findings };
    functions.visit_file(&source.file);
    functions.findings
}

struct Functions<'a> {
    source: &'a Source<'a>,
    findings: Vec<Finding>,
}

impl Functions<'_> {
    fn check(&mut self, signature: &Signature, block: &Block) {
        let first = signature.span().start().line;
        let close: Span = block.brace_token.span.close();
        let n_lines = self.source.code(first, close.end().line).count();
        if FUNCTION < n_lines {
            let name = &signature.ident;
            let message = format!("{n_lines} lines of code in `{name}`; {FUNCTION} are allowed");
            self.findings
                .push(Finding::new(self.source.path, first, message));
        }
    }
}

impl<'ast> Visit<'ast> for Functions<'_> {
    fn visit_item_fn(&mut self, function: &'ast ItemFn) {
        self.check(&function.sig, &function.block);
        visit::visit_item_fn(self, function);
    }

    fn visit_impl_item_fn(&mut self, function: &'ast ImplItemFn) {
        self.check(&function.sig, &function.block);
        visit::visit_impl_item_fn(self, function);
    }

    fn visit_trait_item_fn(&mut self, function: &'ast TraitItemFn) {
        if let Some(block) = &function.default {
            self.check(&function.sig, block);
        }
        visit::visit_trait_item_fn(self, function);
    }
}
