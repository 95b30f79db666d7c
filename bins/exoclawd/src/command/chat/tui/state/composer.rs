//! What is being typed.

/// Bytes that may be typed or pasted; more is refused.
pub(crate) const TEXT_BYTES: usize = 256 * 1024;

/// Text with a cursor.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Composer {
    text: String,
    /// Bytes before the cursor.
    at: usize,
}

impl Composer {
    pub(crate) fn is_empty(&self) -> bool {
        self.text.is_empty()
    }

    pub(crate) fn text(&self) -> &str {
        &self.text
    }

    /// What is before the cursor.
    pub(crate) fn before(&self) -> &str {
        &self.text[..self.at]
    }

    pub(crate) fn take(&mut self) -> String {
        self.at = 0;
        std::mem::take(&mut self.text)
    }

    /// Puts text where the cursor is, without what no terminal types; says whether there was room.
    pub(crate) fn insert(&mut self, text: &str) -> bool {
        let text = text.replace("\r\n", "\n").replace('\r', "\n");
        let text: String = text.chars().filter(|c| !c.is_control() || matches!(c, '\n' | '\t')).collect();
        if self.text.len() + text.len() > TEXT_BYTES {
            return false;
        }
        self.text.insert_str(self.at, &text);
        self.at += text.len();
        true
    }

    pub(crate) fn left(&mut self) {
        self.at = self.previous();
    }

    pub(crate) fn right(&mut self) {
        self.at = self.next();
    }

    pub(crate) fn backspace(&mut self) {
        let from = self.previous();
        self.remove(from, self.at);
    }

    pub(crate) fn delete(&mut self) {
        self.remove(self.at, self.next());
    }

    /// Removes the word before the cursor.
    pub(crate) fn delete_word(&mut self) {
        let words = self.before().trim_end();
        let from =
            words.rfind(char::is_whitespace).map_or(0, |at| at + words[at..].chars().next().map_or(1, char::len_utf8));
        self.remove(from, self.at);
    }

    pub(crate) fn delete_to_start(&mut self) {
        self.remove(self.line_start(), self.at);
    }

    pub(crate) fn delete_to_end(&mut self) {
        self.remove(self.at, self.line_end());
    }

    pub(crate) fn home(&mut self) {
        self.at = self.line_start();
    }

    pub(crate) fn end(&mut self) {
        self.at = self.line_end();
    }

    /// To the line above; says whether there is one.
    pub(crate) fn up(&mut self) -> bool {
        let start = self.line_start();
        if start == 0 {
            return false;
        }
        let above = self.text[..start - 1].rfind('\n').map_or(0, |at| at + 1);
        self.at = self.column_of(above, start - 1);
        true
    }

    /// To the line below; says whether there is one.
    pub(crate) fn down(&mut self) -> bool {
        let end = self.line_end();
        if end == self.text.len() {
            return false;
        }
        let below_end = self.text[end + 1..].find('\n').map_or(self.text.len(), |at| end + 1 + at);
        self.at = self.column_of(end + 1, below_end);
        true
    }

    /// Where the cursor's column is in another line.
    fn column_of(&self, start: usize, end: usize) -> usize {
        let column = self.text[self.line_start()..self.at].chars().count();
        self.text[start..end].char_indices().nth(column).map_or(end, |(at, _)| start + at)
    }

    fn line_start(&self) -> usize {
        self.before().rfind('\n').map_or(0, |at| at + 1)
    }

    fn line_end(&self) -> usize {
        self.text[self.at..].find('\n').map_or(self.text.len(), |at| self.at + at)
    }

    fn previous(&self) -> usize {
        self.before().char_indices().next_back().map_or(0, |(at, _)| at)
    }

    fn next(&self) -> usize {
        self.text[self.at..].chars().next().map_or(self.at, |c| self.at + c.len_utf8())
    }

    fn remove(&mut self, from: usize, to: usize) {
        self.text.replace_range(from..to, "");
        self.at = from;
    }
}
