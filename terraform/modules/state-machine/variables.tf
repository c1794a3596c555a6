variable "name" {
  type        = string
  description = "Prefix of all names."
  nullable    = false
}

variable "definition_file" {
  type        = string
  description = "The state machine's definition: a template with ARNs and durations as placeholders."
  nullable    = false
}

variable "iam_policy" {
  type        = string
  description = "What the states call, as an IAM policy in JSON."
  nullable    = false
}

variable "decisions_topic_arn" {
  type        = string
  description = "Topic that verdicts are announced on."
  nullable    = false
}

variable "machine_timeout_s" {
  type        = number
  description = "Seconds after which an execution ends as timed out, the wait for a worker included."
  nullable    = false

  validation {
    condition     = var.machine_timeout_s <= 31536000
    error_message = "An execution lasts at most a year (31536000 seconds)."
  }
}

variable "task_timeout_s" {
  type        = number
  description = "Seconds that a task may take once a worker has it."
  nullable    = false

  validation {
    condition     = var.task_timeout_s < var.machine_timeout_s
    error_message = "A task must time out before its machine does: task_timeout_s is below machine_timeout_s."
  }
}

variable "heartbeat_s" {
  type        = number
  description = "Seconds without a heartbeat after which a task counts as lost."
  nullable    = false

  validation {
    condition     = var.heartbeat_s < var.task_timeout_s
    error_message = "Step Functions takes a heartbeat that is shorter than the task's timeout only: heartbeat_s is below task_timeout_s."
  }
}

variable "log_level" {
  type        = string
  description = "Which events of executions are logged: ALL, ERROR or FATAL."
  nullable    = false

  validation {
    condition     = contains(["ALL", "ERROR", "FATAL"], var.log_level)
    error_message = "The state machine's log level is ALL, ERROR or FATAL."
  }
}

variable "log_retention_days" {
  type        = number
  description = "Days that log lines are kept."
  nullable    = false
}

variable "tracing_enabled" {
  type        = bool
  description = "Whether X-Ray traces executions."
  nullable    = false
}

variable "kms_key_arn" {
  type        = string
  description = "Customer managed key of the log group and of the decisions topic; null: AWS's own."
  default     = null
}

variable "permissions_boundary_arn" {
  type        = string
  description = "Permissions boundary of the role; null: none."
  default     = null
}
