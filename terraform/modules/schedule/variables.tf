variable "name" {
  type        = string
  description = "Prefix of all names."
  nullable    = false
}

variable "functions" {
  type        = map(object({ name = string, arn = string }))
  description = "The functions that are woken: activity-worker and reconciler."
  nullable    = false

  validation {
    condition     = length(setsubtract(["activity-worker", "reconciler"], keys(var.functions))) == 0
    error_message = "The schedule wakes activity-worker and reconciler: functions needs both."
  }
}

variable "state_machine_arn" {
  type        = string
  description = "State machine whose executions are watched."
  nullable    = false
}

variable "sweep_schedule" {
  type        = string
  description = "When the sweep begins: a schedule expression of EventBridge, in UTC."
  nullable    = false

  validation {
    condition     = can(regex("^(rate|cron)\\(.+\\)$", var.sweep_schedule))
    error_message = "A schedule is rate(<number> <unit>) or cron(<minute> <hour> <day of month> <month> <day of week> <year>), say rate(1 day)."
  }
}
