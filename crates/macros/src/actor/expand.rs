//! What `#[actor]` writes: the enum of messages, its dispatch, the table for decoding, and the impls.

use proc_macro2::{Ident, TokenStream};
use quote::{format_ident, quote, quote_spanned};
use syn::spanned::Spanned;
use syn::visit_mut::VisitMut;
use syn::{Type, TypePath, parse_quote};

use super::parse::{Handler, Hook, Model};

/// Returns the items beside the impl. `support` is the path of the crate's `macro_support`.
pub(super) fn expand(model: &Model, support: &TokenStream) -> TokenStream {
    let variants: Vec<Ident> = (0..model.handlers.len())
        .map(|idx| format_ident!("H{idx}"))
        .collect();
    let message = format_ident!("{}Message", model.ident);
    let message_enum = message_enum(model, &message, &variants);
    let actor = actor_impl(model, &message, &variants);
    let handlers = model
        .handlers
        .iter()
        .zip(&variants)
        .map(|(h, v)| handler_impls(model, h, &message, v));
    let named = if model.is_generic() {
        TokenStream::new()
    } else {
        named_impls(model)
    };
    quote! {
        #[allow(
            clippy::all,
            missing_docs,
            non_camel_case_types,
            private_bounds,
            private_interfaces,
            unreachable_pub,
            unused_qualifications,
            unused_variables
        )]
        const _: () = {
            use #support as __hm;

            #message_enum
            #actor
            #(#handlers)*
            #named
        };
    }
}

fn message_enum(model: &Model, message: &Ident, variants: &[Ident]) -> TokenStream {
    let self_ty = &model.self_ty;
    let (generics, _, where_clause) = model.generics.split_for_impl();
    let fields = model
        .handlers
        .iter()
        .zip(variants)
        .map(|(handler, variant)| {
            let cfgs = &handler.cfgs;
            let ty = message_type(model, handler);
            quote! {
                #(#cfgs)*
                #variant(#ty, __hm::ReplyTo<<#self_ty as __hm::Handler<#ty>>::Reply>),
            }
        });
    // Uses every parameter of the type, which an enum must.
    let params = model.generics.type_params().map(|param| &param.ident);
    let unused = model.is_generic().then(|| {
        quote!(Unused(::core::convert::Infallible, ::core::marker::PhantomData<fn() -> (#(#params,)*)>),)
    });
    let header = if model.is_generic() {
        let definition = &model.generics;
        quote!(pub enum #message #definition #where_clause)
    } else {
        _ = generics;
        quote!(pub enum #message)
    };
    quote! {
        #header {
            #(#fields)*
            #unused
        }
    }
}

fn actor_impl(model: &Model, message: &Ident, variants: &[Ident]) -> TokenStream {
    let self_ty = &model.self_ty;
    let (generics, arguments, where_clause) = model.generics.split_for_impl();
    let hooks = model.hooks.iter().map(|hook| hook_method(model, hook));
    let arms = model
        .handlers
        .iter()
        .zip(variants)
        .map(|(handler, variant)| {
            let cfgs = &handler.cfgs;
            let call = dispatch_call(model, handler);
            quote! {
                #(#cfgs)*
                #message::#variant(message, reply) => #call,
            }
        });
    let unused = model
        .is_generic()
        .then(|| quote!(#message::Unused(never, _) => match never {},));
    let table = model
        .handlers
        .iter()
        .filter(|h| !is_local(model, h))
        .map(|handler| {
            let cfgs = &handler.cfgs;
            let ty = &handler.message;
            quote_spanned! {ty.span()=>
                #(#cfgs)*
                if key == <#ty as __hm::Named>::KEY {
                    return incoming.open::<Self, #ty>();
                }
            }
        });
    quote! {
        #[automatically_derived]
        impl #generics __hm::Actor for #self_ty #where_clause {
            type Msg = #message #arguments;

            #(#hooks)*

            fn dispatch(
                &mut self,
                cx: &__hm::Cx<'_, Self>,
                message: Self::Msg,
            ) -> impl ::core::future::Future<
                Output = ::core::result::Result<(), __hm::Failure>,
            > + ::core::marker::Send {
                async move {
                    match message {
                        #(#arms)*
                        #unused
                    }
                }
            }

            fn decode(incoming: __hm::Incoming<'_>) -> __hm::Opened<Self::Msg> {
                let key = incoming.key();
                #(#table)*
                incoming.unknown()
            }
        }
    }
}

fn dispatch_call(model: &Model, handler: &Handler) -> TokenStream {
    let self_ty = &model.self_ty;
    let method = &handler.method;
    let reply = handler.reply.as_ref().map(|_| quote!(, reply));
    let mut call = quote_spanned!(method.span()=> <#self_ty>::#method(self, cx, message #reply));
    if handler.returns.is_none() {
        call = match handler.is_async {
            true => quote!(async { #call.await; __hm::done() }),
            false => quote!({ #call; __hm::done() }),
        };
    }
    let policy = match handler.options.replies_errors {
        true => quote!(__hm::OnError::Reply),
        false => quote!(__hm::OnError::Fail),
    };
    let slot = match handler.reply {
        None => quote!(reply),
        Some(_) => quote!(__hm::ReplyTo::nobody()),
    };
    match handler.is_async {
        true => quote!(__hm::answer(cx, #slot, #policy, #call).await),
        false => quote!(__hm::answer_now(cx, #slot, #policy, move || #call)),
    }
}

fn hook_method(model: &Model, hook: &Hook) -> TokenStream {
    let self_ty = &model.self_ty;
    let (cfgs, method) = (&hook.cfgs, &hook.method);
    let (extra, pass, output) = match hook.method.to_string().as_str() {
        "cleanup" => (quote!(, exit: &__hm::Exit), quote!(, exit), quote!(())),
        "on_child" => (
            quote!(, event: &__hm::ChildEvent),
            quote!(, event),
            quote!(__hm::Directive),
        ),
        "on_undeliverable" => (
            quote!(, undelivered: __hm::Undelivered),
            quote!(, undelivered),
            quote!(()),
        ),
        _ => (quote!(), quote!(), quote!(())),
    };
    let wait = hook.is_async.then(|| quote!(.await));
    let call = quote_spanned!(method.span()=> <#self_ty>::#method(self, cx #pass) #wait);
    quote! {
        #(#cfgs)*
        async fn #method(
            &mut self,
            cx: &__hm::Cx<'_, Self> #extra
        ) -> ::core::result::Result<#output, __hm::Error> {
            __hm::HandlerReturn::into_result(#call)
        }
    }
}

fn handler_impls(
    model: &Model,
    handler: &Handler,
    message: &Ident,
    variant: &Ident,
) -> TokenStream {
    let self_ty = &model.self_ty;
    let (generics, _, where_clause) = model.generics.split_for_impl();
    let cfgs = &handler.cfgs;
    let ty = &handler.message;
    let reply = match (&handler.reply, &handler.returns) {
        (Some(reply), _) => {
            quote_spanned!(reply.span()=> <#reply as __hm::ReplySlot>::Reply)
        }
        (None, Some(returns)) => {
            quote_spanned!(returns.span()=> <#returns as __hm::HandlerReturn>::Reply)
        }
        (None, None) => quote!(()),
    };
    let accepts = (!is_local(model, handler)).then(|| {
        quote_spanned! {ty.span()=>
            #(#cfgs)*
            #[automatically_derived]
            impl __hm::Accepts<#ty> for #self_ty {
                type Reply = <Self as __hm::Handler<#ty>>::Reply;
            }
        }
    });
    // The span makes errors about the message, such as one that is not `Send`, point at the user.
    let check = quote_spanned!(ty.span()=> __hm::assert_sendable::<#ty>(););
    quote! {
        #(#cfgs)*
        #[automatically_derived]
        impl #generics __hm::Handler<#ty> for #self_ty #where_clause {
            type Reply = #reply;

            fn wrap(message: #ty, reply: __hm::ReplyTo<Self::Reply>) -> Self::Msg {
                #check
                #message::#variant(message, reply)
            }

            fn unwrap(
                message: Self::Msg,
            ) -> ::core::option::Option<(#ty, __hm::ReplyTo<Self::Reply>)> {
                #[allow(unreachable_patterns)]
                match message {
                    #message::#variant(message, reply) => {
                        ::core::option::Option::Some((message, reply))
                    }
                    _ => ::core::option::Option::None,
                }
            }
        }

        #accepts
    }
}

fn named_impls(model: &Model) -> TokenStream {
    let (self_ty, ident) = (&model.self_ty, &model.ident);
    let name = quote!(::core::concat!(
        ::core::module_path!(),
        "::",
        ::core::stringify!(#ident)
    ));
    let spawn = model.spawn.as_ref().map(|spawn| {
        let entry = quote_spanned! {spawn.span()=>
            __hm::SpawnEntry::of::<#self_ty>(#spawn, ::core::module_path!(), ::core::line!())
        };
        quote!(__hm::inventory::submit! { #entry })
    });
    quote! {
        #[automatically_derived]
        impl __hm::Named for #self_ty {
            const KEY: __hm::TypeKey = __hm::TypeKey::of(#name);

            fn name() -> __hm::Cow<'static, str> {
                __hm::Cow::Borrowed(#name)
            }
        }

        #[automatically_derived]
        impl __hm::Referable for #self_ty {}

        __hm::inventory::submit! {
            __hm::Registration {
                key: <#self_ty as __hm::Named>::KEY,
                name: #name,
                module: ::core::module_path!(),
                line: ::core::line!(),
            }
        }

        #spawn
    }
}

/// Tells whether the message of `handler` never comes from another process.
fn is_local(model: &Model, handler: &Handler) -> bool {
    handler.options.local || model.is_generic()
}

/// Returns the type of the message for use outside of the impl, where `Self` means something else.
fn message_type(model: &Model, handler: &Handler) -> Type {
    let mut ty = handler.message.clone();
    Unself(&model.self_ty).visit_type_mut(&mut ty);
    ty
}

/// Replaces `Self` by the type it stands for.
struct Unself<'a>(&'a Type);

impl VisitMut for Unself<'_> {
    fn visit_type_mut(&mut self, ty: &mut Type) {
        syn::visit_mut::visit_type_mut(self, ty);
        let Type::Path(TypePath { qself: None, path }) = ty else {
            return;
        };
        if path
            .segments
            .first()
            .is_none_or(|segment| segment.ident != "Self")
        {
            return;
        }
        let self_ty = self.0;
        let rest: Vec<_> = path.segments.iter().skip(1).collect();
        *ty = match rest.is_empty() {
            true => parse_quote!(#self_ty),
            false => parse_quote!(<#self_ty>::#(#rest)::*),
        };
    }
}
