//! What an expression's value is known to begin, end and hold: JSONata in `{% … %}`, paths and intrinsic functions at keys
//! that end in `.$`.
//!
//! These readers know only what can keep a literal: concatenation, alternatives, `States.Format`, `States.Array`. Whatever else an
//! expression does makes it a hole, so a value is never taken for narrower than it can be.

use super::text::Text;

/// More alternatives than these are as good as none.
const MOST: usize = 16;
/// How deep expressions are read. A condition may be read twice, so each level can double the time.
const DEEPEST: usize = 6;
/// How long an expression may be to be read at all, in bytes.
const LONGEST: usize = 8192;

/// What a name in an expression stands for.
pub(super) trait Names {
    /// The values of a variable `$name`, where all that are ever assigned are known in part.
    fn variable(&self, name: &str) -> Option<Vec<Text>>;
    /// The value of the context object at `StateMachine.Id` and the like.
    fn context(&self, path: &str) -> Option<Text>;
}

/// The texts that a JSONata expression, what stands between `{%` and `%}`, can be.
pub(super) fn jsonata(code: &str, names: &dyn Names) -> Vec<Text> {
    if code.len() > LONGEST {
        return vec![Text::unknown()];
    }
    let mut reader = Jsonata { rest: code, names };
    match reader.alternatives(0) {
        Some(texts) if reader.rest.trim().is_empty() => bounded(texts),
        _ => vec![Text::unknown()],
    }
}

/// The texts that the value of a key ending in `.$` can be: those of an array's elements together.
pub(super) fn path(text: &str, names: &dyn Names) -> Vec<Text> {
    let unknown = || vec![Text::unknown()];
    let text = text.trim();
    if text.starts_with("States.") && text.len() <= LONGEST {
        let mut reader = Intrinsic { rest: text, names };
        return match reader.value(0) {
            Some(texts) if reader.rest.trim().is_empty() => bounded(texts),
            _ => unknown(),
        };
    }
    operand(text, names).unwrap_or_else(unknown)
}

/// A path that stands alone.
fn operand(text: &str, names: &dyn Names) -> Option<Vec<Text>> {
    if let Some(path) = text.strip_prefix("$$.") {
        return names.context(path).map(|text| vec![text]);
    }
    let name = text.strip_prefix('$')?;
    let is_name = !name.is_empty() && name.chars().all(|c| c.is_alphanumeric() || c == '_');
    if is_name { names.variable(name) } else { None }
}

fn bounded(texts: Vec<Text>) -> Vec<Text> {
    if texts.len() > MOST || texts.iter().any(Text::is_unknown) { vec![Text::unknown()] } else { texts }
}

fn joined(left: &[Text], right: &[Text]) -> Vec<Text> {
    if left.len() * right.len() > MOST {
        return vec![Text::unknown()];
    }
    let pairs = left.iter().flat_map(|l| right.iter().map(move |r| (l, r)));
    pairs
        .map(|(l, r)| {
            let mut text = l.clone();
            text.push(r);
            text
        })
        .collect()
}

struct Jsonata<'a> {
    rest: &'a str,
    names: &'a dyn Names,
}

impl<'a> Jsonata<'a> {
    fn skip_space(&mut self) {
        self.rest = self.rest.trim_start();
    }

    fn takes(&mut self, mark: char) -> bool {
        self.skip_space();
        match self.rest.strip_prefix(mark) {
            Some(rest) => {
                self.rest = rest;
                true
            }
            None => false,
        }
    }

    /// `a & b`, or `condition ? a : b`; `None` where something stands here that this reader does not know.
    fn alternatives(&mut self, depth: usize) -> Option<Vec<Text>> {
        if depth > DEEPEST {
            return None;
        }
        let condition = self.rest;
        let Some(texts) = self.concatenation(depth) else {
            // A condition may hold any operator; only its end has to be found.
            self.rest = condition;
            self.skip_to_question()?;
            return self.branches(depth);
        };
        if self.takes('?') {
            return self.branches(depth);
        }
        Some(texts)
    }

    fn branches(&mut self, depth: usize) -> Option<Vec<Text>> {
        let mut texts = self.alternatives(depth + 1)?;
        // Without `:` the value may be absent, which leaves the field out.
        if self.takes(':') {
            texts.extend(self.alternatives(depth + 1)?);
        }
        Some(texts)
    }

    fn skip_to_question(&mut self) -> Option<()> {
        loop {
            self.skip_space();
            match self.rest.chars().next()? {
                '?' => {
                    self.rest = &self.rest[1..];
                    return Some(());
                }
                ')' | ']' | '}' | ',' | ';' | ':' | '/' => return None,
                _ => self.piece()?,
            }
        }
    }

    fn concatenation(&mut self, depth: usize) -> Option<Vec<Text>> {
        let mut texts = self.term(depth)?;
        while self.takes('&') {
            texts = joined(&texts, &self.term(depth)?);
        }
        self.skip_space();
        // Any other operator makes something else of what came before.
        match self.rest.chars().next() {
            None | Some('?' | ':' | ')' | ',' | ']') => Some(texts),
            Some(_) => None,
        }
    }

    fn term(&mut self, depth: usize) -> Option<Vec<Text>> {
        self.skip_space();
        let first = self.rest.chars().next()?;
        let texts = match first {
            '\'' | '"' => vec![Text::template(&self.string()?)],
            '(' => {
                self.rest = &self.rest[1..];
                let texts = self.alternatives(depth + 1)?;
                self.takes(')').then_some(texts)?
            }
            '[' => {
                self.rest = &self.rest[1..];
                let mut texts = Vec::new();
                while !self.takes(']') {
                    texts.extend(self.alternatives(depth + 1)?);
                    if !self.takes(',') {
                        self.takes(']').then_some(())?;
                        break;
                    }
                }
                texts
            }
            _ => {
                let begin = self.rest;
                while self.rest.chars().next().is_some_and(|c| !"&?:),]".contains(c)) {
                    self.piece()?;
                    self.skip_space();
                }
                let term = begin[..begin.len() - self.rest.len()].trim();
                if term.is_empty() || is_compound(term) {
                    return None;
                }
                let path = term.strip_prefix("$states.context.").and_then(|path| self.names.context(path));
                return Some(match path {
                    Some(text) => vec![text],
                    None => operand(term, self.names).unwrap_or_else(|| vec![Text::unknown()]),
                });
            }
        };
        // A literal that goes on, as in `'a'.b` or `'a'[0]`, is not the literal.
        match self.rest.chars().next() {
            Some(c) if c == '.' || c == '[' || c == '(' || c == '{' => None,
            _ => Some(texts),
        }
    }

    /// Skips a string, a bracketed part, a word or one other character.
    fn piece(&mut self) -> Option<()> {
        let first = self.rest.chars().next()?;
        match first {
            '\'' | '"' | '`' => self.string().map(drop),
            '(' | '[' | '{' => self.brackets(),
            // A division, a comment or a regular expression, whose quotes are no quotes.
            '/' => None,
            _ => {
                self.rest = &self.rest[first.len_utf8()..];
                Some(())
            }
        }
    }

    fn brackets(&mut self) -> Option<()> {
        let mut open = 0usize;
        loop {
            let first = self.rest.chars().next()?;
            match first {
                '\'' | '"' | '`' => {
                    self.string()?;
                    continue;
                }
                '/' => return None,
                '(' | '[' | '{' => open += 1,
                ')' | ']' | '}' => open -= 1,
                _ => {}
            }
            self.rest = &self.rest[first.len_utf8()..];
            if open == 0 {
                return Some(());
            }
        }
    }

    fn string(&mut self) -> Option<String> {
        let mut chars = self.rest.char_indices();
        let (_, quote) = chars.next()?;
        let mut text = String::new();
        while let Some((at, c)) = chars.next() {
            match c {
                '\\' => match chars.next()?.1 {
                    'u' => {
                        let code: String = (0..4).map_while(|_| chars.next()).map(|(_, c)| c).collect();
                        text.push(char::from_u32(u32::from_str_radix(&code, 16).ok()?).unwrap_or('\u{fffd}'));
                    }
                    'n' => text.push('\n'),
                    't' => text.push('\t'),
                    c => text.push(c),
                },
                c if c == quote => {
                    self.rest = &self.rest[at + 1..];
                    return Some(text);
                }
                c => text.push(c),
            }
        }
        None
    }
}

/// Whether an operator other than `&` stands in it outside brackets and quotes: `+`, `=`, `and`, `~>`, `:=`, `;` …
fn is_compound(term: &str) -> bool {
    let mut outside = String::new();
    let mut reader = Jsonata { rest: term, names: &Nothing };
    while let Some(c) = reader.rest.chars().next() {
        if "'\"`([{".contains(c) {
            if reader.piece().is_none() {
                return true;
            }
            outside.push('_');
        } else {
            outside.push(c);
            reader.rest = &reader.rest[c.len_utf8()..];
        }
    }
    outside.contains(['=', '<', '>', '~', ';', '+', '-', '*', '%', '|', '@', '#', '^', '!'])
        || outside.split_whitespace().any(|word| ["and", "or", "in"].contains(&word))
}

struct Nothing;

impl Names for Nothing {
    fn variable(&self, _: &str) -> Option<Vec<Text>> {
        None
    }

    fn context(&self, _: &str) -> Option<Text> {
        None
    }
}

struct Intrinsic<'a> {
    rest: &'a str,
    names: &'a dyn Names,
}

impl Intrinsic<'_> {
    fn value(&mut self, depth: usize) -> Option<Vec<Text>> {
        if depth > DEEPEST {
            return None;
        }
        self.rest = self.rest.trim_start();
        if self.rest.starts_with('\'') {
            return Some(vec![Text::template(&plain(&self.string()?))]);
        }
        if !self.rest.starts_with("States.") {
            return Some(self.path());
        }
        let open = self.rest.find('(')?;
        let function = &self.rest[..open];
        self.rest = &self.rest[open + 1..];
        let template = (function == "States.Format").then(|| self.template()).flatten();
        let mut arguments = Vec::new();
        loop {
            self.rest = self.rest.trim_start();
            if let Some(rest) = self.rest.strip_prefix(')') {
                self.rest = rest;
                break;
            }
            if self.rest.is_empty() {
                return None;
            }
            self.rest = self.rest.strip_prefix(',').unwrap_or(self.rest);
            arguments.push(self.value(depth + 1)?);
        }
        Some(match (function, template) {
            ("States.Format", Some(template)) => format(&template, &arguments),
            ("States.Array", _) => arguments.into_iter().flatten().collect(),
            _ => vec![Text::unknown()],
        })
    }

    /// The template of States.Format, escapes and braces as written.
    fn template(&mut self) -> Option<String> {
        self.rest = self.rest.trim_start();
        if self.rest.starts_with('\'') { self.string() } else { None }
    }

    /// The text between quotes, escapes as written.
    fn string(&mut self) -> Option<String> {
        let inner = &self.rest[1..];
        let mut escaped = false;
        for (at, c) in inner.char_indices() {
            match c {
                _ if escaped => escaped = false,
                '\\' => escaped = true,
                '\'' => {
                    self.rest = &inner[at + 1..];
                    return Some(inner[..at].to_owned());
                }
                _ => {}
            }
        }
        None
    }

    /// Up to the next comma or closing parenthesis of this call.
    fn path(&mut self) -> Vec<Text> {
        let mut open = 0usize;
        let end = self.rest.char_indices().find(|(_, c)| {
            match c {
                '(' | '[' => open += 1,
                ')' | ']' if open > 0 => open -= 1,
                ',' | ')' if open == 0 => return true,
                _ => {}
            }
            false
        });
        let end = end.map_or(self.rest.len(), |(at, _)| at);
        let (path, rest) = self.rest.split_at(end);
        self.rest = rest;
        let path = path.trim();
        match operand(path, self.names) {
            Some(texts) => texts,
            None if !path.is_empty() && !path.starts_with('$') => vec![Text::template(path)],
            None => vec![Text::unknown()],
        }
    }
}

/// A quoted text without its escapes.
fn plain(text: &str) -> String {
    let mut chars = text.chars();
    let mut plain = String::with_capacity(text.len());
    while let Some(c) = chars.next() {
        plain.extend(if c == '\\' { chars.next() } else { Some(c) });
    }
    plain
}

/// States.Format: each `{}` is the next argument, `\{` is a brace.
fn format(template: &str, arguments: &[Vec<Text>]) -> Vec<Text> {
    let mut arguments = arguments.iter();
    let mut texts = vec![Text::literal("")];
    let mut literal = String::new();
    let mut chars = template.chars().peekable();
    while let Some(c) = chars.next() {
        match c {
            '\\' => literal.extend(chars.next()),
            '{' if chars.peek() == Some(&'}') => {
                chars.next();
                texts = joined(&texts, &[Text::template(&std::mem::take(&mut literal))]);
                let unknown = [Text::unknown()];
                texts = joined(&texts, arguments.next().map_or(&unknown[..], |argument| argument));
            }
            c => literal.push(c),
        }
    }
    joined(&texts, &[Text::template(&literal)])
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    struct Here;

    impl Names for Here {
        fn variable(&self, name: &str) -> Option<Vec<Text>> {
            (name == "stage").then(|| vec![Text::literal("dev"), Text::literal("prod")])
        }

        fn context(&self, path: &str) -> Option<Text> {
            (path == "StateMachine.Name").then(|| Text::literal("me"))
        }
    }

    fn globs(texts: Vec<Text>) -> Vec<String> {
        texts.iter().map(Text::glob).collect()
    }

    #[rstest]
    #[case::literal("'orders'", &["orders"])]
    #[case::prefix("'orders-' & $states.input.id", &["orders-*"])]
    #[case::both_sides("'a-' & $x & \"-z\"", &["a-*-z"])]
    #[case::in_parentheses("('a' & ('b' & $c))", &["ab*"])]
    #[case::alternatives("$states.input.big = true ? 'large' : 'small'", &["large", "small"])]
    #[case::nested_alternatives("a ? 'x' : b > 2 ? 'y' & c : 'z'", &["x", "y*", "z"])]
    #[case::one_unknown_branch("$a ? 'x' : $b", &["*"])]
    #[case::list("['a', 'b-' & $c]", &["a", "b-*"])]
    #[case::variable("'q-' & $stage", &["q-dev", "q-prod"])]
    #[case::context("$states.context.StateMachine.Name & '-x'", &["me-x"])]
    #[case::escape("'a\\u002db' & \"it's\"", &["a-bit's"])]
    #[case::function("$uppercase('orders')", &["*"])]
    #[case::chain("'orders' ~> $uppercase", &["*"])]
    #[case::comparison("'a' = $b", &["*"])]
    #[case::and("'a' and 'b'", &["*"])]
    #[case::step("'a'.b", &["*"])]
    #[case::block("($a := 'x'; $a)", &["*"])]
    #[case::regex("$match($a, /'/) & 'x'", &["*"])]
    #[case::quotes_in_brackets("$lookup($m, ')') & '-x'", &["*-x"])]
    #[case::placeholder("'${Table}-x'", &["*-x"])]
    #[case::unfinished("'a", &["*"])]
    #[case::empty("", &["*"])]
    fn jsonata_expressions(#[case] code: &str, #[case] expected: &[&str]) {
        assert_eq!(globs(jsonata(code, &Here)), expected);
    }

    #[rstest]
    #[case::path("$.a.b", &["*"])]
    #[case::context("$$.StateMachine.Name", &["me"])]
    #[case::variable("$stage", &["dev", "prod"])]
    #[case::variable_field("$stage.x", &["*"])]
    #[case::format("States.Format('orders-{}', $.id)", &["orders-*"])]
    #[case::format_twice("States.Format('{}/{}.json', $$.StateMachine.Name, $.id)", &["me/*.json"])]
    #[case::escaped("States.Format('it\\'s \\{\\}{}', 'x')", &["it's {}x"])]
    #[case::array("States.Array('a', $$.StateMachine.Name)", &["a", "me"])]
    #[case::nested("States.Array(States.Format('a-{}', $stage))", &["a-dev", "a-prod"])]
    #[case::path_with_parentheses("States.Format('{}-x', $.a[?(@.b=='c')])", &["*-x"])]
    #[case::other("States.ArrayGetItem($.a, 0)", &["*"])]
    #[case::unfinished("States.Format('a", &["*"])]
    #[case::placeholder("States.Format('${Prefix}-{}-x', $.id)", &["*-*-x"])]
    fn paths(#[case] text: &str, #[case] expected: &[&str]) {
        assert_eq!(globs(path(text, &Here)), expected);
    }
}
