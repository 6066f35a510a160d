//! Pages for people whose request has failed.

use http::StatusCode;

use crate::table::FileId;

/// `error_pages:` of a route or of the whole table.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub struct ErrorPages {
    /// The most exact first.
    pub pages: Vec<(PageFor, FileId)>,
    /// Whether an upstream's own 5xx becomes a page too; `None`: as the whole table says, and by default no.
    pub intercept: Option<bool>,
}

/// What a page is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum PageFor {
    /// 503 of a row that is closed for maintenance.
    Maintenance,
    Status(StatusCode),
    /// All of `4xx` or `5xx` that have none of their own.
    Class(u16),
}

impl ErrorPages {
    /// The page for a status; `is_maintenance` says that the row is closed.
    #[must_use]
    pub fn find(&self, status: StatusCode, is_maintenance: bool) -> Option<FileId> {
        let fits = |page: PageFor| match page {
            PageFor::Maintenance => is_maintenance,
            PageFor::Status(wanted) => wanted == status,
            PageFor::Class(class) => status.as_u16() / 100 == class,
        };
        let mut pages = self.pages.iter();
        pages.find_map(|(page, file)| fits(*page).then_some(*file))
    }
}

/// As it is written in the table.
impl std::fmt::Display for PageFor {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Maintenance => f.write_str("maintenance"),
            Self::Status(status) => write!(f, "{}", status.as_u16()),
            Self::Class(class) => write!(f, "{class}xx"),
        }
    }
}
