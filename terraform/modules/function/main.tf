# One Lambda function with all that belongs to it alone: its log group, its role with both policies, and what becomes of its
# failed events. What invokes it is with the invoker.

data "aws_caller_identity" "current" {}

data "aws_partition" "current" {}

data "aws_region" "current" {}

resource "aws_cloudwatch_log_group" "this" {
  # checkov:skip=CKV_AWS_158: CloudWatch Logs' own encryption unless the operator brings a key (kms_key_arn)
  # checkov:skip=CKV_AWS_338: log_retention_days is the operator's choice; reports say for good what was decided and why
  name              = "/aws/lambda/${var.name}"
  retention_in_days = var.log_retention_days
  kms_key_id        = var.kms_key_arn
}

resource "aws_lambda_function" "this" {
  # checkov:skip=CKV_AWS_117: it talks to AWS's public endpoints only; a VPC would need paid interface endpoints for five services
  # checkov:skip=CKV_AWS_115: new accounts refuse any reservation; correctness does not depend on it (reserved_concurrency)
  # checkov:skip=CKV_AWS_116: failed events go to the on-failure destination below, which keeps more than a dead letter queue does
  # checkov:skip=CKV_AWS_173: Lambda's own encryption unless the operator brings a key; the variables hold no secret
  # checkov:skip=CKV_AWS_50: the caller chooses the mode; ticks are never traced (terraform/functions.tf)
  # checkov:skip=CKV_AWS_272: releases are attested and checked when they are fetched; code signing needs a signing profile an account
  function_name = var.name
  description   = var.description
  role          = aws_iam_role.this.arn

  runtime       = "provided.al2023"
  architectures = ["arm64"]
  handler       = "bootstrap"

  filename         = var.zip.path
  source_code_hash = var.zip.hash

  memory_size                    = var.memory_mb
  timeout                        = var.timeout_s
  reserved_concurrent_executions = coalesce(var.reserved_concurrency, -1)
  kms_key_arn                    = var.kms_key_arn

  environment {
    variables = var.environment
  }

  # Lambda hands format and level to the function as AWS_LAMBDA_LOG_FORMAT and AWS_LAMBDA_LOG_LEVEL. There is nothing below INFO
  # in what ships, and above it Lambda would drop the metrics too: it takes lines without a level for INFO (Lambda Developer
  # Guide, "Log-level filtering"). Lambda's own lines on each invocation are INFO: at WARN an idle tick writes nothing, and an
  # invocation that failed or timed out is still reported.
  logging_config {
    log_group             = aws_cloudwatch_log_group.this.name
    log_format            = "JSON"
    application_log_level = "INFO"
    system_log_level      = "WARN"
  }

  tracing_config {
    mode = var.tracing_mode
  }

  lifecycle {
    precondition {
      condition     = !var.zip.required || fileexists(var.zip.path)
      error_message = "${var.zip.path} does not exist: run `just build`, or deploy a release's zips with -var release=<tag> -var release_repository=<owner>/<name>."
    }
  }

  # Not before it may do what it does.
  depends_on = [aws_iam_role_policy.calls, aws_iam_role_policy.platform]
}

resource "aws_lambda_function_event_invoke_config" "this" {
  function_name                = aws_lambda_function.this.function_name
  maximum_retry_attempts       = var.max_retries
  maximum_event_age_in_seconds = var.max_event_age_s

  dynamic "destination_config" {
    for_each = var.on_failure_queue[*]
    content {
      on_failure {
        destination = destination_config.value.arn
      }
    }
  }
}
