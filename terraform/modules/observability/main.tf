# One dashboard that tells the story of the gate, from upload to verdict, row by row. Alarms are in alarms.tf.

data "aws_region" "current" {}

locals {
  settling = join(" OR ", [for key in ["activity-worker", "moderation-callback", "reconciler"] : "\"${var.function_names[key]}\""])

  # The widgets of a row share its 24 columns.
  rows = [
    [
      { kind = "text", title = "1. Uploads come in, and each version starts an execution." },
      { title = "Uploads", metrics = [
        ["AWS/SNS", "NumberOfMessagesPublished", "TopicName", var.delivering_topic_names["raw-uploads"], { label = "upload events", stat = "Sum" }],
        ["AWS/States", "ExecutionsStarted", "StateMachineArn", var.state_machine_arn, { label = "executions started", stat = "Sum" }],
        [{ expression = "SEARCH('{${local.gate},Function,Reason} Function=(${local.settling} OR \"${var.function_names["ingest-trigger"]}\") MetricName=\"IgnoredEvents\"', 'Sum')", label = "ignored: $${PROP('Dim.Reason')}" }],
      ] },
    ],
    [
      { kind = "text", title = "2. Its task waits until a job is free." },
      { title = "Wait for a worker, ms", metrics = [
        ["AWS/States", "ActivityScheduleTime", "ActivityArn", var.activity_arn, { label = "median", stat = "p50" }],
        ["AWS/States", "ActivityScheduleTime", "ActivityArn", var.activity_arn, { label = "longest", stat = "Maximum" }],
      ] },
      { title = "Free slots", metrics = [
        [local.gate, "FreeSlots", "Function", var.function_names["reconciler"], { label = "fewest", stat = "Minimum" }],
      ] },
    ],
    [
      { kind = "text", title = "3. Rekognition looks at it." },
      { title = "Oldest job in flight, s", metrics = [
        [local.gate, "OldestJobAge", "Function", var.function_names["reconciler"], { label = "age", stat = "Maximum" }],
      ] },
      { title = "Minutes of video scanned", metrics = [
        [{ expression = "SUM(SEARCH('{${local.gate},Function} Function=(${local.settling}) MetricName=\"VideoMinutes\"', 'Sum'))", label = "minutes" }],
      ] },
    ],
    [
      { kind = "text", title = "4. The policy judges it, and approved videos are published." },
      { title = "Verdicts", metrics = [
        [{ expression = "SEARCH('{${local.gate},Function,Verdict} Function=(${local.settling}) MetricName=\"SettledVideos\"', 'Sum')", label = "$${PROP('Dim.Verdict')}" }],
      ] },
      { title = "Upload to verdict, ms", metrics = [
        ["AWS/States", "ExecutionTime", "StateMachineArn", var.state_machine_arn, { label = "median", stat = "p50" }],
        ["AWS/States", "ExecutionTime", "StateMachineArn", var.state_machine_arn, { label = "longest", stat = "Maximum" }],
      ] },
    ],
    [
      { kind = "text", title = "What went wrong, and was made up for." },
      { title = "Executions without a verdict", metrics = [
        [local.gate, "FailedExecutions", "Function", var.function_names["reconciler"], { label = "failed, timed out or stopped", stat = "Sum" }],
        ["AWS/States", "ExecutionsTimedOut", "StateMachineArn", var.state_machine_arn, { label = "of these timed out", stat = "Sum" }],
        ["AWS/States", "ExecutionsAborted", "StateMachineArn", var.state_machine_arn, { label = "of these stopped", stat = "Sum" }],
      ] },
      { title = "Made up for", metrics = [
        [local.gate, "RecoveredNotifications", "Function", var.function_names["reconciler"], { label = "lost notifications", stat = "Sum" }],
        [{ expression = "SUM(SEARCH('{${local.gate},Function} Function=(${local.settling}) MetricName=\"Throttles\"', 'Sum'))", label = "calls throttled by AWS" }],
        [{ expression = "SUM(SEARCH('{${local.gate},Function} Function=(${local.settling}) MetricName=\"StopsTooLate\"', 'Sum'))", label = "stops that came too late" }],
      ] },
      { title = "Messages that nobody could handle", metrics = [for key, name in var.queue_names :
        ["AWS/SQS", "ApproximateNumberOfMessagesVisible", "QueueName", name, { label = key, stat = "Maximum" }]
      ] },
    ],
    [
      { kind = "text", title = "The functions." },
      { title = "Invocations", metrics = [for key, name in var.function_names : ["AWS/Lambda", "Invocations", "FunctionName", name, { label = key, stat = "Sum" }]] },
      { title = "Errors and throttles", metrics = concat(
        [for key, name in var.function_names : ["AWS/Lambda", "Errors", "FunctionName", name, { label = "${key}: errors", stat = "Sum" }]],
        [for key, name in var.function_names : ["AWS/Lambda", "Throttles", "FunctionName", name, { label = "${key}: throttles", stat = "Sum" }]],
      ) },
      { title = "Longest invocation, ms", metrics = [for key, name in var.function_names : ["AWS/Lambda", "Duration", "FunctionName", name, { label = key, stat = "Maximum" }]] },
    ],
  ]

  # Below a line of text of height 1, each row has charts of height 6.
  charts = [for y, row in local.rows : [for widget in row : widget if !can(widget.kind)]]
  widgets = concat(
    [{
      type       = "alarm", x = 0, y = 0, width = 24, height = 3
      properties = { title = "Alarms", alarms = concat(values(aws_cloudwatch_metric_alarm.this)[*].arn, values(aws_cloudwatch_metric_alarm.not_invoked)[*].arn) }
    }],
    [for y, row in local.rows : {
      type       = "text", x = 0, y = 3 + 7 * y, width = 24, height = 1
      properties = { markdown = "**${row[0].title}**" }
    }],
    flatten([for y, row in local.charts : [for x, chart in row : {
      type = "metric", x = x * floor(24 / length(row)), y = 4 + 7 * y, width = floor(24 / length(row)), height = 6
      properties = {
        title   = chart.title
        region  = data.aws_region.current.region
        view    = "timeSeries"
        period  = 300
        metrics = chart.metrics
      }
    }]]),
  )
}

resource "aws_cloudwatch_dashboard" "this" {
  dashboard_name = var.name
  dashboard_body = jsonencode({ widgets = local.widgets })
}
