# What the four functions are told and given. The sandbox deploys the same (sandbox/src/stack/): tests/stack.json is what both
# are compared with.

locals {
  ingest_environment = {
    # Otherwise mimalloc asks for pages of 2 MB, and keeps freed memory for a second: see docs/performance.md.
    MIMALLOC_ALLOW_THP   = "0"
    MIMALLOC_PURGE_DELAY = "0"
    RAW_BUCKET           = module.storage.bucket_names["raw"]
    STATE_MACHINE_ARN    = module.state_machine.arn
  }

  gate_environment = merge(local.ingest_environment,
    {
      APPROVED_BUCKET              = module.storage.bucket_names["approved"]
      LEDGER_BUCKET                = module.storage.bucket_names["ledger"]
      ACTIVITY_ARN                 = module.state_machine.activity_arn
      MODERATION_RESULTS_TOPIC_ARN = module.messaging.topic_arns["moderation-results"]
      REKOGNITION_ROLE_ARN         = module.messaging.rekognition_role_arn
      STACK_NAME                   = var.name
      MAX_JOBS                     = tostring(var.max_jobs)
      MAX_ANALYSES                 = tostring(var.max_analyses)
      MAX_ATTEMPTS                 = tostring(var.max_attempts)
      POLL_MS                      = tostring(65 * local.second_ms)
      WORK_MS                      = tostring(local.minute_s * local.second_ms)
      LEASE_MARGIN_MS              = tostring(local.minute_s * local.second_ms)
      OVERDUE_MS                   = tostring(5 * local.minute_s * local.second_ms)
      TICK_MS                      = tostring(local.minute_s * local.second_ms)
      LEFTOVERS_MS                 = tostring(local.hour_s * local.second_ms)
      LATE_COPY_MS                 = tostring(15 * local.minute_s * local.second_ms)
      SWEEP_WINDOW_MS              = tostring(var.sweep_window_days * local.day_s * local.second_ms)
    },
    var.max_video_minutes_a_day == null ? {} : { MAX_VIDEO_MINUTES_A_DAY = tostring(var.max_video_minutes_a_day) },
    var.cache_control == null ? {} : { CACHE_CONTROL = var.cache_control },
  )

  # Services through which a settling function meets what is encrypted: its own calls, and Rekognition's read of the video.
  services_with_key = ["s3", "rekognition"]

  # Ticks and events of executions: late ones are worth nothing, and the next tick does what they would have done.
  no_stale_ticks = { max_retries = 0, max_event_age_s = local.minute_s, on_failure_queue = null, tracing_mode = "PassThrough" }

  # Messages: tried again for as long as Lambda does, then kept. Only these are traced: Lambda samples the first request of
  # each second, so active tracing of ticks would record every single one, idle or not.
  no_lost_messages = { max_retries = 2, max_event_age_s = 6 * local.hour_s, tracing_mode = var.tracing_enabled ? "Active" : "PassThrough" }

  # Memory in MB: what the largest result needs is far below, and CPU follows memory (docs/performance.md).
  memory_mb = 256

  functions = {
    ingest-trigger = merge(local.no_lost_messages, {
      description       = "Starts an execution for each uploaded version"
      timeout_s         = local.minute_s
      environment       = local.ingest_environment
      on_failure_queue  = { arn = module.messaging.queue_arns["ingest-failures"] }
      services_with_key = []
    })
    activity-worker = merge(local.no_stale_ticks, {
      description       = "Takes tasks as far as jobs are free, and starts their scans"
      timeout_s         = 5 * local.minute_s
      environment       = local.gate_environment
      services_with_key = local.services_with_key
    })
    moderation-callback = merge(local.no_lost_messages, {
      description       = "Settles the jobs that Rekognition says have ended"
      timeout_s         = 15 * local.minute_s
      environment       = local.gate_environment
      on_failure_queue  = { arn = module.messaging.queue_arns["callback-failures"] }
      services_with_key = local.services_with_key
    })
    reconciler = merge(local.no_stale_ticks, {
      description       = "Keeps tasks alive and brings back what was lost"
      timeout_s         = 15 * local.minute_s
      environment       = merge(local.gate_environment, { DECISIONS_TOPIC_ARN = module.messaging.topic_arns["decisions"] })
      services_with_key = concat(local.services_with_key, ["sns"])
    })
  }
}
