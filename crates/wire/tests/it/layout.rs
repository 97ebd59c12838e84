//! Layouts: the same on every build, another one when fields change.

use hypermesh_wire::{Layout, Message, Named};

macro_rules! versions {
    ($($version:ident { $($item:item)* })*) => { $(
        #[allow(dead_code, reason = "only the types count")]
        mod $version {
            use hypermesh_wire::Message;

            $($item)*
        }
    )* };
}

versions! {
    base {
        #[derive(Message)]
        pub(super) struct Order { id: u64, lines: Vec<Line> }
        #[derive(Message)]
        pub(super) struct Line { name: String, price: (u32, u8) }
        #[derive(Message)]
        pub(super) enum Tree { Leaf, Node(Box<Tree>, Option<Box<Self>>), Named { tree: Box<Tree> } }
    }
    moved {
        // Nothing but the names of the types differs.
        #[derive(Message)]
        pub(super) struct Order { id: u64, #[serde(skip)] seen: bool, lines: Vec<Row> }
        #[derive(Message)]
        pub(super) struct Row { name: String, price: (u32, u8) }
        #[derive(Message)]
        pub(super) enum Tree { Leaf, Node(Box<Tree>, Option<Box<Tree>>), Named { tree: Box<Tree> } }
    }
    renamed_field {
        #[derive(Message)]
        pub(super) struct Order { key: u64, lines: Vec<super::base::Line> }
        #[derive(Message)]
        pub(super) enum Tree { Leaf, Node(Box<Tree>, Option<Box<Tree>>), Named { node: Box<Tree> } }
    }
    below {
        #[derive(Message)]
        pub(super) struct Order { id: u64, lines: Vec<Line> }
        #[derive(Message)]
        pub(super) struct Line { name: String, price: (u32, u16) }
        #[derive(Message)]
        pub(super) enum Tree { Leaf, Node(Box<Tree>, Box<Tree>), Named { tree: Box<Tree> } }
    }
    order {
        #[derive(Message)]
        pub(super) struct Order { lines: Vec<super::base::Line>, id: u64 }
        #[derive(Message)]
        pub(super) enum Tree { Node(Box<Tree>, Option<Box<Tree>>), Leaf, Named { tree: Box<Tree> } }
    }
    more {
        #[derive(Message)]
        pub(super) struct Order { id: u64, lines: Vec<super::base::Line>, note: Option<String> }
        #[derive(Message)]
        pub(super) enum Tree {
            Leaf, Node(Box<Tree>, Option<Box<Tree>>), Named { tree: Box<Tree> }, Last,
        }
    }
    other_with {
        #[derive(Message)]
        pub(super) struct Order { #[serde(rename = "n")] id: u64, lines: Vec<super::base::Line> }
        #[derive(Message)]
        pub(super) enum Tree {
            Leaf,
            #[serde(rename = "n")]
            Node(Box<Tree>, Option<Box<Tree>>),
            Named { tree: Box<Tree> },
        }
    }
}

#[derive(Message)]
struct Wrap<T, const N: usize>(T, std::marker::PhantomData<[u8; N]>);

/// A field type without a name of its own counts by its text.
#[derive(Message)]
struct Unnamed(std::num::NonZeroU32);

#[derive(Message)]
struct OtherUnnamed(std::num::NonZeroU64);

#[track_caller]
fn check_differ(layouts: &[Layout]) {
    for (idx, layout) in layouts.iter().enumerate() {
        assert!(!layouts[..idx].contains(layout), "number {idx}");
    }
}

#[test]
fn names_of_types_and_skipped_fields_do_not_count() {
    assert_eq!(Layout::of::<base::Order>(), Layout::of::<moved::Order>());
    assert_eq!(Layout::of::<base::Tree>(), Layout::of::<moved::Tree>());
}

#[test]
fn a_field_that_is_changed_gives_another_layout() {
    check_differ(&[
        Layout::of::<base::Order>(),
        Layout::of::<renamed_field::Order>(),
        Layout::of::<below::Order>(),
        Layout::of::<order::Order>(),
        Layout::of::<more::Order>(),
        Layout::of::<other_with::Order>(),
    ]);
}

#[test]
fn a_variant_that_is_changed_gives_another_layout() {
    check_differ(&[
        Layout::of::<base::Tree>(),
        Layout::of::<renamed_field::Tree>(),
        Layout::of::<below::Tree>(),
        Layout::of::<order::Tree>(),
        Layout::of::<more::Tree>(),
        Layout::of::<other_with::Tree>(),
    ]);
}

#[test]
fn type_arguments_and_types_without_a_name_count() {
    check_differ(&[
        Layout::of::<Wrap<u32, 1>>(),
        Layout::of::<Wrap<u64, 1>>(),
        Layout::of::<Wrap<u32, 2>>(),
        Layout::of::<Wrap<base::Line, 1>>(),
        Layout::of::<Wrap<below::Line, 1>>(),
        Layout::of::<Unnamed>(),
        Layout::of::<OtherUnnamed>(),
        Layout::of::<(u32, u32)>(),
        Layout::of::<(u32, u64)>(),
        Layout::of::<[u32; 2]>(),
    ]);
}

#[track_caller]
fn check<T: Named + ?Sized>(layout: &str) {
    assert_eq!(Layout::of::<T>().to_string(), layout, "of {}", T::name());
}

#[test]
fn layouts_are_the_same_on_every_build() {
    check::<u32>("bb8ab76326a4eb66");
    check::<Vec<Option<String>>>("877c16b34cc0c456");
    check::<base::Order>("df16ec4610b19d0d");
    check::<base::Tree>("5e516752e8dda332");
    check::<Wrap<u32, 2>>("e1d7aa9d18f34ac5");
    check::<Unnamed>("741056c35245504a");
}
