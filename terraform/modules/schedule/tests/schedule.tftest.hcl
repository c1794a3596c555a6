# The rules are the sandbox's; nothing stale is delivered.

mock_provider "aws" {
  override_during = plan

  override_resource {
    target = aws_cloudwatch_event_rule.this["executions"]
    values = { arn = "arn:aws:events:us-east-1:123456789012:rule/reelgate-executions" }
  }

  override_resource {
    target = aws_cloudwatch_event_rule.this["closed-executions"]
    values = { arn = "arn:aws:events:us-east-1:123456789012:rule/reelgate-closed-executions" }
  }

  override_resource {
    target = aws_cloudwatch_event_rule.this["every-minute"]
    values = { arn = "arn:aws:events:us-east-1:123456789012:rule/reelgate-every-minute" }
  }

  override_resource {
    target = aws_cloudwatch_event_rule.this["sweep"]
    values = { arn = "arn:aws:events:us-east-1:123456789012:rule/reelgate-sweep" }
  }
}

variables {
  name = "reelgate"
  functions = {
    activity-worker = { name = "reelgate-activity-worker", arn = "arn:aws:lambda:us-east-1:123456789012:function:reelgate-activity-worker" }
    reconciler      = { name = "reelgate-reconciler", arn = "arn:aws:lambda:us-east-1:123456789012:function:reelgate-reconciler" }
  }
  state_machine_arn = "arn:aws:states:us-east-1:123456789012:stateMachine:reelgate-video-ingest"
  sweep_schedule    = "rate(1 day)"
}

run "rules_are_the_sandboxs" {
  command = plan

  assert {
    condition = jsonencode({ for key, rule in aws_cloudwatch_event_rule.this : rule.name => merge(
      { targets = { for it in values(aws_cloudwatch_event_target.this) : it.target_id => try(jsondecode(it.input), null) if it.rule == rule.name } },
      rule.event_pattern == null ? {} : { pattern = jsondecode(rule.event_pattern) },
      rule.schedule_expression == null ? {} : { every_s = { "rate(1 minute)" = 60, "rate(1 day)" = 86400 }[rule.schedule_expression] },
    ) }) == jsonencode(jsondecode(file("../../tests/stack.json")).rules)
    error_message = "The rules differ from those in tests/stack.json."
  }

  assert {
    condition     = alltrue([for it in values(aws_cloudwatch_event_target.this) : it.arn == var.functions[it.target_id].arn])
    error_message = "A rule has another function than its target's name says."
  }
}

run "no_target_gets_stale_events" {
  command = plan

  assert {
    condition     = alltrue([for it in values(aws_cloudwatch_event_target.this) : it.retry_policy[0].maximum_retry_attempts == 0 && it.retry_policy[0].maximum_event_age_in_seconds == 60])
    error_message = "EventBridge would deliver stale ticks after an outage."
  }
}

run "each_rule_may_invoke_its_targets" {
  command = plan

  assert {
    condition = { for key, it in aws_lambda_permission.rule : key => [it.function_name, it.principal, it.action] } == {
      for key, it in aws_cloudwatch_event_target.this : key => ["reelgate-${it.target_id}", "events.amazonaws.com", "lambda:InvokeFunction"]
    }
    error_message = "A target cannot be invoked by its rule."
  }

  assert {
    condition     = alltrue([for key, it in aws_lambda_permission.rule : it.source_arn == "arn:aws:events:us-east-1:123456789012:rule/reelgate-${split("/", key)[0]}"])
    error_message = "A function can be invoked by another rule than its own."
  }
}

run "refuses_schedules_and_functions_that_are_none" {
  command = plan

  variables {
    sweep_schedule = "daily"
    functions      = { reconciler = { name = "reelgate-reconciler", arn = "arn:aws:lambda:us-east-1:123456789012:function:reelgate-reconciler" } }
  }

  expect_failures = [var.sweep_schedule, var.functions]
}
