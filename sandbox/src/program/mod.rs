//! The command-line program: samples, own files, or a server that stays up.
