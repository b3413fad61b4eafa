//! What is known of a string before an execution: its literal parts, with holes for what only the execution knows.

/// Stands for a hole. No name in AWS holds it, and literals lose it.
const HOLE: char = '\0';

/// A string with holes.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Text(String);

impl Text {
    /// Nothing is known.
    pub fn unknown() -> Self {
        Self(HOLE.to_string())
    }

    /// All is known.
    pub fn literal(text: &str) -> Self {
        Self(text.replace(HOLE, ""))
    }

    /// A text in which each `${Name}` that nothing was substituted for is a hole.
    pub fn template(text: &str) -> Self {
        let mut known = String::with_capacity(text.len());
        let mut rest = text;
        while let Some(start) = rest.find("${") {
            let name = &rest[start + 2..];
            let end = name.find(|c: char| !(c.is_ascii_alphanumeric() || "_-.:".contains(c)));
            match end {
                Some(end) if end > 0 && name[end..].starts_with('}') => {
                    known.push_str(&rest[..start].replace(HOLE, ""));
                    known.push(HOLE);
                    rest = &name[end + 1..];
                }
                _ => {
                    known.push_str(&rest[..start + 2].replace(HOLE, ""));
                    rest = name;
                }
            }
        }
        known.push_str(&rest.replace(HOLE, ""));
        Self(known)
    }

    /// One after the other.
    pub fn push(&mut self, other: &Text) {
        self.0.push_str(&other.0);
    }

    /// Whether nothing of it is known.
    pub fn is_unknown(&self) -> bool {
        self.0.chars().all(|c| c == HOLE) && !self.0.is_empty()
    }

    /// The whole, where it is known.
    pub fn known(&self) -> Option<&str> {
        (!self.0.contains(HOLE)).then_some(&*self.0)
    }

    /// The glob over all that it can be, in characters that IAM takes (AWS.md §1). A literal wildcard stays one, and `$` before
    /// a brace becomes `?`, since IAM would read a variable there.
    pub fn glob(&self) -> String {
        let mut glob = String::with_capacity(self.0.len());
        let mut chars = self.0.chars().peekable();
        while let Some(c) = chars.next() {
            match c {
                HOLE if glob.ends_with('*') => {}
                HOLE => glob.push('*'),
                '$' if chars.peek() == Some(&'{') => glob.push('?'),
                ' '..='\u{ff}' if !c.is_control() => glob.push(c),
                _ => glob.push('?'),
            }
        }
        glob
    }
}

#[cfg(test)]
mod tests {
    use super::Text;

    #[test]
    fn holes_become_wildcards() {
        for (text, glob) in [
            ("plain", "plain"),
            ("${A}", "*"),
            ("arn:aws:s3:::${Bucket}/in/${AWS::Region}${X}", "arn:aws:s3:::*/in/*"),
            ("a${ b", "a?{ b"),
            ("${not a name}", "?{not a name}"),
            ("ключ", "????"),
            ("a\u{0}b", "ab"),
        ] {
            assert_eq!(Text::template(text).glob(), glob, "{text}");
        }
    }
}
