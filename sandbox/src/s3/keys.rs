//! How S3 writes keys where they must be encoded.

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

/// What form encoding leaves alone, and the slash, which S3 leaves alone too.
const ENCODED: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'_')
    .remove(b'.')
    .remove(b'*')
    .remove(b'/');

/// Form encoding of a key: a space becomes `+`, all but unreserved characters and the slash becomes `%XX` of its UTF-8
/// (Amazon S3 User Guide, Event message structure: "red flower.jpg" becomes "red+flower.jpg"; API reference,
/// ListObjectsV2, EncodingType: `test_file(3).png` appears as `test_file%283%29.png`).
pub(super) fn form_encode(key: &str) -> String {
    utf8_percent_encode(key, ENCODED)
        .to_string()
        .replace("%20", "+")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(key: &str, expect: &str) {
        assert_eq!(form_encode(key), expect);
    }

    #[test]
    fn keys_are_form_encoded() {
        check("test_file(3).png", "test_file%283%29.png");
        check("red flower.jpg", "red+flower.jpg");
        check("a/../b+c%.mp4", "a/../b%2Bc%25.mp4");
        check("\u{1}é🎬", "%01%C3%A9%F0%9F%8E%AC");
    }
}
