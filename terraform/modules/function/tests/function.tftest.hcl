# What a function may do for Lambda's sake (permissions/platform.md has the reasons), and what becomes of its failed events.

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

  mock_resource "aws_cloudwatch_log_group" {
    defaults = { arn = "arn:aws:logs:us-east-1:123456789012:log-group:/aws/lambda/gate-worker" }
  }

  mock_resource "aws_iam_role" {
    defaults = { arn = "arn:aws:iam::123456789012:role/gate-worker" }
  }
}

variables {
  name               = "gate-worker"
  description        = "Works"
  zip                = { path = "missing.zip", hash = null, required = false }
  iam_policy         = "{\"Version\":\"2012-10-17\",\"Statement\":[]}"
  environment        = { A = "1" }
  memory_mb          = 256
  timeout_s          = 300
  max_retries        = 0
  max_event_age_s    = 60
  log_retention_days = 30
  tracing_mode       = "PassThrough"
}

run "a_function_that_drops_its_events_may_write_its_logs_and_no_more" {
  command = plan

  assert {
    condition = jsondecode(aws_iam_role_policy.platform.policy).Statement == [{
      Sid      = "WriteLogs"
      Effect   = "Allow"
      Action   = ["logs:CreateLogStream", "logs:PutLogEvents"]
      Resource = "arn:aws:logs:us-east-1:123456789012:log-group:/aws/lambda/gate-worker:log-stream:*"
    }]
    error_message = aws_iam_role_policy.platform.policy
  }

  assert {
    condition     = aws_iam_role_policy.calls.policy == var.iam_policy
    error_message = "The role may call something else than it was given."
  }

  assert {
    condition     = length(aws_lambda_function_event_invoke_config.this.destination_config) == 0 && aws_lambda_function_event_invoke_config.this.maximum_retry_attempts == 0 && aws_lambda_function_event_invoke_config.this.maximum_event_age_in_seconds == 60
    error_message = "A stale tick is kept, or tried again."
  }
}

run "only_lambda_assumes_the_role" {
  command = plan

  assert {
    condition = jsondecode(aws_iam_role.this.assume_role_policy).Statement == [{
      Effect = "Allow", Principal = { Service = "lambda.amazonaws.com" }, Action = "sts:AssumeRole"
    }]
    error_message = aws_iam_role.this.assume_role_policy
  }
}

run "the_function_is_what_the_zips_are_built_for" {
  command = plan

  assert {
    condition = (
      aws_lambda_function.this.runtime == "provided.al2023" && aws_lambda_function.this.architectures == tolist(["arm64"])
      && aws_lambda_function.this.memory_size == 256 && aws_lambda_function.this.timeout == 300
      && aws_lambda_function.this.environment[0].variables == tomap({ A = "1" })
    )
    error_message = "The function is built for something else, or given something else than was asked for."
  }

  assert {
    condition     = aws_lambda_function.this.reserved_concurrent_executions == -1
    error_message = "Concurrency is reserved though nobody asked for it: new accounts refuse that."
  }

  assert {
    condition = (
      aws_lambda_function.this.logging_config[0].log_format == "JSON" && aws_lambda_function.this.logging_config[0].application_log_level == "INFO"
      && aws_lambda_function.this.logging_config[0].system_log_level == "WARN" && aws_lambda_function.this.logging_config[0].log_group == "/aws/lambda/gate-worker"
      && aws_cloudwatch_log_group.this.retention_in_days == 30
    )
    error_message = "Logs are not JSON in the function's own group, or an idle tick would write lines of Lambda's."
  }
}

run "failed_events_are_kept_and_traces_written" {
  command = plan

  variables {
    max_retries      = 2
    max_event_age_s  = 21600
    on_failure_queue = { arn = "arn:aws:sqs:us-east-1:123456789012:failures" }
    tracing_mode     = "Active"
  }

  assert {
    condition = jsondecode(aws_iam_role_policy.platform.policy).Statement == [
      {
        Sid      = "WriteLogs"
        Effect   = "Allow"
        Action   = ["logs:CreateLogStream", "logs:PutLogEvents"]
        Resource = "arn:aws:logs:us-east-1:123456789012:log-group:/aws/lambda/gate-worker:log-stream:*"
      },
      {
        Sid      = "KeepFailedEvents"
        Effect   = "Allow"
        Action   = ["sqs:SendMessage"]
        Resource = ["arn:aws:sqs:us-east-1:123456789012:failures"]
      },
      {
        Sid      = "Trace"
        Effect   = "Allow"
        Action   = ["xray:PutTelemetryRecords", "xray:PutTraceSegments"]
        Resource = "*"
      },
    ]
    error_message = aws_iam_role_policy.platform.policy
  }

  assert {
    condition     = aws_lambda_function_event_invoke_config.this.destination_config[0].on_failure[0].destination == "arn:aws:sqs:us-east-1:123456789012:failures"
    error_message = "Failed events are not kept."
  }
}

run "the_operators_key_is_used_through_the_named_services_only" {
  command = plan

  variables {
    kms_key_arn       = "arn:aws:kms:us-east-1:123456789012:key/one"
    services_with_key = ["s3", "rekognition"]
    on_failure_queue  = { arn = "arn:aws:sqs:us-east-1:123456789012:failures" }
  }

  assert {
    condition = slice(jsondecode(aws_iam_role_policy.platform.policy).Statement, 2, 4) == [
      {
        Sid       = "ReadEnvironment"
        Effect    = "Allow"
        Action    = ["kms:Decrypt"]
        Resource  = "arn:aws:kms:us-east-1:123456789012:key/one"
        Condition = { StringEquals = { "kms:EncryptionContext:aws:lambda:FunctionArn" = "arn:aws:lambda:us-east-1:123456789012:function:gate-worker" } }
      },
      {
        Sid       = "UseKey"
        Effect    = "Allow"
        Action    = ["kms:Decrypt", "kms:GenerateDataKey"]
        Resource  = "arn:aws:kms:us-east-1:123456789012:key/one"
        Condition = { StringEquals = { "kms:ViaService" = ["rekognition.us-east-1.amazonaws.com", "s3.us-east-1.amazonaws.com", "sqs.us-east-1.amazonaws.com"] } }
      },
    ]
    error_message = aws_iam_role_policy.platform.policy
  }

  assert {
    condition     = aws_lambda_function.this.kms_key_arn == var.kms_key_arn && aws_cloudwatch_log_group.this.kms_key_id == var.kms_key_arn
    error_message = "Environment or logs are not encrypted with the operator's key."
  }
}

run "a_function_that_meets_nothing_encrypted_only_reads_its_environment" {
  command = plan

  variables {
    kms_key_arn = "arn:aws:kms:us-east-1:123456789012:key/one"
  }

  assert {
    condition     = jsondecode(aws_iam_role_policy.platform.policy).Statement[*].Sid == ["WriteLogs", "ReadEnvironment"]
    error_message = aws_iam_role_policy.platform.policy
  }
}

run "platform_md_lists_what_the_platform_is_given" {
  command = plan

  variables {
    kms_key_arn       = "arn:aws:kms:us-east-1:123456789012:key/one"
    services_with_key = ["s3"]
    on_failure_queue  = { arn = "arn:aws:sqs:us-east-1:123456789012:failures" }
    tracing_mode      = "Active"
  }

  assert {
    condition = alltrue([for statement in jsondecode(aws_iam_role_policy.platform.policy).Statement :
      join(" ", [for action in statement.Action : "`${action}`"]) == regex("\\| `${statement.Sid}` \\| function \\| ([^|]*) \\|", file("../../permissions/platform.md"))[0]
    ])
    error_message = aws_iam_role_policy.platform.policy
  }
}

run "concurrency_is_reserved_on_request" {
  command = plan

  variables {
    reserved_concurrency = 1
  }

  assert {
    condition     = aws_lambda_function.this.reserved_concurrent_executions == 1
    error_message = "The reservation does not reach the function."
  }
}

run "refuses_a_zip_that_is_not_there" {
  command = plan

  variables {
    zip = { path = "missing.zip", hash = null, required = true }
  }

  expect_failures = [aws_lambda_function.this]
}

run "refuses_what_lambda_does_not_take" {
  command = plan

  variables {
    name            = "gate worker"
    timeout_s       = 901
    max_retries     = 3
    max_event_age_s = 59
    tracing_mode    = "On"
  }

  expect_failures = [var.name, var.timeout_s, var.max_retries, var.max_event_age_s, var.tracing_mode]
}
