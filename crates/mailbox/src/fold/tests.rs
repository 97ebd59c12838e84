//! A reducer that fails or panics harms nothing but its update.

use std::borrow::Cow;

use hypermesh_wire::{Named, TypeKey};
use serde::{Deserialize, Serialize};

use super::*;
use crate::reducers::Append;

/// Collects what is not 0; refuses 0, panics at 1.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct Picky;

impl Named for Picky {
    const KEY: TypeKey = TypeKey::of("tests::Picky");

    fn name() -> Cow<'static, str> {
        "tests::Picky".into()
    }
}

impl Reducer for Picky {
    type Input = u32;
    type Output = Vec<u32>;

    fn unit(&self) -> Vec<u32> {
        Vec::new()
    }

    fn fold(&self, acc: &mut Vec<u32>, input: u32) -> Result<(), ReduceError> {
        match input {
            0 => Err(ReduceError::Refused("a zero".into())),
            1 => panic!("a one"),
            _ => {
                acc.push(input);
                Ok(())
            }
        }
    }

    fn merge(&self, acc: &mut Vec<u32>, mut other: Vec<u32>) -> Result<(), ReduceError> {
        acc.append(&mut other);
        Ok(())
    }
}

#[test]
fn inv1_an_update_that_fails_leaves_the_result_as_it_was() {
    let mut fold = Fold::new(Picky);
    let panicked = ReduceError::Panicked("a one".into());
    assert_eq!(fold.fold_value(None, 1), Err(panicked.clone()));
    assert_eq!(fold.arrived(), None);
    assert_eq!(fold.fold_value(None, 5), Ok(()));
    assert_eq!(
        fold.fold_value(None, 0),
        Err(ReduceError::Refused("a zero".into()))
    );
    assert_eq!(fold.fold_value(None, 1), Err(panicked));
    assert_eq!(fold.fold_value(None, 6), Ok(()));
    assert_eq!(fold.finish(), Ok(vec![5, 6]));
    assert_eq!(fold.finish(), Ok(vec![]), "it starts anew");
}

#[test]
fn inv2_pieces_are_combined_in_the_order_of_their_senders() {
    let mut fold = Fold::new(Append::<u32>::new());
    for from in [4, 1, 3, 0] {
        fold.fold_value(Some(from), from as u32).unwrap();
    }
    fold.fold_value(None, 99).unwrap();
    assert_eq!(fold.finish(), Ok(vec![0, 1, 3, 4, 99]));
}

#[test]
fn an_update_of_another_type_is_given_back() {
    let mut fold = Fold::new(Picky);
    let Err(FoldError::Refused(input, cause)) = fold.fold(None, Any::local("text".to_owned()))
    else {
        panic!("it was folded");
    };
    assert_eq!(cause, Cause::WrongType { expected: u32::KEY });
    assert_eq!(input.take::<String>().unwrap(), "text");
    assert_eq!(Folder::encode(&mut fold), Ok(None));
}
