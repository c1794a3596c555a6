# --- Names and ownership ---

variable "name" {
  type        = string
  description = "Prefix of all names, one a gate and account (roles are not regional). It must stay: scans that were paid for are found again by it."
  default     = "reelgate"
  nullable    = false

  # The longest derived names: bucket <name>-access-logs-<12 digits>, 63; role <name>-moderation-callback, 64.
  validation {
    condition     = can(regex("^[a-z][a-z0-9-]{1,30}[a-z0-9]$", var.name))
    error_message = "name has 3 to 32 characters of a-z, 0-9 and dashes, begins with a letter and does not end with a dash: buckets, roles and queues are named after it."
  }
}

variable "tags" {
  type        = map(string)
  description = "Tags of everything, besides project and stack."
  default     = {}
  nullable    = false
}

variable "raw_bucket_name" {
  type        = string
  description = "Name of the raw bucket; null: <name>-raw-<account>. An existing bucket must be imported first (README.md)."
  default     = null

  validation {
    condition     = var.raw_bucket_name == null || can(regex("^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$", var.raw_bucket_name))
    error_message = "A bucket's name has 3 to 63 characters of a-z, 0-9, dots and dashes, and begins and ends with a letter or digit."
  }
}

variable "administrator_arns" {
  type        = list(string)
  description = "Principals that may change the buckets' policies, versioning and lifecycle; `*` is a wildcard. Empty: whoever runs Terraform. Set it where plan and apply run as different roles."
  default     = []
  nullable    = false

  validation {
    condition     = alltrue([for arn in var.administrator_arns : can(regex("^arn:[a-z-]+:iam::[0-9]{12}:(root$|(role|user)/.)", arn))])
    error_message = "administrator_arns are ARNs of IAM roles or users, arn:<partition>:iam::<account>:role/<name>: of an assumed role the role's, not its session's."
  }
}

variable "permissions_boundary_arn" {
  type        = string
  description = "Permissions boundary of all roles, as terraform/bootstrap makes one; null: none."
  default     = null
}

# --- Moderation ---

variable "policy_file" {
  type        = string
  description = "The moderation policy (docs/policy.md). Whoever changes it decides what is approved."
  default     = "../workflow/policy/default.json"
  nullable    = false

  validation {
    condition     = can(jsondecode(file(var.policy_file)).default.action)
    error_message = "policy_file is a JSON document with schema_version, default and rules, see docs/policy.md; this one cannot be read or has no default action."
  }
}

variable "max_jobs" {
  type        = number
  description = "Rekognition jobs that may be open at once; 0 pauses. Keep it at or below the account's quota of concurrent stored video jobs (20 unless raised)."
  default     = 20
  nullable    = false

  validation {
    condition     = var.max_jobs >= 0 && var.max_jobs <= 1000 && floor(var.max_jobs) == var.max_jobs
    error_message = "max_jobs is a whole number from 0 (pause) to 1000."
  }
}

variable "max_video_minutes_a_day" {
  type        = number
  description = "Minutes of video whose scans may start on a day (UTC); above, tasks wait for the next day. null: any number."
  default     = null

  validation {
    condition     = var.max_video_minutes_a_day == null ? true : var.max_video_minutes_a_day >= 1 && var.max_video_minutes_a_day <= 100000 && floor(var.max_video_minutes_a_day) == var.max_video_minutes_a_day
    error_message = "max_video_minutes_a_day is a whole number from 1 to 100000, or null for no cap; max_jobs = 0 pauses."
  }
}

variable "max_analyses" {
  type        = number
  description = "Paid scans of one version in one drive of its execution, whatever the reason."
  default     = 2
  nullable    = false

  validation {
    condition     = var.max_analyses >= 1 && var.max_analyses <= 10 && floor(var.max_analyses) == var.max_analyses
    error_message = "max_analyses is a whole number from 1 to 10."
  }
}

variable "max_attempts" {
  type        = number
  description = "Tries of the same work before a task fails."
  default     = 20
  nullable    = false

  validation {
    condition     = var.max_attempts >= 1 && var.max_attempts <= 1000 && floor(var.max_attempts) == var.max_attempts
    error_message = "max_attempts is a whole number from 1 to 1000."
  }
}

variable "cache_control" {
  type        = string
  description = "Cache-Control of approved objects; null: none."
  default     = null
}

variable "sweep_schedule" {
  type        = string
  description = "When uploads are looked for whose event was lost: a schedule expression of EventBridge, in UTC."
  default     = "rate(1 day)"
  nullable    = false
}

variable "sweep_window_days" {
  type        = number
  description = "Age in days up to which the sweep starts executions for versions without a report."
  default     = 14
  nullable    = false

  validation {
    condition     = var.sweep_window_days >= 1 && var.sweep_window_days <= 80
    error_message = "sweep_window_days is 1 to 80: names of executions are free again after 90 days, and an older version would be moderated twice."
  }
}

variable "machine_timeout_days" {
  type        = number
  description = "Days after which an execution ends as timed out, the wait in the queue included."
  default     = 30
  nullable    = false

  validation {
    condition     = var.machine_timeout_days >= 1 && var.machine_timeout_days <= 365 && floor(var.machine_timeout_days) == var.machine_timeout_days
    error_message = "machine_timeout_days is a whole number from 1 to 365: an execution lasts at most a year."
  }
}

variable "task_timeout_hours" {
  type        = number
  description = "Hours that a task may take once a worker has it: more than the longest job."
  default     = 12
  nullable    = false

  validation {
    condition     = var.task_timeout_hours >= 7 && var.task_timeout_hours <= 240 && var.task_timeout_hours < 24 * var.machine_timeout_days && floor(var.task_timeout_hours) == var.task_timeout_hours
    error_message = "task_timeout_hours is a whole number from 7 (Rekognition takes videos of 6 hours) to 240, and less than machine_timeout_days."
  }
}

variable "heartbeat_s" {
  type        = number
  description = "Seconds without a heartbeat after which a task counts as lost and is given out again."
  default     = 300
  nullable    = false

  validation {
    condition     = var.heartbeat_s >= 240 && var.heartbeat_s < var.task_timeout_hours * 3600 && floor(var.heartbeat_s) == var.heartbeat_s
    error_message = "heartbeat_s is a whole number from 240 (four ticks) to less than task_timeout_hours."
  }
}

# --- Code ---

variable "zip_dir" {
  type        = string
  description = "Folder of the functions' zips, <function>/bootstrap.zip each, as `just build` makes them."
  default     = "../target/lambda"
  nullable    = false
}

variable "release" {
  type        = string
  description = "Tag of the release whose zips are deployed instead; null: zip_dir."
  default     = null

  validation {
    condition     = var.release == null || can(regex("^[A-Za-z0-9][A-Za-z0-9._-]{0,99}$", var.release))
    error_message = "release is a tag of letters, digits, dots, dashes and underscores, say v1.2.3."
  }
}

variable "release_repository" {
  type        = string
  description = "GitHub repository of that release, <owner>/<name>."
  default     = null

  validation {
    condition     = var.release_repository == null || can(regex("^[A-Za-z0-9-]+/[A-Za-z0-9._-]+$", var.release_repository))
    error_message = "release_repository is <owner>/<name>."
  }

  validation {
    condition     = var.release == null || var.release_repository != null
    error_message = "A release needs release_repository = \"<owner>/<name>\" too."
  }
}

variable "reserved_concurrency" {
  type        = map(number)
  description = "Concurrency reserved for functions, by ingest-trigger, activity-worker, moderation-callback, reconciler. New accounts refuse any."
  default     = {}
  nullable    = false

  validation {
    condition     = length(setsubtract(keys(var.reserved_concurrency), ["ingest-trigger", "activity-worker", "moderation-callback", "reconciler"])) == 0
    error_message = "reserved_concurrency knows ingest-trigger, activity-worker, moderation-callback and reconciler."
  }

  validation {
    condition     = alltrue([for number in values(var.reserved_concurrency) : number >= 1 && floor(number) == number])
    error_message = "A reserved concurrency is a whole number from 1 on: with 0 Lambda would throw every event away. max_jobs = 0 pauses."
  }
}

# --- Storage ---

variable "kms_key_arn" {
  type        = string
  description = "Customer managed key for buckets, topics, queues, environments and logs; null: AWS's own. Its policy needs the output kms_key_policy_statements first."
  default     = null

  validation {
    condition     = var.kms_key_arn == null || can(regex("^arn:[a-z-]+:kms:[a-z0-9-]+:[0-9]{12}:key/.+$", var.kms_key_arn))
    error_message = "kms_key_arn is the ARN of a key, arn:<partition>:kms:<region>:<account>:key/<id>: an alias does not do."
  }
}

variable "force_destroy" {
  type        = bool
  description = "Whether `terraform destroy` deletes buckets with everything in them, all versions included."
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
  description = "Days until rejected raw versions, approved raw versions, all raw versions, replaced or taken-down approved versions, reports and access logs expire; null: never. What was uploaded is kept at least that long, and gone after twice that."
  default     = {}
  nullable    = false

  validation {
    condition     = alltrue([for days in values(var.retention_days) : days == null ? true : days >= 1 && floor(days) == days])
    error_message = "retention_days are whole numbers from 1 on, or null for never."
  }

  # Executions can be redriven for 14 days after they ended, and look at the raw version again.
  validation {
    condition     = var.retention_days.raw == null ? true : var.retention_days.raw >= var.machine_timeout_days + 14
    error_message = "retention_days.raw is at least machine_timeout_days + 14: videos that still wait, or may be redriven, would be gone."
  }

  validation {
    condition     = var.retention_days.reports == null ? true : var.retention_days.reports >= 90
    error_message = "retention_days.reports is at least 90: a version without a report is moderated again by the sweep or a backfill."
  }
}

# --- Watching ---

variable "state_machine_log_level" {
  type        = string
  description = "Which events of executions are logged: ALL, ERROR or FATAL. Input, output and causes never are."
  default     = "ERROR"
  nullable    = false

  validation {
    condition     = contains(["ALL", "ERROR", "FATAL"], var.state_machine_log_level)
    error_message = "state_machine_log_level is ALL, ERROR or FATAL."
  }
}

variable "log_retention_days" {
  type        = number
  description = "Days that logs are kept."
  default     = 30
  nullable    = false

  validation {
    condition     = contains([1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827, 2192, 2557, 2922, 3288, 3653], var.log_retention_days)
    error_message = "CloudWatch Logs keeps logs for 1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827, 2192, 2557, 2922, 3288 or 3653 days."
  }
}

variable "tracing_enabled" {
  type        = bool
  description = "Whether X-Ray traces executions and the functions that messages invoke. Idle ticks are never traced."
  default     = true
  nullable    = false
}

variable "alarm_topic_arn" {
  type        = string
  description = "SNS topic that alarms are announced on; null: none."
  default     = null

  validation {
    condition     = var.alarm_topic_arn == null || can(regex("^arn:[a-z-]+:sns:[a-z0-9-]+:[0-9]{12}:.+$", var.alarm_topic_arn))
    error_message = "alarm_topic_arn is the ARN of an SNS topic, arn:<partition>:sns:<region>:<account>:<name>."
  }
}

variable "alarm_email" {
  type        = string
  description = "Address that gets the alarms, once it confirmed; null: none."
  default     = null
}

variable "oldest_job_alarm_hours" {
  type        = number
  description = "Age in hours at which a job in flight is an alarm."
  default     = 8
  nullable    = false

  validation {
    condition     = var.oldest_job_alarm_hours > 0 && var.oldest_job_alarm_hours < var.task_timeout_hours
    error_message = "oldest_job_alarm_hours is above 0 and below task_timeout_hours: at the latter the task is given up."
  }
}

variable "queue_wait_alarm_hours" {
  type        = number
  description = "Wait for a free job, in hours, that is an alarm."
  default     = 24
  nullable    = false

  validation {
    condition     = var.queue_wait_alarm_hours > 0 && var.queue_wait_alarm_hours < 24 * var.machine_timeout_days
    error_message = "queue_wait_alarm_hours is above 0 and below machine_timeout_days: at the latter the execution times out."
  }
}
