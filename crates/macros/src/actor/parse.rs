//! What `#[actor]` reads: the handlers and hooks of an impl, checked, or the mistakes in it.

mod handler;

use proc_macro2::{Ident, TokenStream};
use quote::ToTokens;
use syn::parse::Parser;
use syn::punctuated::Punctuated;
use syn::spanned::Spanned;
use syn::{
    Attribute, Error, Expr, ExprLit, FnArg, Generics, ImplItem, ImplItemFn, ItemImpl, Lit, LitStr,
    Meta, MetaNameValue, PatType, Result, Token, Type,
};

use self::handler::parse_handler;
pub(super) use self::handler::{Generated, Handler};

/// The hooks that an actor may have, and the number of their arguments after `&mut self`.
const HOOKS: [(&str, usize); 5] = [
    ("init", 1),
    ("cleanup", 2),
    ("on_child", 2),
    ("on_undeliverable", 2),
    ("on_stop", 2),
];

/// An impl whose attributes for us are taken out, and what they said.
pub(super) struct Parsed {
    pub(super) item: ItemImpl,
    /// What is right about it, unless nothing can be made of it.
    pub(super) model: Option<Model>,
    /// What is wrong about it.
    pub(super) errors: Option<Error>,
}

/// An actor.
pub(super) struct Model {
    pub(super) self_ty: Type,
    pub(super) ident: Ident,
    pub(super) generics: Generics,
    pub(super) spawn: Option<LitStr>,
    pub(super) capacity: Option<Expr>,
    pub(super) handlers: Vec<Handler>,
    pub(super) hooks: Vec<Hook>,
}

impl Model {
    /// Tells whether the actor's type has parameters: it has no single name then, and only local
    /// handlers.
    pub(super) fn is_generic(&self) -> bool {
        !self.generics.params.is_empty()
    }
}

/// One `#[hook]`.
pub(super) struct Hook {
    pub(super) cfgs: Vec<Attribute>,
    pub(super) method: Ident,
    pub(super) is_async: bool,
}

/// Reads the attribute. An `Err` means that it does not stand on an impl at all.
pub(super) fn parse(args: TokenStream, item: TokenStream) -> Result<Parsed> {
    let mut item: ItemImpl = syn::parse2(item).map_err(|error| {
        let advice = "`#[actor]` goes on an inherent impl: `#[actor] impl Counter { .. }`";
        Error::new(error.span(), advice)
    })?;
    let mut errors = Errors::default();
    let ActorOptions { spawn, capacity } = errors.keep(parse_args(args)).unwrap_or_default();
    if let Some((_, trait_path, _)) = &item.trait_ {
        errors.push(
            trait_path,
            "`#[actor]` goes on an inherent impl, not on the impl of a trait",
        );
    }
    let ident = match &*item.self_ty {
        Type::Path(path) => path
            .path
            .segments
            .last()
            .map(|segment| segment.ident.clone()),
        _ => None,
    };
    if ident.is_none() {
        errors.push(&item.self_ty, "`#[actor]` needs a type with a name");
    }
    if let Some(lifetime) = item.generics.lifetimes().next() {
        errors.push(
            lifetime,
            "an actor lives as long as it likes: it cannot borrow",
        );
    }
    if let Some(spawn) = spawn.as_ref().filter(|_| !item.generics.params.is_empty()) {
        errors.push(
            spawn,
            "a generic actor cannot be spawned by name: it has no single type",
        );
    }
    let (handlers, hooks) = parse_methods(&mut item, &mut errors);
    if !item.generics.params.is_empty() {
        for generated in handlers.iter().filter_map(|h| h.generated.as_ref()) {
            errors.push(
                &generated.ident,
                "the messages of a generic actor are not made by the macro: declare a struct",
            );
        }
    }
    let can_be_actor = item.trait_.is_none() && item.generics.lifetimes().next().is_none();
    let ident = ident.filter(|_| can_be_actor);
    let model = ident.map(|ident| Model {
        self_ty: (*item.self_ty).clone(),
        ident,
        generics: item.generics.clone(),
        spawn,
        capacity,
        handlers,
        hooks,
    });
    Ok(Parsed {
        item,
        model,
        errors: errors.0,
    })
}

/// What stands in the parentheses of `#[actor(..)]`.
#[derive(Default)]
struct ActorOptions {
    /// The name to spawn by.
    spawn: Option<LitStr>,
    /// How many messages may wait.
    capacity: Option<Expr>,
}

fn parse_args(args: TokenStream) -> Result<ActorOptions> {
    let mut options = ActorOptions::default();
    for meta in Punctuated::<Meta, Token![,]>::parse_terminated.parse2(args)? {
        match meta {
            Meta::NameValue(pair) if pair.path.is_ident("spawn") => {
                let name = string(&pair)?;
                if name.value().is_empty() {
                    return Err(Error::new(name.span(), "the name to spawn by is empty"));
                }
                if options.spawn.replace(name).is_some() {
                    return Err(Error::new(pair.span(), "`spawn` is given twice"));
                }
            }
            Meta::NameValue(pair) if pair.path.is_ident("capacity") => {
                let span = pair.span();
                if options.capacity.replace(pair.value).is_some() {
                    return Err(Error::new(span, "`capacity` is given twice"));
                }
            }
            other => {
                let text = "unknown option of `#[actor]`; there are `spawn = \"name\"` and `capacity = 100`";
                return Err(Error::new(other.span(), text));
            }
        }
    }
    Ok(options)
}

fn parse_methods(item: &mut ItemImpl, errors: &mut Errors) -> (Vec<Handler>, Vec<Hook>) {
    let mut handlers: Vec<Handler> = Vec::new();
    let mut hooks: Vec<Hook> = Vec::new();
    for member in &mut item.items {
        let ImplItem::Fn(method) = member else {
            continue;
        };
        let is_hook = take_attribute(method, "hook");
        let is_handler = take_attribute(method, "handler");
        match (is_handler, is_hook) {
            (None, None) => {}
            (Some(_), Some(hook)) => {
                errors.push(hook, "a method is a handler or a hook, not both");
            }
            (Some(attribute), None) => {
                let Some(handler) = errors.keep(parse_handler(method, &attribute)) else {
                    continue;
                };
                let text = handler.message.to_token_stream().to_string();
                let twin = |other: &&Handler| {
                    other.message.to_token_stream().to_string() == text
                        && other.cfgs.is_empty()
                        && handler.cfgs.is_empty()
                };
                if let Some(other) = handlers.iter().find(twin) {
                    let text = format!("`{}` handles this message already", other.method);
                    errors.push(&handler.message, &text);
                    continue;
                }
                handlers.push(handler);
            }
            (None, Some(attribute)) => {
                let Some(hook) = errors.keep(parse_hook(method, &attribute)) else {
                    continue;
                };
                hooks.push(hook);
            }
        }
    }
    (handlers, hooks)
}

fn parse_hook(method: &ImplItemFn, attribute: &Attribute) -> Result<Hook> {
    if !matches!(attribute.meta, Meta::Path(_)) {
        return Err(Error::new(attribute.span(), "`#[hook]` takes no options"));
    }
    let name = method.sig.ident.to_string();
    let Some((_, expected)) = HOOKS.iter().find(|(hook, _)| *hook == name) else {
        let names: Vec<String> = HOOKS.iter().map(|(hook, _)| format!("`{hook}`")).collect();
        let text = format!("there is no hook `{name}`; hooks are {}", names.join(", "));
        return Err(Error::new(method.sig.ident.span(), text));
    };
    check_signature(method, "a hook")?;
    let found = arguments(method).count();
    if found != *expected {
        let text = format!("`{name}` takes {expected} arguments after `&mut self`, not {found}");
        return Err(Error::new(method.sig.ident.span(), text));
    }
    Ok(Hook {
        cfgs: attributes(method, "cfg"),
        method: method.sig.ident.clone(),
        is_async: method.sig.asyncness.is_some(),
    })
}

/// Checks what holds for handlers and hooks alike.
fn check_signature(method: &ImplItemFn, what: &str) -> Result<()> {
    let sig = &method.sig;
    let receiver_ok = sig.receiver().is_some_and(|receiver| {
        receiver
            .reference
            .as_ref()
            .is_some_and(|(_, lifetime)| lifetime.is_none())
            && receiver.colon_token.is_none()
    });
    if !receiver_ok {
        let span = sig
            .receiver()
            .map_or_else(|| sig.ident.span(), Spanned::span);
        return Err(Error::new(
            span,
            format!("{what} takes `&mut self` or `&self`"),
        ));
    }
    if !sig.generics.params.is_empty() {
        return Err(Error::new(
            sig.generics.span(),
            format!("{what} cannot be generic"),
        ));
    }
    if let Some(unsafety) = &sig.unsafety {
        return Err(Error::new(
            unsafety.span(),
            format!("{what} cannot be unsafe"),
        ));
    }
    Ok(())
}

fn arguments(method: &ImplItemFn) -> impl Iterator<Item = &PatType> {
    let inputs = method.sig.inputs.iter();
    inputs.filter_map(|argument| match argument {
        FnArg::Typed(typed) => Some(typed),
        FnArg::Receiver(_) => None,
    })
}

fn take_attribute(method: &mut ImplItemFn, name: &str) -> Option<Attribute> {
    let idx = method
        .attrs
        .iter()
        .position(|attribute| attribute.path().is_ident(name))?;
    Some(method.attrs.remove(idx))
}

fn attributes(method: &ImplItemFn, name: &str) -> Vec<Attribute> {
    let attributes = method.attrs.iter();
    attributes
        .filter(|attribute| attribute.path().is_ident(name))
        .cloned()
        .collect()
}

fn string(pair: &MetaNameValue) -> Result<LitStr> {
    match &pair.value {
        Expr::Lit(ExprLit {
            lit: Lit::Str(text),
            ..
        }) => Ok(text.clone()),
        other => Err(Error::new(other.span(), "a string literal is expected")),
    }
}

/// Collects mistakes, so that all are reported at once.
#[derive(Default)]
struct Errors(Option<Error>);

impl Errors {
    fn push(&mut self, at: impl ToTokens, text: &str) {
        self.add(Error::new_spanned(at, text));
    }

    fn keep<T>(&mut self, result: Result<T>) -> Option<T> {
        result.map_err(|error| self.add(error)).ok()
    }

    fn add(&mut self, error: Error) {
        match &mut self.0 {
            Some(errors) => errors.combine(error),
            None => self.0 = Some(error),
        }
    }
}

#[cfg(test)]
mod tests;
