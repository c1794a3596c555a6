# What wakes the worker and the reconciler: the minute, the day, and executions that start or end.
#
# Rules and not EventBridge Scheduler: rules are free and need no role, and execution events need rules anyway.

locals {
  closed = ["SUCCEEDED", "FAILED", "TIMED_OUT", "ABORTED"]

  rules = {
    # A new execution may have a slot at once, and one that ended gave its slot back.
    executions = {
      description = "Executions that start or end wake the worker"
      statuses    = concat(["RUNNING"], local.closed)
      schedule    = null
      targets     = { activity-worker = null }
    }
    closed-executions = {
      description = "Executions that end: their record is dropped, and what failed is announced"
      statuses    = local.closed
      schedule    = null
      targets     = { reconciler = null }
    }
    every-minute = {
      description = "The tick of worker and reconciler"
      statuses    = null
      schedule    = "rate(1 minute)"
      targets     = { activity-worker = null, reconciler = null }
    }
    sweep = {
      description = "Looks for uploads whose event was lost"
      statuses    = null
      schedule    = var.sweep_schedule
      targets     = { reconciler = jsonencode({ sweep = {} }) }
    }
  }

  targets = merge([
    for rule, it in local.rules : {
      for function, input in it.targets : "${rule}/${function}" => { rule = rule, function = function, input = input }
    }
  ]...)
}

resource "aws_cloudwatch_event_rule" "this" {
  for_each = local.rules

  name                = "${var.name}-${each.key}"
  description         = each.value.description
  schedule_expression = each.value.schedule
  event_pattern = each.value.statuses == null ? null : jsonencode({
    source      = ["aws.states"]
    detail-type = ["Step Functions Execution Status Change"]
    detail      = { stateMachineArn = [var.state_machine_arn], status = each.value.statuses }
  })
}

resource "aws_cloudwatch_event_target" "this" {
  for_each = local.targets

  rule      = aws_cloudwatch_event_rule.this[each.value.rule].name
  target_id = each.value.function
  arn       = var.functions[each.value.function].arn
  input     = each.value.input

  # A stale tick is worth nothing: EventBridge's default would deliver a day's worth of them after an outage. What an event
  # of an execution would have done, the next tick does.
  retry_policy {
    maximum_retry_attempts       = 0
    maximum_event_age_in_seconds = 60
  }

  depends_on = [aws_lambda_permission.rule]
}

resource "aws_lambda_permission" "rule" {
  for_each = local.targets

  statement_id  = "InvokeFor-${each.value.rule}"
  function_name = var.functions[each.value.function].name
  action        = "lambda:InvokeFunction"
  principal     = "events.amazonaws.com"
  source_arn    = aws_cloudwatch_event_rule.this[each.value.rule].arn
}
