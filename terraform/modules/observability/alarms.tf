# Alarms on what fails silently. docs/operations.md says of each what it means and what to do.
#
# Most metrics are only published when something happened, so missing data is no alarm, except for the schedule: there it is the
# failure itself.

locals {
  minute = 60

  machine  = { StateMachineArn = var.state_machine_arn }
  activity = { ActivityArn = var.activity_arn }

  # Those on the functions' own metrics, in a file that the sandbox's tests read too: each is tripped there by a fault.
  own  = jsondecode(file("${path.module}/alarms.json"))
  gate = local.own.namespace
  own_alarms = { for key, it in local.own.alarms : key => {
    why      = it.why
    metric   = [local.gate, it.metric, merge(it.dimensions, { Function = var.function_names[it.function] })]
    stat     = it.stat
    period_s = it.period_s
    in_a_row = it.in_a_row
    # The operator's to choose; the file has the default.
    threshold = key == "oldest-job" ? var.oldest_job_alarm_hours * 3600 : it.threshold
  } }

  # Those on what AWS measures, whatever becomes of the functions. So many periods in a row must reach the threshold.
  aws_alarms = {
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
    sweep-not-invoked = {
      why       = "EventBridge could not invoke the sweep: lost uploads are not found."
      metric    = ["AWS/Events", "FailedInvocations", { RuleName = var.sweep_rule_name }]
      stat      = "Sum", period_s = 60 * local.minute, in_a_row = 1
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

  alarms = merge(local.own_alarms, local.aws_alarms, local.queue_alarms, local.function_alarms, local.loss_alarms)

  actions = compact(concat([var.alarm_topic_arn], aws_sns_topic.alarms[*].arn))
}
