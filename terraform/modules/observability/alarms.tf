# Alarms on what fails silently. docs/operations.md says of each what it means and what to do.
#
# Most metrics are only published when something happened, so missing data is no alarm, except for the schedule: there it is the
# failure itself.

locals {
  gate   = "Reelgate" # NAMESPACE in workflow/src/function.rs
  minute = 60

  machine    = { StateMachineArn = var.state_machine_arn }
  activity   = { ActivityArn = var.activity_arn }
  reconciler = { Function = var.function_names["reconciler"] }
  worker     = { Function = var.function_names["activity-worker"] }

  # period_s, of which at_least many in a row must reach the threshold
  single_alarms = {
    oldest-job = {
      why       = "A Rekognition job is in flight for longer than any should be."
      metric    = [local.gate, "OldestJobAge", local.reconciler]
      stat      = "Maximum", period_s = 5 * local.minute, in_a_row = 1
      threshold = var.oldest_job_alarm_hours * 3600
    }
    task-timed-out = {
      why       = "A task took longer than its TimeoutSeconds. Step Functions itself measures this, whatever becomes of the functions."
      metric    = ["AWS/States", "ActivitiesTimedOut", local.activity]
      stat      = "Sum", period_s = 5 * local.minute, in_a_row = 1
      threshold = 1
    }
    queue-wait = {
      why       = "A video waited for long until a worker took its task: more uploads than the jobs allowed at once can scan."
      metric    = ["AWS/States", "ActivityScheduleTime", local.activity]
      stat      = "Maximum", period_s = 60 * local.minute, in_a_row = 1
      threshold = var.queue_wait_alarm_hours * 3600 * 1000
    }
    executions-failed = {
      why       = "An execution ended without a verdict on its video. Rejected and unsupported videos are not counted."
      metric    = [local.gate, "FailedExecutions", local.reconciler]
      stat      = "Sum", period_s = 5 * local.minute, in_a_row = 1
      threshold = 1
    }
    executions-timed-out = {
      why       = "An execution reached the state machine's TimeoutSeconds."
      metric    = ["AWS/States", "ExecutionsTimedOut", local.machine]
      stat      = "Sum", period_s = 5 * local.minute, in_a_row = 1
      threshold = 1
    }
    executions-aborted = {
      why       = "An execution was stopped by somebody."
      metric    = ["AWS/States", "ExecutionsAborted", local.machine]
      stat      = "Sum", period_s = 5 * local.minute, in_a_row = 1
      threshold = 1
    }
    notifications-lost = {
      why       = "Jobs end without a notification that arrives: Rekognition's role, the topic or its subscription is broken. Videos still settle, but late."
      metric    = [local.gate, "RecoveredNotifications", local.reconciler]
      stat      = "Sum", period_s = 60 * local.minute, in_a_row = 1
      threshold = 3
    }
    sweep-not-invoked = {
      why       = "EventBridge could not invoke the sweep: lost uploads are not found."
      metric    = ["AWS/Events", "FailedInvocations", { RuleName = var.sweep_rule_name }]
      stat      = "Sum", period_s = 60 * local.minute, in_a_row = 1
      threshold = 1
    }
    spending-cap = {
      why       = "The day's cap of video minutes is reached: tasks wait until the next day (UTC)."
      metric    = [local.gate, "CapReached", local.worker]
      stat      = "Maximum", period_s = 5 * local.minute, in_a_row = 1
      threshold = 1
    }
  }

  queue_alarms = { for key, name in var.queue_names : "dead-letters-${key}" => {
    why       = "Messages could not be handled and are kept for 14 days."
    metric    = ["AWS/SQS", "ApproximateNumberOfMessagesVisible", { QueueName = name }]
    stat      = "Maximum", period_s = 5 * local.minute, in_a_row = 1
    threshold = 1
  } }

  # One failed invocation is retried, or made up for by the next tick; three periods in a row are an outage.
  function_alarms = merge([for key, name in var.function_names : {
    "errors-${key}" = {
      why       = "The function keeps failing."
      metric    = ["AWS/Lambda", "Errors", { FunctionName = name }]
      stat      = "Sum", period_s = 5 * local.minute, in_a_row = 3
      threshold = 1
    }
    "throttles-${key}" = {
      why       = "The function keeps being throttled: the account's concurrency is used up."
      metric    = ["AWS/Lambda", "Throttles", { FunctionName = name }]
      stat      = "Sum", period_s = 5 * local.minute, in_a_row = 3
      threshold = 1
    }
    "errors-logged-${key}" = {
      why       = "The function handles its events, but keeps failing on some record in them."
      metric    = [local.gate, "LoggedErrors-${name}", {}]
      stat      = "Sum", period_s = 5 * local.minute, in_a_row = 3
      threshold = 1
    }
  }]...)

  # What neither the subscription's queue nor the on-failure queue got is lost for good, but for the reconciler.
  loss_alarms = merge(
    { for key in ["ingest-trigger", "moderation-callback"] : "events-lost-${key}" => {
      why       = "Lambda could not put a failed event into the on-failure queue."
      metric    = ["AWS/Lambda", "DestinationDeliveryFailures", { FunctionName = var.function_names[key] }]
      stat      = "Sum", period_s = 5 * local.minute, in_a_row = 1
      threshold = 1
    } },
    { for key, name in var.delivering_topic_names : "messages-lost-${key}" => {
      why       = "SNS could neither deliver a message nor put it into the dead-letter queue."
      metric    = ["AWS/SNS", "NumberOfNotificationsFailedToRedriveToDlq", { TopicName = name }]
      stat      = "Sum", period_s = 5 * local.minute, in_a_row = 1
      threshold = 1
    } },
  )

  upper_alarms = merge(local.single_alarms, local.queue_alarms, local.function_alarms, local.loss_alarms)

  actions = compact(concat([var.alarm_topic_arn], aws_sns_topic.alarms[*].arn))
}

resource "aws_cloudwatch_metric_alarm" "this" {
  for_each = local.upper_alarms

  alarm_name          = "${var.name}-${each.key}"
  alarm_description   = each.value.why
  namespace           = each.value.metric[0]
  metric_name         = each.value.metric[1]
  dimensions          = each.value.metric[2]
  statistic           = each.value.stat
  period              = each.value.period_s
  evaluation_periods  = each.value.in_a_row
  comparison_operator = "GreaterThanOrEqualToThreshold"
  threshold           = each.value.threshold
  treat_missing_data  = "notBreaching"
  alarm_actions       = local.actions
  ok_actions          = local.actions
}

resource "aws_cloudwatch_metric_alarm" "not_invoked" {
  for_each = toset(["activity-worker", "reconciler"])

  alarm_name          = "${var.name}-not-invoked-${each.key}"
  alarm_description   = "The schedule does not invoke the function every minute any more: nothing moves."
  namespace           = "AWS/Lambda"
  metric_name         = "Invocations"
  dimensions          = { FunctionName = var.function_names[each.key] }
  statistic           = "Sum"
  period              = 5 * local.minute
  evaluation_periods  = 2
  comparison_operator = "LessThanThreshold"
  threshold           = 1
  treat_missing_data  = "breaching"
  alarm_actions       = local.actions
  ok_actions          = local.actions
}

resource "aws_cloudwatch_log_metric_filter" "errors" {
  for_each = var.function_names

  name           = "errors"
  log_group_name = var.log_group_names[each.key]
  pattern        = "{ $.level = \"ERROR\" }"

  metric_transformation {
    namespace = local.gate
    name      = "LoggedErrors-${each.value}"
    value     = "1"
  }
}
