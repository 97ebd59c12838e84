//! `protocol!`: interfaces that several types of actors implement.

use proc_macro2::{Ident, TokenStream};
use quote::{ToTokens, quote, quote_spanned};
use syn::parse::{Parse, ParseStream};
use syn::punctuated::Punctuated;
use syn::spanned::Spanned;
use syn::{Attribute, Error, Result, Token, Type, Visibility, braced};

use crate::paths;

/// What a declaration looks like, for those who get it wrong.
const FORM: &str = "write `pub protocol Store { Put, Get -> Option<u64> }`";

/// Expands `protocol! { input }`.
pub(crate) fn expand(input: TokenStream) -> Result<TokenStream> {
    let Protocols(protocols) = syn::parse2(input)?;
    let support = paths::actor_support()?;
    let expanded = protocols.iter().map(|protocol| protocol.expand(&support));
    Ok(expanded.collect())
}

/// What stands in the braces of the macro.
struct Protocols(Vec<Protocol>);

impl Parse for Protocols {
    fn parse(input: ParseStream<'_>) -> Result<Self> {
        if input.is_empty() {
            return Err(Error::new(input.span(), FORM));
        }
        let mut protocols = Vec::new();
        while !input.is_empty() {
            protocols.push(input.parse()?);
        }
        Ok(Self(protocols))
    }
}

/// One declaration.
struct Protocol {
    attrs: Vec<Attribute>,
    visibility: Visibility,
    ident: Ident,
    messages: Vec<Message>,
}

/// One line of a declaration.
struct Message {
    attrs: Vec<Attribute>,
    message: Type,
    /// `()` if nothing is said.
    reply: Option<Type>,
}

impl Parse for Protocol {
    fn parse(input: ParseStream<'_>) -> Result<Self> {
        let attrs = input.call(Attribute::parse_outer)?;
        let visibility = input.parse()?;
        let keyword = input.span();
        match input.parse::<Ident>() {
            Ok(keyword) if keyword == "protocol" => {}
            _ => return Err(Error::new(keyword, FORM)),
        }
        let ident: Ident = input.parse()?;
        if let Some(generics) = input.peek(Token![<]).then(|| input.span()) {
            return Err(Error::new(
                generics,
                "a protocol has no parameters: refs need a type with one name",
            ));
        }
        let body;
        braced!(body in input);
        let messages: Vec<Message> = Punctuated::<_, Token![,]>::parse_terminated(&body)?
            .into_iter()
            .collect();
        check(&ident, &messages)?;
        Ok(Self {
            attrs,
            visibility,
            ident,
            messages,
        })
    }
}

impl Parse for Message {
    fn parse(input: ParseStream<'_>) -> Result<Self> {
        let attrs = input.call(Attribute::parse_outer)?;
        if let Some(other) = attrs.iter().find(|attr| !attr.path().is_ident("doc")) {
            let text = "a message of a protocol has no attributes but its doc";
            return Err(Error::new_spanned(other, text));
        }
        let message = input.parse()?;
        let reply = match input.parse::<Option<Token![->]>>()? {
            Some(_) => Some(input.parse()?),
            None => None,
        };
        Ok(Self {
            attrs,
            message,
            reply,
        })
    }
}

/// Refuses a protocol without messages, and messages that nobody can send.
fn check(ident: &Ident, messages: &[Message]) -> Result<()> {
    if messages.is_empty() {
        return Err(Error::new_spanned(ident, "a protocol has messages"));
    }
    let mut texts = Vec::new();
    for message in messages {
        if let Type::Reference(_) = message.message {
            let text = "a message is passed by value, not by reference";
            return Err(Error::new_spanned(&message.message, text));
        }
        let text = message.message.to_token_stream().to_string();
        if texts.contains(&text) {
            let text = format!("`{text}` is in this protocol already");
            return Err(Error::new_spanned(&message.message, text));
        }
        texts.push(text);
    }
    Ok(())
}

impl Message {
    fn reply(&self) -> TokenStream {
        self.reply
            .as_ref()
            .map_or_else(|| quote!(()), ToTokens::to_token_stream)
    }

    /// Returns the line for the doc of the protocol.
    fn doc(&self) -> TokenStream {
        let message = text(&self.message);
        let reply = self.reply.as_ref().map(text);
        let line = match reply {
            Some(reply) => format!("* `{message}`, answered by `{reply}`"),
            None => format!("* `{message}`"),
        };
        let own = &self.attrs;
        quote!(#[doc = #line] #(#own)*)
    }

    /// Says that whoever has a ref of the protocol may send the message.
    fn accepts(&self, protocol: &Ident) -> TokenStream {
        let (message, reply) = (&self.message, self.reply());
        quote_spanned! {message.span()=>
            #[automatically_derived]
            impl __hm::Accepts<#message> for #protocol {
                type Reply = #reply;
            }
        }
    }

    /// Says what an actor of the protocol must do.
    fn bound(&self) -> TokenStream {
        let (message, reply) = (&self.message, self.reply());
        quote_spanned!(message.span()=> __hm::Accepts<#message, Reply = #reply>)
    }
}

impl Protocol {
    fn expand(&self, support: &TokenStream) -> TokenStream {
        let Self {
            attrs,
            visibility,
            ident,
            messages,
        } = self;
        let docs = messages.iter().map(Message::doc);
        let accepts = messages.iter().map(|message| message.accepts(ident));
        let bounds = messages.iter().map(Message::bound);
        let name = quote!(::core::concat!(
            ::core::module_path!(),
            "::",
            ::core::stringify!(#ident)
        ));
        quote! {
            #(#attrs)*
            #[doc = ""]
            #[doc = "Messages:"]
            #[doc = ""]
            #(#docs)*
            #[derive(::core::fmt::Debug)]
            #visibility enum #ident {}

            const _: () = {
                use #support as __hm;

                #[automatically_derived]
                impl __hm::Named for #ident {
                    const KEY: __hm::TypeKey = __hm::TypeKey::of(#name);

                    fn name() -> __hm::Cow<'static, str> {
                        __hm::Cow::Borrowed(#name)
                    }
                }

                __hm::inventory::submit! {
                    __hm::Registration {
                        key: <#ident as __hm::Named>::KEY,
                        name: #name,
                        module: ::core::module_path!(),
                        line: ::core::line!(),
                    }
                }

                #[automatically_derived]
                impl __hm::Referable for #ident {}

                #[automatically_derived]
                impl __hm::Protocol for #ident {}

                #(#accepts)*

                #[automatically_derived]
                impl<__A: #(#bounds)+*> __hm::ProtocolOf<__A> for #ident {}
            };
        }
    }
}

/// Returns the text of a type as people write it.
fn text(ty: &Type) -> String {
    let text = ty.to_token_stream().to_string();
    [" <", "< ", " >", " ::", ":: ", " ,"]
        .iter()
        .fold(text, |text, spaced| text.replace(spaced, spaced.trim()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(input: TokenStream, expected: Option<&str>) {
        let error = syn::parse2::<Protocols>(input).err();
        assert_eq!(error.map(|error| error.to_string()).as_deref(), expected);
    }

    #[test]
    fn good_declarations_are_taken() {
        check(quote!(protocol Store { Get }), None);
        check(
            quote! {
                /// Two in one.
                pub protocol Store { Put, Get -> Option<u64>, }
                pub(crate) protocol Reader {
                    /// With a doc.
                    Get -> Option<u64>,
                    Vec<u8> -> Result<(), String>,
                }
            },
            None,
        );
    }

    #[test]
    fn every_mistake_has_its_text() {
        for no_form in [
            quote!(),
            quote!(trait Store { Get }),
            quote!(pub struct Store),
        ] {
            check(no_form, Some(FORM));
        }
        check(
            quote!(protocol Store<T> { Get }),
            Some("a protocol has no parameters: refs need a type with one name"),
        );
        check(quote!(protocol Store {}), Some("a protocol has messages"));
        check(
            quote!(protocol Store { Get, Put, Get -> u8 }),
            Some("`Get` is in this protocol already"),
        );
        check(
            quote!(protocol Store { &'static str }),
            Some("a message is passed by value, not by reference"),
        );
        check(
            quote!(protocol Store { #[cfg(unix)] Get }),
            Some("a message of a protocol has no attributes but its doc"),
        );
        check(quote!(protocol Store { Get Put }), Some("expected `,`"));
    }

    #[test]
    fn the_doc_lists_the_messages() {
        let protocols = quote!(protocol Store { Put, a::Get -> Option<Vec<u8>>, });
        let Protocols(protocols) = syn::parse2(protocols).expect("it is a declaration");
        let docs: Vec<String> = protocols[0]
            .messages
            .iter()
            .map(|message| message.doc().to_string())
            .collect();
        assert_eq!(
            docs,
            [
                "# [doc = \"* `Put`\"]",
                "# [doc = \"* `a::Get`, answered by `Option<Vec<u8>>`\"]"
            ]
        );
    }
}
