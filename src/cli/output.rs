//! What commands print on standard output: JSON, JSON Lines, escaped text and small tables. A reader that has gone (a
//! closed pipe, as with `| head`) ends the command quietly. Touches standard output only.

use std::io::{self, BufWriter, ErrorKind, Write};

use serde::Serialize;

use super::Failure;
use crate::observe::escape;

/// Standard output, or anything else to print to. Buffered: call [`Output::finish`] at the end, and [`Output::flush`]
/// where somebody waits for a line.
pub struct Output<W: Write = io::Stdout> {
    writer: BufWriter<W>,
}

impl Output {
    /// Standard output.
    pub fn stdout() -> Output {
        Output::to(io::stdout())
    }
}

impl<W: Write> Output<W> {
    /// Prints to `writer`.
    pub fn to(writer: W) -> Output<W> {
        Output { writer: BufWriter::new(writer) }
    }

    /// One line of text; what could forge a line or hide in it is escaped.
    ///
    /// # Errors
    /// Quiet if the reader has gone, transient if standard output cannot be written.
    pub fn line(&mut self, text: &str) -> Result<(), Failure> {
        settle(writeln!(self.writer, "{}", escape(text)))
    }

    /// One value as one line of JSON (JSON Lines, if called for each of a list).
    ///
    /// # Errors
    /// As [`Output::line`].
    pub fn json_line(&mut self, value: &impl Serialize) -> Result<(), Failure> {
        let text = serde_json::to_string(value).map_err(|error| settle_json(&error))?;
        settle(writeln!(self.writer, "{}", ascii_where_unsafe(&text)))
    }

    /// One value as one JSON object over several lines.
    ///
    /// # Errors
    /// As [`Output::line`].
    pub fn json(&mut self, value: &impl Serialize) -> Result<(), Failure> {
        let text = serde_json::to_string_pretty(value).map_err(|error| settle_json(&error))?;
        settle(writeln!(self.writer, "{}", ascii_where_unsafe(&text)))
    }

    /// Rows under headings, in columns as wide as their widest cell; cells are escaped. Nothing for no rows.
    ///
    /// # Errors
    /// As [`Output::line`].
    pub fn table<const N: usize>(&mut self, headings: [&str; N], rows: &[[String; N]]) -> Result<(), Failure> {
        if rows.is_empty() {
            return Ok(());
        }
        let heading = headings.map(str::to_owned);
        let rows: Vec<[String; N]> = std::iter::once(&heading)
            .chain(rows)
            .map(|row| row.each_ref().map(|cell| escape(cell).into_owned()))
            .collect();
        let width = |column: usize| rows.iter().map(|row| row[column].chars().count()).max().unwrap_or(0);
        let widths: Vec<usize> = (0..N).map(width).collect();
        for row in &rows {
            let cells: Vec<String> =
                row.iter().zip(&widths).map(|(cell, width)| format!("{cell:<width$}", width = *width)).collect();
            settle(writeln!(self.writer, "{}", cells.join("  ").trim_end()))?;
        }
        Ok(())
    }

    /// Sends what was printed so far.
    ///
    /// # Errors
    /// As [`Output::line`].
    pub fn flush(&mut self) -> Result<(), Failure> {
        settle(self.writer.flush())
    }

    /// Sends the rest.
    ///
    /// # Errors
    /// As [`Output::line`].
    pub fn finish(mut self) -> Result<(), Failure> {
        self.flush()
    }
}

fn settle(result: io::Result<()>) -> Result<(), Failure> {
    result.map_err(|error| match error.kind() {
        ErrorKind::BrokenPipe => Failure::quiet(),
        _ => Failure::transient(format!("cannot write to standard output: {error}")),
    })
}

fn settle_json(error: &serde_json::Error) -> Failure {
    Failure::transient(format!("cannot make JSON of the result: {error}"))
}

/// JSON may hold bidirectional and zero-width characters as they are; a terminal may show it. Of serde's output, all
/// but the line breaks of the pretty form can stand only inside strings, where `\uXXXX` means the same.
fn ascii_where_unsafe(json: &str) -> String {
    let mut safe = String::with_capacity(json.len());
    for c in json.chars() {
        if c == '\n' || !crate::observe::is_unsafe(c) {
            safe.push(c);
        } else {
            for unit in c.encode_utf16(&mut [0; 2]) {
                safe.push_str(&format!("\\u{unit:04x}"));
            }
        }
    }
    safe
}

#[cfg(test)]
mod tests {
    use super::*;

    fn printed(work: impl FnOnce(&mut Output<&mut Vec<u8>>) -> Result<(), Failure>) -> String {
        let mut bytes = Vec::new();
        let mut output = Output::to(&mut bytes);
        work(&mut output).expect("printed");
        output.finish().expect("flushed");
        String::from_utf8(bytes).expect("UTF-8")
    }

    #[test]
    fn text_and_cells_cannot_forge_a_line() {
        assert_eq!(printed(|output| output.line("a\nb\u{202e}")), "a\\nb\\u{202e}\n");
        let rows = [["/a\nb".to_owned(), "1".to_owned()], ["/c".to_owned(), String::new()]];
        assert_eq!(printed(|output| output.table(["FILE", "N"], &rows)), "FILE   N\n/a\\nb  1\n/c\n");
        assert_eq!(printed(|output| output.table(["FILE"], &[])), "");
    }

    #[test]
    fn json_is_one_safe_line_that_reads_back_as_the_same_value() {
        let value = serde_json::json!({"name": "a\n\u{202e}\u{e0041}\u{7f}é📁\\u202e", "n": [1, null]});
        let line = printed(|output| output.json_line(&value));
        assert_eq!(line.lines().count(), 1);
        assert!(!line.trim_end().contains(crate::observe::is_unsafe), "{line}");
        assert!(line.contains("é📁"), "{line}");
        assert_eq!(serde_json::from_str::<serde_json::Value>(&line).expect("JSON"), value);
        let pretty = printed(|output| output.json(&value));
        assert_eq!(serde_json::from_str::<serde_json::Value>(&pretty).expect("JSON"), value);
    }

    struct Broken(ErrorKind);

    impl Write for Broken {
        fn write(&mut self, _: &[u8]) -> io::Result<usize> {
            Err(self.0.into())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn a_reader_that_has_gone_ends_the_command_quietly_and_a_full_disk_does_not() {
        let end = |kind| {
            let mut output = Output::to(Broken(kind));
            output.line("text").and_then(|()| output.finish()).expect_err("nothing can be written")
        };
        let gone = end(ErrorKind::BrokenPipe);
        assert_eq!((gone.status, gone.message.as_str()), (0, ""));
        let full = end(ErrorKind::StorageFull);
        assert_eq!(full.status, 1);
        assert!(full.message.contains("standard output"));
    }
}
