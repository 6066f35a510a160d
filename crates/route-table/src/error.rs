//! What is wrong with a table, for the person who wrote it.

use std::fmt;

use crate::table::Position;

/// One mistake: where it is, what it is, and how to mend it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TableError {
    pub position: Position,
    /// What is wrong, with the value.
    pub message: String,
    /// What to write instead.
    pub mend: String,
    /// The line of the file, as it stands there.
    pub source_line: String,
}

/// Everything that is wrong with a table, in the order of the file. Never empty.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TableErrors(pub Vec<TableError>);

impl fmt::Display for TableError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            position: Position { file, line, column },
            message,
            mend,
            source_line,
        } = self;
        let number = line.to_string();
        let margin = " ".repeat(number.len());
        // Tabs are kept, so that the caret stands under its character in any terminal.
        let before: String = source_line
            .chars()
            .take(usize::try_from(column.saturating_sub(1)).unwrap_or(0))
            .map(|char| if char == '\t' { '\t' } else { ' ' })
            .collect();
        writeln!(f, "{file}:{line}:{column}: {message}")?;
        writeln!(f, "{margin} |")?;
        writeln!(f, "{number} | {source_line}")?;
        writeln!(f, "{margin} | {before}^")?;
        write!(f, "{margin} = mend: {mend}")
    }
}

impl fmt::Display for TableErrors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, error) in self.0.iter().enumerate() {
            if index > 0 {
                f.write_str("\n\n")?;
            }
            error.fmt(f)?;
        }
        Ok(())
    }
}

impl std::error::Error for TableError {}

impl std::error::Error for TableErrors {}
