variable "bucket_names" {
  type        = object({ raw = string, approved = string, ledger = string, access_logs = string })
  description = "Names of the buckets, all different."
  nullable    = false

  validation {
    condition     = alltrue([for name in values(var.bucket_names) : can(regex("^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$", name))])
    error_message = "A bucket's name has 3 to 63 characters of a-z, 0-9, dots and dashes, and begins and ends with a letter or digit."
  }

  validation {
    condition     = length(toset(values(var.bucket_names))) == 4
    error_message = "The four buckets need four different names: what is in the raw bucket must not be in the approved one."
  }
}

variable "gate_role_arns" {
  type        = list(string)
  description = "Roles of the functions that settle: they alone write approved videos and the ledger."
  nullable    = false

  validation {
    condition     = length(var.gate_role_arns) > 0
    error_message = "Without a role in gate_role_arns nobody could publish."
  }
}

variable "administrator_arns" {
  type        = list(string)
  description = "Principals that may change the buckets' policies, versioning and lifecycle, and the policy in the ledger. `*` is a wildcard."
  nullable    = false

  validation {
    condition     = length(var.administrator_arns) > 0
    error_message = "Without an administrator nobody but the account's root user could ever change the buckets again."
  }
}

variable "raw_uploads_topic_arn" {
  type        = string
  description = "Topic that S3 announces uploads on; its policy must let S3 publish already."
  nullable    = false
}

variable "policy_file" {
  type        = string
  description = "The moderation policy, a JSON document, that goes into the ledger."
  nullable    = false
}

variable "kms_key_arn" {
  type        = string
  description = "Customer managed key for the buckets; null: SSE-S3."
  default     = null
}

variable "force_destroy" {
  type        = bool
  description = "Whether destroying a bucket destroys everything in it."
  default     = false
  nullable    = false
}

variable "retention_days" {
  type = object({
    rejected_raw      = optional(number)
    approved_raw      = optional(number)
    raw               = optional(number)
    replaced_approved = optional(number)
    reports           = optional(number)
    access_logs       = optional(number, 90)
  })
  description = "Days until rejected raw versions, approved raw versions, all raw versions, replaced or taken-down approved versions, reports and access logs expire; null: never."
  default     = {}
  nullable    = false
}
