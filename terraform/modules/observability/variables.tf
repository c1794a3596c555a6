variable "name" {
  type        = string
  description = "Prefix of all names, and the dashboard's name."
  nullable    = false
}

variable "function_names" {
  type        = map(string)
  description = "Names of the four functions by ingest-trigger, activity-worker, moderation-callback, reconciler."
  nullable    = false

  validation {
    condition     = toset(keys(var.function_names)) == toset(["ingest-trigger", "activity-worker", "moderation-callback", "reconciler"])
    error_message = "function_names needs ingest-trigger, activity-worker, moderation-callback and reconciler."
  }
}

variable "log_group_names" {
  type        = map(string)
  description = "Log groups of the functions by the same keys."
  nullable    = false
}

variable "state_machine_arn" {
  type        = string
  description = "The state machine."
  nullable    = false
}

variable "activity_arn" {
  type        = string
  description = "The activity."
  nullable    = false
}

variable "queue_names" {
  type        = map(string)
  description = "Queues of what could not be handled, by a short key."
  nullable    = false
}

variable "delivering_topic_names" {
  type        = map(string)
  description = "Topics that invoke functions: raw-uploads and moderation-results."
  nullable    = false
}

variable "sweep_rule_name" {
  type        = string
  description = "The rule that invokes the sweep."
  nullable    = false
}

variable "oldest_job_alarm_hours" {
  type        = number
  description = "Age in hours at which a job in flight is an alarm."
  nullable    = false
}

variable "queue_wait_alarm_hours" {
  type        = number
  description = "Wait in hours for a worker that is an alarm."
  nullable    = false
}

variable "alarm_topic_arn" {
  type        = string
  description = "Topic that alarms are announced on; null: none of the operator's own."
  default     = null
}

variable "alarm_email" {
  type        = string
  description = "Address that gets the alarms, through a topic of its own; null: none."
  default     = null

  validation {
    condition     = var.alarm_email == null || can(regex("^[^@[:space:]]+@[^@[:space:]]+$", var.alarm_email))
    error_message = "alarm_email is one address, say moderation@example.com."
  }
}

variable "kms_key_arn" {
  type        = string
  description = "Customer managed key of the alarm topic; null: none."
  default     = null
}
