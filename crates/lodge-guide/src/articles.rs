//! Articles: a folder of Markdown files, searched by what a visitor asks, answered as plain text.

mod article;
mod folder;
mod front;
mod index;
mod inline;
mod passage;
mod plain;
mod question;
mod stop_words;

pub(crate) use front::{is_language, primary};
pub(crate) use stop_words::is_stop_word;

pub use article::Article;
pub use folder::{MOST_ARTICLES, MOST_BYTES, MOST_TOGETHER};
pub use index::{Articles, Hit};
