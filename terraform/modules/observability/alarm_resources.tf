# The alarms of the table in alarms.tf, the one on silence, and the counts of logged errors that the table watches.

resource "aws_cloudwatch_metric_alarm" "this" {
  for_each = local.alarms

  alarm_name          = "${var.name}-${each.key}"
  alarm_description   = each.value.why
  namespace           = each.value.metric[0]
  metric_name         = each.value.metric[1]
  dimensions          = each.value.metric[2]
  statistic           = each.value.stat
  period              = each.value.period_s
  evaluation_periods  = each.value.in_a_row
  comparison_operator = local.own.comparison_operator
  threshold           = each.value.threshold
  treat_missing_data  = local.own.treat_missing_data
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
