//! Every parser takes a time that is linear in its text, whether it accepts the text or not.

use std::hint::black_box;

use hypermesh::ndslice::{Extent, Point, Region, Selection};
use hypermesh_benches::Report;

use crate::beside;
use hypermesh_benches::Outcome;

/// How much more a byte of a long text may take than one of a short text.
const LINEAR: f64 = 1.5;

/// The lengths of the texts, in bytes.
const LENS: [usize; 2] = [256, 4_096];

/// What tells whether a text is legal.
type Parser = fn(&str) -> bool;

/// What a dim has behind its label.
type Numbers = fn(usize) -> String;

/// Measures each parser on a legal text, and all on texts that none accepts. Texts of selections are
/// measured beside their evaluation.
pub(crate) async fn measure(report: &mut Report) -> Outcome<()> {
    let parsers: [(&str, Parser, Numbers); 4] = [
        (
            "parse a byte of an extent 4 KiB : 256 B",
            is_some::<Extent>,
            |_| "2".into(),
        ),
        (
            "parse a byte of a point 4 KiB : 256 B",
            is_some::<Point>,
            |_| "1/2".into(),
        ),
        (
            "parse a byte of a region 4 KiB : 256 B",
            is_some::<Region>,
            |dim| format!("2/{}", 1 << dim),
        ),
        (
            "parse a byte of a full region 4 KiB : 256 B",
            is_full,
            |_| "0:2/2".into(),
        ),
    ];
    for (name, parse, numbers) in parsers {
        let [short, long] = LENS.map(|len| dims(len, numbers));
        assert!(parse(&short) && parse(&long), "{short:?} is not legal");
        let ours = (long.len(), || parse(black_box(&long)));
        let baseline = (short.len(), || parse(black_box(&short)));
        beside(report, name, LINEAR, ours, baseline).await?;
    }
    let [short, long] = LENS.map(open_label);
    let all = |text: &str| {
        let accepted = parsers
            .iter()
            .filter(|(_, parse, _)| parse(black_box(text)));
        accepted.count() + usize::from(is_some::<Selection>(black_box(text)))
    };
    assert_eq!((all(&short), all(&long)), (0, 0));
    let ours = (long.len(), || all(&long));
    let baseline = (short.len(), || all(&short));
    let name = "refuse a byte of any 4 KiB : 256 B";
    beside(report, name, LINEAR, ours, baseline).await
}

fn is_some<T: std::str::FromStr>(text: &str) -> bool {
    text.parse::<T>().is_ok()
}

fn is_full(text: &str) -> bool {
    Region::parse_full_text(text).is_ok()
}

/// Eight dims in so many bytes: labels with escapes, these `numbers`, and blanks.
fn dims(len: usize, numbers: Numbers) -> String {
    let share = len / 8;
    let dim = |dim| {
        let escapes = "\\\"".repeat(share / 16);
        format!(
            "{:<width$}",
            format!("\"{dim}{escapes}\"={}", numbers(dim)),
            width = share - 1
        )
    };
    (0..8).map(dim).collect::<Vec<_>>().join(",")
}

/// A quoted label of so many bytes that does not end, all of it escapes.
fn open_label(len: usize) -> String {
    let mut text = String::from("\"");
    while text.len() + 2 <= len {
        text.push_str("\\\\");
    }
    text
}
