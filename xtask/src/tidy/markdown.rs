//! The links and the headings of one `.md` file. Not a whole parser: it knows fenced blocks, code
//! spans, inline links, link definitions and headings, which is what the docs are written in.

use std::collections::{BTreeMap, BTreeSet};

/// What a `.md` file points to, and what in it can be pointed to.
#[derive(Debug, Default)]
pub(super) struct Markdown {
    pub(super) links: Vec<Link>,
    /// The anchors of the headings, as the usual web views name them.
    pub(super) anchors: BTreeSet<String>,
}

/// One link.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Link {
    /// From 1.
    pub(super) line: usize,
    pub(super) target: String,
}

impl Markdown {
    /// Reads the content of a `.md` file.
    pub(super) fn parse(text: &str) -> Self {
        let mut markdown = Self::default();
        let mut seen = BTreeMap::new();
        let mut fence: Option<&str> = None;
        for (idx, line) in text.lines().enumerate() {
            let trimmed = line.trim_start();
            match (fence, fence_of(trimmed)) {
                (None, Some(mark)) => fence = Some(mark),
                (None, None) => markdown.read_line(idx + 1, trimmed, &mut seen),
                // A longer fence of the same kind closes too, if nothing follows it.
                (Some(open), Some(mark))
                    if mark.starts_with(open) && trimmed.trim_end() == mark =>
                {
                    fence = None;
                }
                (Some(_), _) => {}
            }
        }
        markdown
    }

    fn read_line(&mut self, number: usize, line: &str, seen: &mut BTreeMap<String, usize>) {
        if let Some(heading) = heading_of(line) {
            let slug = slug(heading);
            let n_before = seen.entry(slug.clone()).or_default();
            self.anchors.insert(if *n_before == 0 {
                slug
            } else {
                format!("{slug}-{n_before}")
            });
            *n_before += 1;
        }
        let line = without_code(line);
        let targets = definition_of(&line)
            .into_iter()
            .chain(inline_targets(&line));
        self.links.extend(targets.map(|target| Link {
            line: number,
            target: target.to_owned(),
        }));
    }
}

/// Returns the marks that open or close a fenced block: three or more of one kind.
fn fence_of(line: &str) -> Option<&str> {
    let mark = line.chars().next().filter(|c| matches!(c, '`' | '~'))?;
    let end = line.find(|c| c != mark).unwrap_or(line.len());
    (3 <= end).then(|| &line[..end])
}

fn heading_of(line: &str) -> Option<&str> {
    let text = line.trim_start_matches('#');
    let level = line.len() - text.len();
    let is_heading = (1..=6).contains(&level) && (text.is_empty() || text.starts_with(' '));
    is_heading.then(|| text.trim().trim_end_matches('#').trim_end())
}

/// Returns the anchor of a heading: lower case, blanks as `-`, other marks than `-` and `_` left
/// out, a link as its text.
fn slug(heading: &str) -> String {
    let mut text = heading.to_owned();
    while let Some(open) = text.find("](") {
        let close = text[open..]
            .find(')')
            .map_or(text.len(), |at| open + at + 1);
        text.replace_range(open..close, "");
    }
    text.to_lowercase()
        .chars()
        .filter_map(|c| match c {
            ' ' => Some('-'),
            '-' | '_' => Some(c),
            c => c.is_alphanumeric().then_some(c),
        })
        .collect()
}

/// Returns `line` with the content of its code spans blanked out.
fn without_code(line: &str) -> String {
    let mut text = String::new();
    let mut rest = line;
    while let Some(open) = rest.find('`') {
        let n_marks = rest[open..].chars().take_while(|&c| c == '`').count();
        let (before, after) = rest.split_at(open + n_marks);
        text.push_str(&rest[..open]);
        match closing(after, n_marks) {
            Some(end) => rest = &after[end..],
            None => {
                text.push_str(&before[open..]);
                rest = after;
            }
        }
    }
    text + rest
}

/// Returns the end of the first run of exactly `n_marks` backticks in `text`.
fn closing(text: &str, n_marks: usize) -> Option<usize> {
    let mut at = 0;
    while let Some(found) = text[at..].find('`') {
        let start = at + found;
        let n_found = text[start..].chars().take_while(|&c| c == '`').count();
        at = start + n_found;
        if n_found == n_marks {
            return Some(at);
        }
    }
    None
}

/// Returns the target of a definition `[label]: target`; a footnote is none.
fn definition_of(line: &str) -> Option<&str> {
    let (label, target) = line.strip_prefix('[')?.split_once("]: ")?;
    let is_label = !label.starts_with('^') && !label.contains(['[', ']']);
    let target = target.split_whitespace().next()?;
    is_label.then(|| target.trim_start_matches('<').trim_end_matches('>'))
}

/// Returns the targets of `[text](target)` and `![text](target "title")`. The text may have begun
/// on a line before.
fn inline_targets(line: &str) -> impl Iterator<Item = &str> {
    line.match_indices("](").filter_map(|(at, mark)| {
        let rest = &line[at + mark.len()..];
        if let Some(rest) = rest.strip_prefix('<') {
            return rest.split_once('>').map(|(target, _)| target);
        }
        let mut depth = 0_usize;
        let end = rest.find(|c: char| {
            match c {
                '(' => depth += 1,
                ')' if depth == 0 => return true,
                ')' => depth -= 1,
                _ => {}
            }
            c.is_whitespace()
        });
        end.map(|end| &rest[..end])
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check_links(text: &str, expected: &[(usize, &str)]) {
        let markdown = Markdown::parse(text);
        let seen: Vec<_> = markdown
            .links
            .iter()
            .map(|link| (link.line, link.target.as_str()))
            .collect();
        assert_eq!(seen, expected, "{text}");
    }

    #[test]
    fn links_are_found_where_they_are_links() {
        check_links(
            "a [b](c.md) d ![e](f.png \"g\")",
            &[(1, "c.md"), (1, "f.png")],
        );
        check_links("a [b\nb](<c d.md>)", &[(2, "c d.md")]);
        check_links(
            "[a](b_(c).md) and [d](e.md)",
            &[(1, "b_(c).md"), (1, "e.md")],
        );
        check_links(
            "[a]\n\n[a]: b.md\n[^1]: c.md\n[d]: <e.md>",
            &[(3, "b.md"), (5, "e.md")],
        );
        check_links("`[a](b)` [c](d) ``[`](e)``", &[(1, "d")]);
        check_links("[`a`](b) ` [c](d)", &[(1, "b"), (1, "d")]);
        check_links("```\n[a](b)\n```\n[c](d)", &[(4, "d")]);
        check_links(
            "~~~~md\n```\n[a](b)\n~~~\n[c](d)\n~~~~\n[e](f)",
            &[(7, "f")],
        );
        check_links("  ```rust\n  v[i](x)\n  ```", &[]);
        check_links("a](", &[]);
    }

    #[test]
    fn headings_have_the_usual_anchors() {
        let text = "# The *spine*: `cast`, and more!\n## 2. A_b-c\n## Same\n## Same\n\
                    ### [Link](x.md) ###\n####### none\n#none\n```\n# none\n```\n";
        let expected = [
            "2-a_b-c",
            "link",
            "same",
            "same-1",
            "the-spine-cast-and-more",
        ];
        let anchors = Markdown::parse(text).anchors;
        assert_eq!(
            anchors.iter().map(String::as_str).collect::<Vec<_>>(),
            expected
        );
    }
}
