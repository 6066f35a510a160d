//! A tree of elements, and typed access to the fields of a record.

use std::fmt::Display;
use std::str::FromStr;

/// An element with its text and its children; the order of text among children is not kept, for
/// messages hold records, not prose.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Element {
    /// The namespace's URI; empty for none.
    pub namespace: String,
    /// The name without a prefix.
    pub name: String,
    /// All text directly inside.
    pub text: String,
    /// The child elements in document order.
    pub children: Vec<Element>,
    pub(crate) attributes: Vec<Attribute>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Attribute {
    /// Empty for none: an attribute does not inherit its element's namespace.
    pub(crate) namespace: String,
    pub(crate) name: String,
    pub(crate) value: String,
}

/// Says what is wrong with a field of a record.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FieldError {
    /// The field is not there.
    #[error("{record} has no {field}")]
    Missing {
        /// The element that should hold the field.
        record: String,
        /// The field's name.
        field: String,
    },
    /// The field is there more than once.
    #[error("{record} has more than one {field}")]
    Repeated {
        /// The element that holds the field.
        record: String,
        /// The field's name.
        field: String,
    },
    /// The field holds something else than was expected.
    #[error("{field} in {record} is not {expected}")]
    Invalid {
        /// The element that holds the field.
        record: String,
        /// The field's name.
        field: String,
        /// What it should be.
        expected: &'static str,
    },
}

impl Element {
    /// An empty element.
    #[must_use]
    pub fn new(namespace: &str, name: &str) -> Self {
        Self {
            namespace: namespace.to_owned(),
            name: name.to_owned(),
            text: String::new(),
            children: Vec::new(),
            attributes: Vec::new(),
        }
    }

    /// Adds a child.
    #[must_use]
    pub fn with(mut self, child: Self) -> Self {
        self.children.push(child);
        self
    }

    /// Adds children.
    #[must_use]
    pub fn with_all(mut self, children: impl IntoIterator<Item = Self>) -> Self {
        self.children.extend(children);
        self
    }

    /// Adds a child of the same namespace that holds nothing but `value`.
    #[must_use]
    pub fn with_field(self, name: &str, value: impl Display) -> Self {
        let mut field = Self::new(&self.namespace, name);
        field.text = value.to_string();
        self.with(field)
    }

    /// Adds a field if there is a value for it.
    #[must_use]
    pub fn with_optional(self, name: &str, value: Option<impl Display>) -> Self {
        match value {
            Some(value) => self.with_field(name, value),
            None => self,
        }
    }

    /// Whether this is the element `name` of `namespace`.
    #[must_use]
    pub fn is(&self, namespace: &str, name: &str) -> bool {
        self.name == name && self.namespace == namespace
    }

    /// The children called `name`, in this element's namespace.
    pub fn children_named<'e, 'n>(
        &'e self,
        name: &'n str,
    ) -> impl Iterator<Item = &'e Self> + use<'e, 'n> {
        self.children
            .iter()
            .filter(move |child| child.is(&self.namespace, name))
    }

    /// The value of an attribute; `namespace` is empty for an attribute without a prefix.
    #[must_use]
    pub fn attribute(&self, namespace: &str, name: &str) -> Option<&str> {
        self.attributes
            .iter()
            .find(|attribute| attribute.name == name && attribute.namespace == namespace)
            .map(|attribute| attribute.value.as_str())
    }

    /// The child called `name`.
    ///
    /// # Errors
    /// There are several.
    pub fn child(&self, name: &str) -> Result<Option<&Self>, FieldError> {
        let mut found = self.children_named(name);
        let first = found.next();
        if found.next().is_some() {
            let (record, field) = (self.name.clone(), name.to_owned());
            return Err(FieldError::Repeated { record, field });
        }
        Ok(first)
    }

    /// The child called `name`.
    ///
    /// # Errors
    /// There is none, or there are several.
    pub fn required_child(&self, name: &str) -> Result<&Self, FieldError> {
        self.child(name)?.ok_or_else(|| FieldError::Missing {
            record: self.name.clone(),
            field: name.to_owned(),
        })
    }

    /// The value of the field `name`, if it is there.
    ///
    /// # Errors
    /// The field is repeated, has children, or does not hold a `T`.
    pub fn optional<T: Field>(&self, name: &str) -> Result<Option<T>, FieldError> {
        self.child(name)?.map(|field| self.read(field)).transpose()
    }

    /// The value of the field `name`.
    ///
    /// # Errors
    /// The field is missing, repeated, has children, or does not hold a `T`.
    pub fn required<T: Field>(&self, name: &str) -> Result<T, FieldError> {
        self.read(self.required_child(name)?)
    }

    fn read<T: Field>(&self, field: &Self) -> Result<T, FieldError> {
        let value = if field.children.is_empty() {
            T::parse(&field.text)
        } else {
            None
        };
        value.ok_or_else(|| FieldError::Invalid {
            record: self.name.clone(),
            field: field.name.clone(),
            expected: T::EXPECTED,
        })
    }
}

/// What a field can hold.
pub trait Field: Sized {
    /// What the text should be, for messages: "a number".
    const EXPECTED: &'static str;

    /// Reads the text of the field; `None` if it does not fit.
    fn parse(text: &str) -> Option<Self>;
}

impl Field for String {
    const EXPECTED: &'static str = "text";

    fn parse(text: &str) -> Option<Self> {
        Some(text.to_owned())
    }
}

impl Field for i64 {
    const EXPECTED: &'static str = "a whole number";

    fn parse(text: &str) -> Option<Self> {
        number(text)
    }
}

impl Field for u32 {
    const EXPECTED: &'static str = "a whole number from 0 to 4294967295";

    fn parse(text: &str) -> Option<Self> {
        number(text)
    }
}

/// The schema's number types let spaces stand around a number.
fn number<T: FromStr>(text: &str) -> Option<T> {
    text.trim_ascii().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record() -> Element {
        Element::new("urn:a", "Customer")
            .with_field("No", " 7 ")
            .with_field("Name", "x")
            .with_field("Twice", 1)
            .with_field("Twice", 2)
            .with(Element::new("urn:b", "Foreign"))
            .with(Element::new("urn:a", "Deep").with_field("Part", 1))
    }

    #[test]
    fn fields_are_read_by_type() {
        assert_eq!(record().required::<i64>("No"), Ok(7));
        assert_eq!(record().optional::<String>("Name"), Ok(Some("x".into())));
        assert_eq!(record().optional::<String>("None"), Ok(None));
    }

    #[track_caller]
    fn assert_message(result: Result<i64, FieldError>, expected: &str) {
        assert_eq!(result.unwrap_err().to_string(), expected);
    }

    #[test]
    fn what_does_not_fit_is_named() {
        let record = record();
        assert_message(record.required("None"), "Customer has no None");
        assert_message(
            record.required("Name"),
            "Name in Customer is not a whole number",
        );
        assert_message(record.required("Twice"), "Customer has more than one Twice");
        assert_message(
            record.required("Deep"),
            "Deep in Customer is not a whole number",
        );
    }

    #[test]
    fn an_element_of_another_namespace_is_another_element() {
        assert_eq!(record().child("Foreign"), Ok(None));
    }
}
