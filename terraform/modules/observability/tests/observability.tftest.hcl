# The alarms: which there are, on what, and what missing data means to them. That each trips is tested where its metric is made.

mock_provider "aws" {
  override_during = plan

  mock_data "aws_caller_identity" {
    defaults = { account_id = "123456789012" }
  }

  mock_data "aws_region" {
    defaults = { region = "us-east-1" }
  }

  mock_resource "aws_cloudwatch_metric_alarm" {
    defaults = { arn = "arn:aws:cloudwatch:us-east-1:123456789012:alarm:some" }
  }

  mock_resource "aws_sns_topic" {
    defaults = { arn = "arn:aws:sns:us-east-1:123456789012:gate-alarms" }
  }
}

variables {
  name = "gate"
  function_names = {
    ingest-trigger      = "gate-ingest-trigger"
    activity-worker     = "gate-activity-worker"
    moderation-callback = "gate-moderation-callback"
    reconciler          = "gate-reconciler"
  }
  log_group_names = {
    ingest-trigger      = "/aws/lambda/gate-ingest-trigger"
    activity-worker     = "/aws/lambda/gate-activity-worker"
    moderation-callback = "/aws/lambda/gate-moderation-callback"
    reconciler          = "/aws/lambda/gate-reconciler"
  }
  state_machine_arn      = "arn:aws:states:us-east-1:123456789012:stateMachine:gate-video-ingest"
  activity_arn           = "arn:aws:states:us-east-1:123456789012:activity:gate-moderate"
  queue_names            = { ingest-failures = "gate-ingest-failures", callback-failures = "gate-callback-failures", undelivered-results = "gate-undelivered-results" }
  delivering_topic_names = { raw-uploads = "gate-raw-uploads", moderation-results = "gate-moderation-results" }
  sweep_rule_name        = "gate-sweep"
  oldest_job_alarm_hours = 8
  queue_wait_alarm_hours = 24
}

run "everything_that_fails_silently_has_an_alarm" {
  command = plan

  assert {
    condition = toset(output.alarm_names) == toset(concat(
      [for alarm in keys(jsondecode(file("alarms.json")).alarms) : "gate-${alarm}"],
      [for alarm in [
        "task-timed-out", "queue-wait", "executions-timed-out", "executions-aborted", "sweep-not-invoked", "dead-letters-ingest-failures", "dead-letters-callback-failures", "dead-letters-undelivered-results",
        "not-invoked-activity-worker", "not-invoked-reconciler", "events-lost-ingest-trigger", "events-lost-moderation-callback",
        "messages-lost-raw-uploads", "messages-lost-moderation-results",
      ] : "gate-${alarm}"],
      flatten([for function in keys(var.function_names) : [for kind in ["errors", "throttles", "errors-logged"] : "gate-${kind}-${function}"]]),
    ))
    error_message = join(", ", output.alarm_names)
  }
}

run "alarms_watch_the_metrics_that_the_sandbox_trips_them_by" {
  command = plan

  assert {
    condition = alltrue([for key, it in jsondecode(file("alarms.json")).alarms : (
      aws_cloudwatch_metric_alarm.this[key].namespace == "Reelgate"
      && aws_cloudwatch_metric_alarm.this[key].metric_name == it.metric
      && aws_cloudwatch_metric_alarm.this[key].dimensions == tomap(merge(it.dimensions, { Function = "gate-${it.function}" }))
      && aws_cloudwatch_metric_alarm.this[key].statistic == it.stat
      && aws_cloudwatch_metric_alarm.this[key].period == it.period_s
      && aws_cloudwatch_metric_alarm.this[key].evaluation_periods == it.in_a_row
      && aws_cloudwatch_metric_alarm.this[key].threshold == it.threshold
      && aws_cloudwatch_metric_alarm.this[key].comparison_operator == "GreaterThanOrEqualToThreshold"
    )])
    error_message = "An alarm differs from alarms.json, by which the sandbox's tests trip it."
  }

  assert {
    condition     = aws_cloudwatch_metric_alarm.this["oldest-job"].threshold == 28800 && aws_cloudwatch_metric_alarm.this["queue-wait"].threshold == 86400000
    error_message = "OldestJobAge is in seconds, ActivityScheduleTime in milliseconds."
  }

  assert {
    condition = { for key, it in aws_cloudwatch_log_metric_filter.errors : key => [it.log_group_name, it.pattern, it.metric_transformation[0].namespace, it.metric_transformation[0].name] } == {
      for key, name in var.function_names : key => ["/aws/lambda/${name}", "{ $.level = \"ERROR\" }", "Reelgate", aws_cloudwatch_metric_alarm.this["errors-logged-${key}"].metric_name]
    }
    error_message = "Logged errors are not counted where their alarm looks."
  }
}

# What AWS measures itself still tells when the functions that measure are what is broken.
run "the_oldest_job_and_the_failures_have_backups_that_aws_publishes" {
  command = plan

  assert {
    condition = { for key in ["task-timed-out", "executions-timed-out", "executions-aborted"] : key => [
      aws_cloudwatch_metric_alarm.this[key].namespace, aws_cloudwatch_metric_alarm.this[key].metric_name
      ] } == {
      task-timed-out       = ["AWS/States", "ActivitiesTimedOut"]
      executions-timed-out = ["AWS/States", "ExecutionsTimedOut"]
      executions-aborted   = ["AWS/States", "ExecutionsAborted"]
    }
    error_message = "A backup is measured by our own functions."
  }
}

run "a_silent_schedule_is_an_alarm_and_a_quiet_gate_is_not" {
  command = plan

  assert {
    condition = alltrue([for it in values(aws_cloudwatch_metric_alarm.not_invoked) :
      it.treat_missing_data == "breaching" && it.comparison_operator == "LessThanThreshold" && it.threshold == 1 && it.metric_name == "Invocations"
    ])
    error_message = "No invocation is no data: it must count as breaching."
  }

  assert {
    condition     = toset(values(aws_cloudwatch_metric_alarm.this)[*].treat_missing_data) == toset(["notBreaching"])
    error_message = "Most metrics exist only when something happened: a quiet gate would be an alarm."
  }
}

run "without_topic_or_address_alarms_act_on_nothing" {
  command = plan

  assert {
    condition     = length(aws_cloudwatch_metric_alarm.this["oldest-job"].alarm_actions) == 0 && output.alarm_topic_arn == null
    error_message = "Alarms announce on something that nobody asked for."
  }
}

run "alarms_reach_the_operators_topic_and_the_address" {
  command = plan

  variables {
    alarm_topic_arn = "arn:aws:sns:us-east-1:123456789012:operators"
    alarm_email     = "moderation@example.com"
  }

  assert {
    condition = alltrue([for it in concat(values(aws_cloudwatch_metric_alarm.this), values(aws_cloudwatch_metric_alarm.not_invoked)) :
      toset(it.alarm_actions) == toset(["arn:aws:sns:us-east-1:123456789012:operators", "arn:aws:sns:us-east-1:123456789012:gate-alarms"])
      && toset(it.ok_actions) == toset(it.alarm_actions)
    ])
    error_message = "An alarm, or its end, is not announced."
  }

  assert {
    condition     = aws_sns_topic_subscription.email[0].protocol == "email" && aws_sns_topic_subscription.email[0].endpoint == "moderation@example.com"
    error_message = "The address gets nothing."
  }

  assert {
    condition     = jsondecode(aws_sns_topic_policy.alarms[0].policy).Statement[1].Principal == { Service = "cloudwatch.amazonaws.com" } && jsondecode(aws_sns_topic_policy.alarms[0].policy).Statement[1].Condition == { StringEquals = { "aws:SourceAccount" = "123456789012" } }
    error_message = aws_sns_topic_policy.alarms[0].policy
  }
}

run "the_dashboard_fills_24_columns_and_nothing_overlaps" {
  command = plan

  assert {
    condition = alltrue([for a in jsondecode(aws_cloudwatch_dashboard.this.dashboard_body).widgets : (
      a.x + a.width <= 24 && length([for b in jsondecode(aws_cloudwatch_dashboard.this.dashboard_body).widgets : b
      if a.x < b.x + b.width && b.x < a.x + a.width && a.y < b.y + b.height && b.y < a.y + a.height]) == 1
    )])
    error_message = aws_cloudwatch_dashboard.this.dashboard_body
  }
}

run "refuses_addresses_and_functions_that_are_none" {
  command = plan

  variables {
    alarm_email    = "nobody"
    function_names = { reconciler = "gate-reconciler" }
  }

  expect_failures = [var.alarm_email, var.function_names]
}
