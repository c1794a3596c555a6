//! The services behind sockets of the loopback interface: one listener for the AWS APIs, one for the Runtime API.
