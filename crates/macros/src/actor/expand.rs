//! What `#[actor]` writes: the enum of messages, its dispatch, the table for decoding, and the impls.

use proc_macro2::{Ident, Span, TokenStream};
use quote::{format_ident, quote, quote_spanned};
use syn::spanned::Spanned;
use syn::visit_mut::VisitMut;
use syn::{Type, TypePath, parse_quote};

use super::parse::{Generated, Handler, Hook, Model};

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
    let generated = model
        .handlers
        .iter()
        .map(|handler| generated_message(model, handler, support));
    quote! {
        #(#generated)*

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

/// Returns the struct that the arguments of `handler` are the fields of, if one is to be made.
fn generated_message(
    model: &Model,
    handler: &Handler,
    support: &TokenStream,
) -> Option<TokenStream> {
    let Generated {
        ident,
        visibility,
        docs,
        fields,
    } = handler.generated.as_ref()?;
    let cfgs = &handler.cfgs;
    let message = (!is_local(model, handler)).then(|| quote!(#[derive(#support::Message)]));
    let derive = handler
        .options
        .derive
        .iter()
        .map(|derive| quote!(#[#derive]));
    let fields = fields.iter().map(|(name, ty)| {
        let mut ty = ty.clone();
        Unself(&model.self_ty).visit_type_mut(&mut ty);
        quote!(#visibility #name: #ty)
    });
    let fields = match fields.len() {
        0 => quote!(;),
        _ => quote!({ #(#[allow(missing_docs)] #fields),* }),
    };
    Some(quote! {
        #(#cfgs)*
        #(#docs)*
        #message
        #(#derive)*
        #visibility struct #ident #fields
    })
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
            let reply = quote_spanned! {returns_span(handler)=>
                __hm::ReplyTo<<#self_ty as __hm::Handler<#ty>>::Reply>
            };
            quote! {
                #(#cfgs)*
                #variant(#ty, #reply),
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
    let unused_number = model
        .is_generic()
        .then(|| quote!(#message::Unused(..) => 0,));
    let capacity = model.capacity.as_ref().map(|capacity| {
        quote! {
            const CAPACITY: ::core::option::Option<::core::primitive::usize> =
                ::core::option::Option::Some(#capacity);
        }
    });
    let names = model.handlers.iter().map(|handler| {
        let ty = &handler.message;
        let name = quote!(#ty).to_string().replace(' ', "");
        quote!(#name)
    });
    let handlers = model.handlers.iter().zip(variants).zip(1_u32..);
    let numbers = handlers.map(|((handler, variant), number)| {
        let cfgs = &handler.cfgs;
        quote! {
            #(#cfgs)*
            #message::#variant(..) => #number,
        }
    });
    let table = model
        .handlers
        .iter()
        .filter(|h| !is_local(model, h))
        .map(|handler| {
            let cfgs = &handler.cfgs;
            let ty = &handler.message;
            quote_spanned! {ty.span()=>
                #(#cfgs)*
                if incoming.is::<#ty>() {
                    return incoming.open::<Self, #ty>();
                }
            }
        });
    // The span makes errors about the future, such as one that is not `Send`, point at the impl.
    let dispatch = quote_spanned! {model.ident.span()=>
        async move {
            match message {
                #(#arms)*
                #unused
            }
        }
    };
    quote! {
        #[automatically_derived]
        impl #generics __hm::Actor for #self_ty #where_clause {
            type Msg = #message #arguments;
            #capacity
            const HANDLERS: &'static [&'static str] = &[#(#names),*];

            fn handler_of(message: &Self::Msg) -> ::core::primitive::u32 {
                match *message {
                    #(#numbers)*
                    #unused_number
                }
            }

            #(#hooks)*

            fn dispatch(
                &mut self,
                cx: &__hm::Cx<'_, Self>,
                message: Self::Msg,
            ) -> impl ::core::future::Future<
                Output = ::core::result::Result<(), __hm::Failure>,
            > + ::core::marker::Send {
                #dispatch
            }

            fn decode(incoming: __hm::Incoming<'_>) -> __hm::Opened<Self::Msg> {
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
    let message = match &handler.generated {
        None => quote!(, message),
        Some(generated) => {
            let names = generated.fields.iter().map(|(name, _)| name);
            quote!(#(, message.#names)*)
        }
    };
    let mut call = quote_spanned!(method.span()=> <#self_ty>::#method(self, cx #message #reply));
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
    // The span makes errors about the return type point at it.
    let span = handler
        .returns
        .as_ref()
        .map_or(method.span(), Spanned::span);
    // A handler that replies by hand takes the slot, and leaves on whose behalf it runs.
    match (handler.is_async, &handler.reply) {
        (true, None) => quote_spanned!(span=> __hm::answer(cx, reply, #policy, #call).await),
        (false, None) => {
            quote_spanned!(span=> __hm::answer_now(cx, reply, #policy, move || #call))
        }
        (true, Some(_)) => {
            quote_spanned!(span=> __hm::answer_by_hand(cx, reply.behalf(), #policy, #call).await)
        }
        (false, Some(_)) => {
            quote_spanned!(span=> __hm::answer_now_by_hand(cx, reply.behalf(), #policy, move || #call))
        }
    }
}

fn hook_method(model: &Model, hook: &Hook) -> TokenStream {
    let self_ty = &model.self_ty;
    let (cfgs, method) = (&hook.cfgs, &hook.method);
    let (extra, argument, output) = match hook.method.to_string().as_str() {
        "cleanup" => (quote!(, exit: &__hm::Exit), Some("exit"), quote!(())),
        "on_child" => (
            quote!(, event: &__hm::ChildEvent),
            Some("event"),
            quote!(__hm::Directive),
        ),
        "on_undeliverable" => (
            quote!(, undelivered: __hm::Undelivered),
            Some("undelivered"),
            quote!(()),
        ),
        "on_stop" => (
            quote!(, mode: __hm::Mode),
            Some("mode"),
            quote!(__hm::Departure),
        ),
        _ => (quote!(), None, quote!(())),
    };
    let argument = argument.map(|argument| Ident::new(argument, method.span()));
    let pass = argument.map(|argument| quote!(, #argument));
    let decides = (hook.method == "on_stop").then(|| {
        quote! {
            #(#cfgs)*
            const DECIDES_STOP: bool = true;
        }
    });
    let wait = hook.is_async.then(|| quote!(.await));
    let call = quote_spanned!(method.span()=> <#self_ty>::#method(self, cx #pass) #wait);
    quote! {
        #decides
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
        let reply = quote_spanned! {returns_span(handler)=>
            type Reply = <Self as __hm::Handler<#ty>>::Reply;
        };
        quote_spanned! {ty.span()=>
            #(#cfgs)*
            #[automatically_derived]
            impl __hm::Accepts<#ty> for #self_ty {
                #reply
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

/// Returns where errors about the reply of `handler` are to point.
fn returns_span(handler: &Handler) -> Span {
    let returns = handler.reply.as_ref().or(handler.returns.as_ref());
    returns.map_or_else(|| handler.method.span(), Spanned::span)
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
