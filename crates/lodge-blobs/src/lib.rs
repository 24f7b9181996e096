//! Content-addressed raw originals and attachments.
