//! Deploys the workflow into the sandbox, as Terraform does on AWS.
