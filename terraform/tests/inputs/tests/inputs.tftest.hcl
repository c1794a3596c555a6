# Every validation of an input, with values just outside of what is taken, and just inside. variables.tf is the root module's own, alone:
# no provider is needed here.

variables {
  policy_file = "../../../workflow/policy/default.json"
}

run "refuses_what_is_too_small" {
  command = plan

  variables {
    name                    = "re"
    max_jobs                = -1
    max_video_minutes_a_day = 0
    max_analyses            = 0
    max_attempts            = 0
    sweep_window_days       = 0
    heartbeat_s             = 239
    log_retention_days      = 0
    oldest_job_alarm_hours  = 0
    queue_wait_alarm_hours  = 0
    reserved_concurrency    = { reconciler = 0 }
    retention_days          = { rejected_raw = 0 }
    raw_bucket_name         = "ab"
  }

  expect_failures = [
    var.name,
    var.max_jobs,
    var.max_video_minutes_a_day,
    var.max_analyses,
    var.max_attempts,
    var.sweep_window_days,
    var.heartbeat_s,
    var.log_retention_days,
    var.oldest_job_alarm_hours,
    var.queue_wait_alarm_hours,
    var.reserved_concurrency,
    var.retention_days,
    var.raw_bucket_name,
  ]
}

run "refuses_what_is_too_large" {
  command = plan

  variables {
    name                    = "a12345678901234567890123456789012"
    max_jobs                = jsondecode(file("../stack.json")).slots_max + 1
    max_video_minutes_a_day = 100001
    max_analyses            = 11
    max_attempts            = 1001
    sweep_window_days       = 81
    log_retention_days      = 3654
    oldest_job_alarm_hours  = 241
    queue_wait_alarm_hours  = 8784
  }

  expect_failures = [
    var.name,
    var.max_jobs,
    var.max_video_minutes_a_day,
    var.max_analyses,
    var.max_attempts,
    var.sweep_window_days,
    var.log_retention_days,
    var.oldest_job_alarm_hours,
    var.queue_wait_alarm_hours,
  ]
}

run "refuses_what_is_not_whole_or_not_offered" {
  command = plan

  variables {
    max_jobs                = 1.5
    max_video_minutes_a_day = 0.5
    max_analyses            = 1.5
    max_attempts            = 1.5
    heartbeat_s             = 300.5
    log_retention_days      = 31
    state_machine_log_level = "OFF"
    reserved_concurrency    = { worker = 1 }
    retention_days          = { access_logs = 1.5 }
  }

  expect_failures = [
    var.max_jobs,
    var.max_video_minutes_a_day,
    var.max_analyses,
    var.max_attempts,
    var.heartbeat_s,
    var.log_retention_days,
    var.state_machine_log_level,
    var.reserved_concurrency,
    var.retention_days,
  ]
}

run "refuses_what_is_malformed" {
  command = plan

  variables {
    name               = "Reelgate"
    raw_bucket_name    = "Raw"
    administrator_arns = ["arn:aws:sts::123456789012:assumed-role/deployer/session"]
    policy_file        = "variables.tf"
    release_repository = "name-alone"
    kms_key_arn        = "arn:aws:kms:us-east-1:123456789012:alias/mine"
    alarm_topic_arn    = "alarms"
  }

  expect_failures = [
    var.name,
    var.raw_bucket_name,
    var.administrator_arns,
    var.policy_file,
    var.release_repository,
    var.kms_key_arn,
    var.alarm_topic_arn,
  ]
}

run "refuses_what_cannot_be_read_or_ends_in_a_dash" {
  command = plan

  variables {
    name               = "reelgate-"
    release            = "../evil"
    policy_file        = "missing.json"
    administrator_arns = ["deployer"]
  }

  expect_failures = [
    var.name,
    var.release,
    var.policy_file,
    var.administrator_arns,
  ]
}

run "refuses_names_that_begin_with_a_digit_and_policies_without_a_default" {
  command = plan

  variables {
    name        = "4reel"
    policy_file = "../stack.json"
  }

  expect_failures = [
    var.name,
    var.policy_file,
  ]
}

# Other inputs are only judged once these two are good.
run "refuses_a_machine_timeout_that_is_too_short" {
  command = plan

  variables {
    machine_timeout_days = 0
  }

  expect_failures = [var.machine_timeout_days]
}

run "refuses_a_machine_timeout_that_is_too_long" {
  command = plan

  variables {
    machine_timeout_days = 366
  }

  expect_failures = [var.machine_timeout_days]
}

run "refuses_a_machine_timeout_that_is_not_whole" {
  command = plan

  variables {
    machine_timeout_days = 1.5
  }

  expect_failures = [var.machine_timeout_days]
}

run "refuses_a_task_timeout_that_is_too_short" {
  command = plan

  variables {
    task_timeout_hours = 6
  }

  expect_failures = [var.task_timeout_hours]
}

run "refuses_a_task_timeout_that_is_too_long" {
  command = plan

  variables {
    task_timeout_hours = 241
  }

  expect_failures = [var.task_timeout_hours]
}

run "refuses_a_task_timeout_that_is_not_whole" {
  command = plan

  variables {
    task_timeout_hours = 7.5
  }

  expect_failures = [var.task_timeout_hours]
}

run "refuses_retention_that_loses_raw_versions_in_use" {
  command = plan

  variables {
    retention_days = { raw = 43 }
  }

  expect_failures = [
    var.retention_days,
  ]
}

run "refuses_retention_that_forgets_what_was_moderated" {
  command = plan

  variables {
    retention_days = { reports = 89 }
  }

  expect_failures = [
    var.retention_days,
  ]
}

run "refuses_a_release_without_its_repository" {
  command = plan

  variables {
    release = "v1.2.3"
  }

  expect_failures = [
    var.release_repository,
  ]
}

run "refuses_tasks_and_waits_that_outlast_their_execution" {
  command = plan

  variables {
    machine_timeout_days   = 1
    task_timeout_hours     = 24
    queue_wait_alarm_hours = 24
  }

  expect_failures = [
    var.task_timeout_hours,
    var.queue_wait_alarm_hours,
  ]
}

run "refuses_heartbeats_and_jobs_that_outlast_their_task" {
  command = plan

  variables {
    task_timeout_hours     = 7
    heartbeat_s            = 25200
    oldest_job_alarm_hours = 7
  }

  expect_failures = [
    var.heartbeat_s,
    var.oldest_job_alarm_hours,
  ]
}

run "takes_the_least_of_everything" {
  command = plan
  variables {
    name                    = "abc"
    max_jobs                = 0
    max_video_minutes_a_day = 1
    max_analyses            = 1
    max_attempts            = 1
    sweep_window_days       = 1
    machine_timeout_days    = 1
    task_timeout_hours      = 7
    heartbeat_s             = 240
    oldest_job_alarm_hours  = 1
    queue_wait_alarm_hours  = 1
    log_retention_days      = 1
    retention_days          = { rejected_raw = 1, approved_raw = 1, raw = 15, replaced_approved = 1, reports = 90, access_logs = 1 }
    reserved_concurrency    = { reconciler = 1 }
  }
}

run "takes_the_most_of_everything" {
  command = plan
  variables {
    name                    = "a1234567890123456789012345678901"
    max_jobs                = jsondecode(file("../stack.json")).slots_max
    max_video_minutes_a_day = 100000
    max_analyses            = 10
    max_attempts            = 1000
    sweep_window_days       = 80
    machine_timeout_days    = 365
    task_timeout_hours      = 240
    heartbeat_s             = 863999
    log_retention_days      = 3653
    kms_key_arn             = "arn:aws:kms:us-east-1:123456789012:key/00000000-0000-0000-0000-000000000000"
    alarm_topic_arn         = "arn:aws:sns:us-east-1:123456789012:alarms"
    alarm_email             = "moderation@example.com"
  }
}
