variable "name" {
  type        = string
  description = "The gate's name, as in the stack: the roles may touch what is named after it, and nothing else."
  default     = "reelgate"
  nullable    = false

  # The longest derived name: bucket <name>-terraform-state-<12 digits>, 63.
  validation {
    condition     = can(regex("^[a-z][a-z0-9-]{1,30}[a-z0-9]$", var.name))
    error_message = "name has 3 to 32 characters of a-z, 0-9 and dashes, begins with a letter and does not end with a dash."
  }
}

variable "repository" {
  type        = string
  description = "GitHub repository whose workflows plan and apply, <owner>/<name>."
  nullable    = false

  validation {
    condition     = can(regex("^[A-Za-z0-9-]+/[A-Za-z0-9._-]+$", var.repository))
    error_message = "repository is <owner>/<name>, without wildcards: every repository that matches could deploy here."
  }
}

variable "environment" {
  type        = string
  description = "GitHub environment whose jobs may apply. Give it required reviewers and one branch."
  default     = "production"
  nullable    = false

  validation {
    condition     = can(regex("^[A-Za-z0-9._-]{1,255}$", var.environment))
    error_message = "environment is the name of a GitHub environment of letters, digits, dots, dashes and underscores, without wildcards."
  }
}

variable "branch" {
  type        = string
  description = "Branch whose workflows may plan besides pull requests'."
  default     = "main"
  nullable    = false

  validation {
    condition     = can(regex("^[A-Za-z0-9._/-]+$", var.branch))
    error_message = "branch is the name of a branch of letters, digits, dots, dashes, underscores and slashes, without wildcards."
  }
}

variable "kms_key_arn" {
  type        = string
  description = "The stack's kms_key_arn, which the roles then use too; null: none."
  default     = null

  validation {
    condition     = var.kms_key_arn == null || can(regex("^arn:[a-z-]+:kms:[a-z0-9-]+:[0-9]{12}:key/.+$", var.kms_key_arn))
    error_message = "kms_key_arn is the ARN of a key, arn:<partition>:kms:<region>:<account>:key/<id>: an alias does not do."
  }
}

variable "oidc_provider_arn" {
  type        = string
  description = "The account's identity provider for token.actions.githubusercontent.com, if there is one already (an account has at most one); null: it is made here."
  default     = null

  validation {
    condition     = var.oidc_provider_arn == null || can(regex("^arn:[a-z-]+:iam::[0-9]{12}:oidc-provider/token\\.actions\\.githubusercontent\\.com$", var.oidc_provider_arn))
    error_message = "oidc_provider_arn is arn:<partition>:iam::<account>:oidc-provider/token.actions.githubusercontent.com."
  }
}
