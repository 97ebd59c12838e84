//! What a method with `#[handler]` says: its message, its reply and its options.

use proc_macro2::Ident;
use syn::parse::{Parse, ParseStream};
use syn::punctuated::Punctuated;
use syn::spanned::Spanned;
use syn::{
    Attribute, Error, Expr, ImplItemFn, Meta, MetaList, Pat, PatType, Result, ReturnType, Token,
    Type, Visibility,
};

use super::{arguments, attributes, check_signature, string};

/// One `#[handler]`.
pub(in crate::actor) struct Handler {
    pub(in crate::actor) cfgs: Vec<Attribute>,
    pub(in crate::actor) method: Ident,
    pub(in crate::actor) message: Type,
    /// The message that is to be made from the arguments, unless it exists.
    pub(in crate::actor) generated: Option<Generated>,
    pub(in crate::actor) returns: Option<Type>,
    /// The type of the third argument, for a handler that replies by hand.
    pub(in crate::actor) reply: Option<Type>,
    pub(in crate::actor) is_async: bool,
    pub(in crate::actor) options: HandlerOptions,
}

/// A message that is made from the arguments of its handler.
pub(in crate::actor) struct Generated {
    pub(in crate::actor) ident: Ident,
    pub(in crate::actor) visibility: Visibility,
    pub(in crate::actor) docs: Vec<Attribute>,
    pub(in crate::actor) fields: Vec<(Ident, Type)>,
}

/// What stands in the parentheses of `#[handler(..)]`.
#[derive(Default)]
pub(in crate::actor) struct HandlerOptions {
    /// The name of the message that is to be made.
    pub(in crate::actor) message: Option<Ident>,
    /// What is derived on it, besides that it is a message.
    pub(in crate::actor) derive: Option<MetaList>,
    /// An error answers the caller and the actor goes on.
    pub(in crate::actor) replies_errors: bool,
    /// The message cannot come from another process.
    pub(in crate::actor) local: bool,
}

/// Reads a method with the attribute `attribute`.
pub(super) fn parse_handler(method: &ImplItemFn, attribute: &Attribute) -> Result<Handler> {
    let options = match &attribute.meta {
        Meta::Path(_) => HandlerOptions::default(),
        Meta::List(list) => list.parse_args()?,
        Meta::NameValue(pair) => return Err(Error::new(pair.span(), "write `#[handler(..)]`")),
    };
    check_signature(method, "a handler")?;
    if let (None, Some(derive)) = (&options.message, &options.derive) {
        let text = "`derive` is for a message that is made here: `message = Name, derive(Clone)`";
        return Err(Error::new(derive.span(), text));
    }
    let Arguments {
        message,
        generated,
        reply,
    } = match &options.message {
        Some(ident) => made_arguments(method, ident)?,
        None => plain_arguments(method)?,
    };
    if let Some(reply) = reply.as_ref().filter(|_| options.replies_errors) {
        let text = "`on_error = \"reply\"` has nothing to reply to: this handler replies by hand";
        return Err(Error::new(reply.span(), text));
    }
    Ok(Handler {
        cfgs: attributes(method, "cfg"),
        method: method.sig.ident.clone(),
        message,
        generated,
        returns: match &method.sig.output {
            ReturnType::Default => None,
            ReturnType::Type(_, ty) => Some((**ty).clone()),
        },
        reply,
        is_async: method.sig.asyncness.is_some(),
        options,
    })
}

/// What the arguments of a handler say.
struct Arguments {
    message: Type,
    generated: Option<Generated>,
    reply: Option<Type>,
}

/// Reads a context, a message and perhaps a `ReplyTo`.
fn plain_arguments(method: &ImplItemFn) -> Result<Arguments> {
    let arguments: Vec<&Type> = arguments(method).map(|argument| &*argument.ty).collect();
    let (message, reply) = match arguments.as_slice() {
        [_, message] => (*message, None),
        [_, message, reply] => (*message, Some(*reply)),
        [] | [_] => {
            let text =
                "a handler takes a message: `fn add(&mut self, cx: &Cx<'_, Self>, add: Add)`";
            return Err(Error::new(method.sig.ident.span(), text));
        }
        [_, _, _, more, ..] => {
            let text = "a handler takes a context, a message, and if it replies by hand a \
                        `ReplyTo`; `#[handler(message = Name)]` makes one message of all arguments";
            return Err(Error::new(more.span(), text));
        }
    };
    by_value(message)?;
    Ok(Arguments {
        message: message.clone(),
        generated: None,
        reply: reply.cloned(),
    })
}

/// Reads a context, the fields of the message `ident`, and perhaps a `ReplyTo`.
fn made_arguments(method: &ImplItemFn, ident: &Ident) -> Result<Arguments> {
    let mut arguments = arguments(method);
    if arguments.next().is_none() {
        let text = "a handler takes a context: `fn add(&mut self, cx: &Cx<'_, Self>, n: u64)`";
        return Err(Error::new(method.sig.ident.span(), text));
    }
    let mut arguments: Vec<&PatType> = arguments.collect();
    let reply = arguments.pop_if(|last| is_reply_to(&last.ty));
    let mut fields = Vec::new();
    for argument in arguments {
        by_value(&argument.ty)?;
        match &*argument.pat {
            Pat::Ident(name) if name.subpat.is_none() && name.by_ref.is_none() => {
                fields.push((name.ident.clone(), (*argument.ty).clone()));
            }
            other => {
                let text = "this argument is a field of the message: it needs a name";
                return Err(Error::new(other.span(), text));
            }
        }
    }
    Ok(Arguments {
        message: syn::parse_quote!(#ident),
        generated: Some(Generated {
            ident: ident.clone(),
            visibility: method.vis.clone(),
            docs: attributes(method, "doc"),
            fields,
        }),
        reply: reply.map(|reply| (*reply.ty).clone()),
    })
}

fn by_value(message: &Type) -> Result<()> {
    match message {
        Type::Reference(_) => Err(Error::new(
            message.span(),
            "a message is passed by value, not by reference",
        )),
        _ => Ok(()),
    }
}

fn is_reply_to(ty: &Type) -> bool {
    let Type::Path(path) = ty else {
        return false;
    };
    let last = path.path.segments.last();
    last.is_some_and(|segment| segment.ident == "ReplyTo")
}

impl Parse for HandlerOptions {
    fn parse(input: ParseStream<'_>) -> Result<Self> {
        let mut options = Self::default();
        for meta in Punctuated::<Meta, Token![,]>::parse_terminated(input)? {
            match &meta {
                Meta::Path(path) if path.is_ident("local") => options.local = true,
                Meta::List(list) if list.path.is_ident("derive") => {
                    options.derive = Some(list.clone());
                }
                Meta::NameValue(pair) if pair.path.is_ident("message") => {
                    let name = match &pair.value {
                        Expr::Path(path) => path.path.get_ident(),
                        _ => None,
                    };
                    let Some(name) = name else {
                        let text = "the name of a struct is expected, like `message = Deposit`";
                        return Err(Error::new(pair.value.span(), text));
                    };
                    options.message = Some(name.clone());
                }
                Meta::NameValue(pair) if pair.path.is_ident("on_error") => {
                    let text = string(pair)?;
                    options.replies_errors = match text.value().as_str() {
                        "reply" => true,
                        "fail" => false,
                        _ => {
                            let text = "`on_error` is \"reply\" or \"fail\"";
                            return Err(Error::new(pair.value.span(), text));
                        }
                    };
                }
                other => {
                    let text = "unknown option of `#[handler]`; there are `local`, \
                                `message = Name`, `derive(..)` and `on_error = \"reply\"`";
                    return Err(Error::new(other.span(), text));
                }
            }
        }
        Ok(options)
    }
}
