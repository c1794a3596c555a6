# The definition is the sandbox's to the letter; what the role may do and who may assume it.

mock_provider "aws" {
  override_during = plan

  mock_data "aws_caller_identity" {
    defaults = { account_id = "123456789012" }
  }

  mock_data "aws_partition" {
    defaults = { partition = "aws", dns_suffix = "amazonaws.com" }
  }

  mock_data "aws_region" {
    defaults = { region = "us-east-1" }
  }

  mock_resource "aws_sfn_activity" {
    defaults = { arn = "arn:aws:states:us-east-1:123456789012:activity:reelgate-moderate" }
  }

  mock_resource "aws_cloudwatch_log_group" {
    defaults = { arn = "arn:aws:logs:us-east-1:123456789012:log-group:/aws/vendedlogs/states/reelgate-video-ingest" }
  }
}

variables {
  name                = "reelgate"
  definition_file     = "../../../workflow/video-ingest.asl.json"
  iam_policy          = "{\"Version\":\"2012-10-17\",\"Statement\":[]}"
  decisions_topic_arn = "arn:aws:sns:us-east-1:123456789012:reelgate-decisions"
  machine_timeout_s   = 2592000
  task_timeout_s      = 43200
  heartbeat_s         = 300
  log_level           = "ERROR"
  log_retention_days  = 30
  tracing_enabled     = true
}

run "the_definition_is_the_sandboxs" {
  command = plan

  assert {
    condition     = jsondecode(aws_sfn_state_machine.this.definition) == jsondecode(file("../../tests/stack.json")).state_machine
    error_message = "The definition differs from the one in tests/stack.json."
  }

  assert {
    condition     = aws_sfn_state_machine.this.name == "reelgate-video-ingest" && aws_sfn_activity.moderate.name == "reelgate-moderate" && aws_sfn_state_machine.this.type == "STANDARD"
    error_message = "Machine or activity have other names than in the sandbox, or the machine is another type: activities need STANDARD."
  }
}

# templatefile takes values that nothing uses; a placeholder that is dropped from the template should be dropped here too.
run "every_value_is_a_placeholder_of_the_template" {
  command = plan

  assert {
    condition     = toset(flatten(regexall("\\$\\{([a-z_]+)\\}", file(var.definition_file)))) == toset(keys(local.definition_values))
    error_message = "The template's placeholders are ${join(", ", distinct(flatten(regexall("\\$\\{([a-z_]+)\\}", file(var.definition_file)))))}."
  }
}

run "history_stays_out_of_the_logs" {
  command = plan

  assert {
    condition = (
      aws_sfn_state_machine.this.logging_configuration[0].level == "ERROR" && !aws_sfn_state_machine.this.logging_configuration[0].include_execution_data
      && aws_sfn_state_machine.this.logging_configuration[0].log_destination == "arn:aws:logs:us-east-1:123456789012:log-group:/aws/vendedlogs/states/reelgate-video-ingest:*"
      && aws_cloudwatch_log_group.this.retention_in_days == 30
    )
    error_message = "Executions are logged with their data, elsewhere, or for good."
  }
}

run "only_step_functions_assumes_the_role_for_this_machine" {
  command = plan

  assert {
    condition = jsondecode(aws_iam_role.this.assume_role_policy).Statement == [{
      Effect    = "Allow"
      Principal = { Service = "states.amazonaws.com" }
      Action    = "sts:AssumeRole"
      Condition = {
        ArnEquals    = { "aws:SourceArn" = "arn:aws:states:us-east-1:123456789012:stateMachine:reelgate-video-ingest" }
        StringEquals = { "aws:SourceAccount" = "123456789012" }
      }
    }]
    error_message = aws_iam_role.this.assume_role_policy
  }
}

run "the_role_delivers_logs_and_traces" {
  command = plan

  assert {
    condition = jsondecode(aws_iam_role_policy.platform.policy).Statement == [
      {
        Sid    = "DeliverLogs"
        Effect = "Allow"
        Action = [
          "logs:CreateLogDelivery", "logs:DeleteLogDelivery", "logs:DescribeLogGroups", "logs:DescribeResourcePolicies",
          "logs:GetLogDelivery", "logs:ListLogDeliveries", "logs:PutResourcePolicy", "logs:UpdateLogDelivery",
        ]
        Resource = "*"
      },
      {
        Sid      = "Trace"
        Effect   = "Allow"
        Action   = ["xray:GetSamplingRules", "xray:GetSamplingTargets", "xray:PutTelemetryRecords", "xray:PutTraceSegments"]
        Resource = "*"
      },
    ]
    error_message = aws_iam_role_policy.platform.policy
  }

  assert {
    condition     = aws_iam_role_policy.calls.policy == var.iam_policy
    error_message = "The role may call something else than it was given."
  }
}

run "without_traces_and_with_the_operators_key" {
  command = plan

  variables {
    tracing_enabled = false
    kms_key_arn     = "arn:aws:kms:us-east-1:123456789012:key/one"
  }

  assert {
    condition     = jsondecode(aws_iam_role_policy.platform.policy).Statement[*].Sid == ["DeliverLogs", "UseKey"] && !aws_sfn_state_machine.this.tracing_configuration[0].enabled
    error_message = aws_iam_role_policy.platform.policy
  }

  assert {
    condition = jsondecode(aws_iam_role_policy.platform.policy).Statement[1] == {
      Sid       = "UseKey"
      Effect    = "Allow"
      Action    = ["kms:Decrypt", "kms:GenerateDataKey"]
      Resource  = "arn:aws:kms:us-east-1:123456789012:key/one"
      Condition = { StringEquals = { "kms:ViaService" = ["sns.us-east-1.amazonaws.com"] } }
    }
    error_message = aws_iam_role_policy.platform.policy
  }
}

run "platform_md_lists_what_the_platform_is_given" {
  command = plan

  variables {
    kms_key_arn = "arn:aws:kms:us-east-1:123456789012:key/one"
  }

  assert {
    condition = alltrue([for statement in jsondecode(aws_iam_role_policy.platform.policy).Statement :
      join(" ", [for action in statement.Action : "`${action}`"]) == regex("\\| `${statement.Sid}` \\| state machine \\| ([^|]*) \\|", file("../../permissions/platform.md"))[0]
    ])
    error_message = aws_iam_role_policy.platform.policy
  }
}

run "refuses_clocks_that_outlast_each_other" {
  command = plan

  variables {
    machine_timeout_s = 31536001
  }

  expect_failures = [var.machine_timeout_s]
}

run "refuses_tasks_as_long_as_the_machine_and_unknown_levels" {
  command = plan

  variables {
    task_timeout_s = 2592000
    log_level      = "OFF"
  }

  expect_failures = [var.task_timeout_s, var.log_level]
}

run "refuses_heartbeats_as_long_as_the_task" {
  command = plan

  variables {
    heartbeat_s = 43200
  }

  expect_failures = [var.heartbeat_s]
}
