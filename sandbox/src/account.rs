//! The one account and region that the sandbox emulates, and the ARNs in it.

/// Account, region and partition of everything in the sandbox.
#[derive(Debug, Clone)]
pub struct Account {
    /// Twelve digits.
    pub id: String,
    /// For example `us-east-1`.
    pub region: String,
}

impl Default for Account {
    fn default() -> Self {
        Self {
            id: "123456789012".to_owned(),
            region: "us-east-1".to_owned(),
        }
    }
}

impl Account {
    /// `arn:aws:<service>:<region>:<account>:<resource>`; the resource may itself contain colons.
    #[must_use]
    pub fn arn(&self, service: &str, resource: &str) -> String {
        format!("arn:aws:{service}:{}:{}:{resource}", self.region, self.id)
    }
}
