//! Methods that are taken, and the text of every mistake.

use quote::quote;

use super::*;

/// Returns the texts of all mistakes in `#[actor(args)] item`.
fn mistakes(args: TokenStream, item: TokenStream) -> Vec<String> {
    let errors = match parse(args, item) {
        Ok(parsed) => parsed.errors,
        Err(error) => Some(error),
    };
    let errors = errors.into_iter().flatten();
    errors.map(|error| error.to_string()).collect()
}

#[track_caller]
fn check(method: TokenStream, expected: &str) {
    let item = quote! { impl Counter { #method } };
    let found = mistakes(quote!(), item);
    match expected {
        "" => assert_eq!(found, Vec::<String>::new()),
        text => {
            assert_eq!(found.len(), 1, "{found:?}");
            assert!(found[0].contains(text), "{:?} lacks {text:?}", found[0]);
        }
    }
}

#[test]
fn good_methods_are_taken() {
    check(
        quote! { #[handler] fn add(&mut self, cx: &Cx<'_, Self>, Add(n): Add) {} },
        "",
    );
    check(
        quote! { #[handler] async fn get(&self, cx: &Cx<'_, Self>, _: Get) -> Result<u64> {} },
        "",
    );
    check(
        quote! { #[handler(local, on_error = "reply")] fn f(&mut self, cx: C, m: M) {} },
        "",
    );
    check(
        quote! { #[handler] fn f(&mut self, cx: C, m: M, reply: ReplyTo<u64>) {} },
        "",
    );
    check(
        quote! { #[hook] async fn init(&mut self, cx: C) -> Result<()> {} },
        "",
    );
    check(
        quote! { #[handler(message = Add)] fn add(&mut self, cx: C, mut n: u64, r: a::ReplyTo<u8>) {} },
        "",
    );
    check(
        quote! { #[handler(message = Get, derive(Clone, Debug))] async fn get(&self, cx: C) {} },
        "",
    );
    check(quote! { fn helper() {} const N: usize = 1; }, "");
}

#[test]
fn every_mistake_has_its_text() {
    check(
        quote! { #[handler] fn f(&mut self, cx: C) {} },
        "takes a message",
    );
    check(
        quote! { #[handler] fn f(cx: C, m: M) {} },
        "takes `&mut self`",
    );
    check(
        quote! { #[handler] fn f(self, cx: C, m: M) {} },
        "takes `&mut self`",
    );
    check(
        quote! { #[handler] fn f(&mut self, cx: C, m: &M) {} },
        "passed by value",
    );
    check(
        quote! { #[handler] fn f<T>(&mut self, cx: C, m: T) {} },
        "cannot be generic",
    );
    check(
        quote! { #[handler(fast)] fn f(&mut self, cx: C, m: M) {} },
        "unknown option",
    );
    check(
        quote! { #[handler(on_error = "x")] fn f(&mut self, cx: C, m: M) {} },
        "\"fail\"",
    );
    check(
        quote! { #[handler(on_error = "reply")] fn f(&mut self, c: C, m: M, r: ReplyTo<u8>) {} },
        "replies by hand",
    );
    check(
        quote! { #[handler] fn f(&mut self, cx: C, a: A, b: B, c: D) {} },
        "`#[handler(message = Name)]`",
    );
    check(
        quote! { #[handler(message = "Add")] fn f(&mut self, cx: C, n: u64) {} },
        "the name of a struct is expected",
    );
    check(
        quote! { #[handler(derive(Clone))] fn f(&mut self, cx: C, m: M) {} },
        "`derive` is for a message that is made here",
    );
    check(
        quote! { #[handler(message = Add)] fn f(&mut self) {} },
        "takes a context",
    );
    check(
        quote! { #[handler(message = Add)] fn f(&mut self, cx: C, _: u64) {} },
        "needs a name",
    );
    check(
        quote! { #[handler(message = Add)] fn f(&mut self, cx: C, n: &u64) {} },
        "passed by value",
    );
    check(
        quote! {
            #[handler] fn f(&mut self, cx: C, m: Add) {}
            #[handler(message = Add)] fn g(&mut self, cx: C, n: u64) {}
        },
        "`f` handles this message already",
    );
    check(
        quote! { #[hook] fn start(&mut self, cx: C) {} },
        "hooks are `init`, `cleanup`",
    );
    check(
        quote! { #[hook] fn init(&mut self) {} },
        "takes 1 arguments",
    );
    check(
        quote! {
            #[handler] fn f(&mut self, cx: C, m: M) {}
            #[handler] fn g(&mut self, cx: C, m: M) {}
        },
        "`f` handles this message already",
    );
}

#[test]
fn mistakes_are_reported_together() {
    let item = quote! {
        impl Counter {
            #[handler] fn f(&mut self, cx: C) {}
            #[hook] fn start(&mut self, cx: C) {}
        }
    };
    assert_eq!(mistakes(quote!(spawm = "x"), item).len(), 3);
}

#[test]
fn the_attribute_belongs_on_an_inherent_impl() {
    for item in [
        quote! { struct A; },
        quote! { impl T for A {} },
        quote! { impl (A, B) {} },
    ] {
        assert_eq!(mistakes(quote!(), item).len(), 1);
    }
    assert_eq!(
        mistakes(quote!(spawn = "a"), quote! { impl<T> A<T> {} }).len(),
        1
    );
    let made = quote! { impl<T> A<T> { #[handler(message = M)] fn f(&mut self, cx: C, t: T) {} } };
    assert_eq!(mistakes(quote!(), made).len(), 1);
}
