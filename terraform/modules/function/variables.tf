variable "name" {
  type        = string
  description = "Name of the function and of its role."
  nullable    = false

  validation {
    condition     = can(regex("^[A-Za-z0-9_-]{1,64}$", var.name))
    error_message = "A function's name has 1 to 64 letters, digits, dashes and underscores."
  }
}

variable "description" {
  type        = string
  description = "What the function does."
  nullable    = false
}

variable "zip" {
  type        = object({ path = string, hash = string, required = bool })
  description = "The function's zip, its base64 SHA-256 (null: unchanged), and whether it must be there at plan."
  nullable    = false
}

variable "iam_policy" {
  type        = string
  description = "What the program calls, as an IAM policy in JSON."
  nullable    = false
}

variable "environment" {
  type        = map(string)
  description = "Environment variables."
  nullable    = false
}

variable "memory_mb" {
  type        = number
  description = "Memory in MB; CPU follows it."
  nullable    = false
}

variable "timeout_s" {
  type        = number
  description = "Timeout of an invocation in seconds."
  nullable    = false

  validation {
    condition     = var.timeout_s >= 1 && var.timeout_s <= 900
    error_message = "Lambda ends an invocation after at most 900 seconds."
  }
}

variable "max_retries" {
  type        = number
  description = "How often Lambda retries an event that the function failed on."
  nullable    = false

  validation {
    condition     = contains([0, 1, 2], var.max_retries)
    error_message = "Lambda retries an asynchronous event at most twice."
  }
}

variable "max_event_age_s" {
  type        = number
  description = "Age in seconds at which Lambda gives an event up."
  nullable    = false

  validation {
    condition     = var.max_event_age_s >= 60 && var.max_event_age_s <= 21600
    error_message = "Lambda keeps an asynchronous event for 60 to 21600 seconds (6 hours)."
  }
}

variable "on_failure_queue" {
  type        = object({ arn = string })
  description = "Queue for events that the function failed on for good; null: they are dropped."
  default     = null
}

variable "log_retention_days" {
  type        = number
  description = "Days that log lines are kept."
  nullable    = false
}

variable "tracing_mode" {
  type        = string
  description = "Active: Lambda samples invocations for X-Ray. PassThrough: only what its caller sampled."
  nullable    = false

  validation {
    condition     = contains(["Active", "PassThrough"], var.tracing_mode)
    error_message = "The tracing mode is Active or PassThrough."
  }
}

variable "reserved_concurrency" {
  type        = number
  description = "Invocations reserved for the function, and its limit; null: none."
  default     = null
}

variable "kms_key_arn" {
  type        = string
  description = "Customer managed key for environment and logs; null: AWS's own."
  default     = null
}

variable "services_with_key" {
  type        = list(string)
  description = "Services through which the function meets what is encrypted with that key, by endpoint prefix (s3, sns, …)."
  default     = []
  nullable    = false
}

variable "permissions_boundary_arn" {
  type        = string
  description = "Permissions boundary of the role; null: none."
  default     = null
}
