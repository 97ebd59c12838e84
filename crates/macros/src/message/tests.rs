//! What the derive refuses, and the shape of what it generates.

use super::*;

#[track_caller]
fn check(input: DeriveInput, expected: &[&str]) {
    let result = Options::of(&input).and_then(|options| rules::check(&input, &options));
    let errors: Vec<String> = match result {
        Ok(()) => Vec::new(),
        Err(error) => error.into_iter().map(|error| error.to_string()).collect(),
    };
    assert_eq!(errors.len(), expected.len(), "{errors:?}");
    for (error, part) in errors.iter().zip(expected) {
        assert!(error.contains(part), "{error:?} lacks {part:?}");
    }
}

#[test]
fn plain_types_are_messages() {
    check(
        parse_quote!(
            struct Unit;
        ),
        &[],
    );
    check(
        parse_quote!(
            struct Add(u64);
        ),
        &[],
    );
    check(
        parse_quote!(
            struct Wrap<T: Clone, const N: usize>
            where
                T: Ord,
            {
                items: [T; N],
            }
        ),
        &[],
    );
    check(
        parse_quote!(
            enum Tree {
                Leaf,
                Node {
                    #[serde(rename = "l")]
                    left: Box<Self>,
                },
            }
        ),
        &[],
    );
    check(
        parse_quote!(
            struct Text(Cow<'static, str>, PhantomData<&'static u8>, fn(&str));
        ),
        &[],
    );
    check(
        parse_quote!(
            struct Cached(#[serde(skip)] Option<&'static str>, u8);
        ),
        &[],
    );
}

#[test]
fn borrowed_data_is_refused_with_advice() {
    check(
        parse_quote!(
            struct A<'a>(Cow<'a, str>);
        ),
        &["use `String`"],
    );
    check(
        parse_quote!(
            struct A {
                a: Vec<&'static str>,
                b: &'static [u8],
            }
        ),
        &["owns", "owns"],
    );
    check(
        parse_quote!(
            enum A {
                B(u8, Option<&'static u8>),
            }
        ),
        &["owns its data"],
    );
    check(parse_quote!(union A { a: u8, b: i8 }), &["use an enum"]);
}

#[test]
fn attributes_that_the_encoding_cannot_carry_are_refused_with_advice() {
    check(
        parse_quote!(
            struct A {
                #[serde(flatten)]
                a: B,
            }
        ),
        &["`#[serde(flatten)]`: the encoding"],
    );
    check(
        parse_quote!(
            #[serde(untagged)]
            enum A {
                B,
            }
        ),
        &["use a plain enum"],
    );
    check(
        parse_quote!(
            #[serde(tag = "t", content = "c")]
            enum A {
                B,
            }
        ),
        &["tag", "content"],
    );
    check(
        parse_quote!(
            struct A {
                #[serde(default, skip_serializing_if = "Option::is_none")]
                a: B,
            }
        ),
        &["use `Option`"],
    );
    check(
        parse_quote!(
            struct A {
                #[serde(skip_serializing)]
                a: B,
            }
        ),
        &["use `skip`"],
    );
    check(
        parse_quote!(
            struct A {
                #[serde(skip_deserializing)]
                a: B,
            }
        ),
        &["use `skip`"],
    );
    check(
        parse_quote!(
            enum A {
                B,
                #[serde(other)]
                C,
            }
        ),
        &["numbers the variants"],
    );
    check(
        parse_quote!(
            enum A {
                #[serde(skip)]
                B,
                C,
            }
        ),
        &["`#[serde(skip)]` on a variant"],
    );
    check(
        parse_quote!(
            struct A {
                #[serde(borrow)]
                a: B,
            }
        ),
        &["owns its data"],
    );
}

#[test]
fn attributes_of_the_derive_itself_need_an_own_serde() {
    check(
        parse_quote!(
            #[serde(bound = "T: X")]
            struct A<T>(T);
        ),
        &["`#[message(serde)]`"],
    );
    check(
        parse_quote!(
            #[message(serde)]
            #[serde(bound = "T: X")]
            struct A<T>(T);
        ),
        &[],
    );
    check(
        parse_quote!(
            #[message(serde)]
            #[serde(untagged)]
            enum A {
                B,
            }
        ),
        &["plain enum"],
    );
}

#[test]
fn options_that_nobody_knows_are_refused() {
    check(
        parse_quote!(
            #[message(nam = "x")]
            struct A;
        ),
        &["expected `name"],
    );
    check(
        parse_quote!(
            #[message(name = "")]
            struct A;
        ),
        &["1 to 200 bytes"],
    );
    check(
        parse_quote!(
            #[message(name = "a b")]
            struct A;
        ),
        &["no white space"],
    );
    check(
        parse_quote!(
            #[message(name = "a::B")]
            struct A;
        ),
        &[],
    );
}

fn expanded(input: DeriveInput) -> String {
    let options = Options::of(&input).expect("the options of a test are right");
    expand(&input, &options, &quote!(::mesh::macro_support)).to_string()
}

#[test]
fn only_types_without_parameters_are_registered() {
    assert!(
        expanded(parse_quote!(
            struct A;
        ))
        .contains("submit !")
    );
    assert!(
        !expanded(parse_quote!(
            struct A<T>(T);
        ))
        .contains("submit !")
    );
}

#[test]
fn an_own_serde_gets_a_name_only() {
    let code = expanded(parse_quote!(
        #[message(serde)]
        struct A;
    ));
    assert!(code.contains("Named for A"), "{code}");
    assert!(!code.contains("Serialize"), "{code}");
}

#[test]
fn self_means_the_original_in_the_shadow() {
    let code = expanded(parse_quote!(
        enum List<T> {
            End,
            More(T, Box<Self>),
        }
    ));
    assert!(code.contains("More (T , Box < List < T > >)"), "{code}");
}
