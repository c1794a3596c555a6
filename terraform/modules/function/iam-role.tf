# The role: `calls` is what the program calls, `platform` what Lambda needs on its behalf. The latter's rows and reasons are in
# terraform/permissions/platform.md.

locals {
  function_arn = "arn:${data.aws_partition.current.partition}:lambda:${data.aws_region.current.region}:${data.aws_caller_identity.current.account_id}:function:${var.name}"

  services_with_key = concat(var.services_with_key, var.on_failure_queue == null ? [] : ["sqs"])

  platform_statements = [
    {
      needed = true
      statement = {
        Sid      = "WriteLogs"
        Effect   = "Allow"
        Action   = ["logs:CreateLogStream", "logs:PutLogEvents"]
        Resource = "${aws_cloudwatch_log_group.this.arn}:log-stream:*"
      }
    },
    {
      needed = var.on_failure_queue != null
      statement = {
        Sid      = "KeepFailedEvents"
        Effect   = "Allow"
        Action   = ["sqs:SendMessage"]
        Resource = var.on_failure_queue[*].arn
      }
    },
    {
      # X-Ray has no resources to name (Service Authorization Reference, AWS X-Ray).
      needed = var.tracing_mode == "Active"
      statement = {
        Sid      = "Trace"
        Effect   = "Allow"
        Action   = ["xray:PutTelemetryRecords", "xray:PutTraceSegments"]
        Resource = "*"
      }
    },
    {
      needed = var.kms_key_arn != null
      statement = {
        Sid       = "ReadEnvironment"
        Effect    = "Allow"
        Action    = ["kms:Decrypt"]
        Resource  = var.kms_key_arn
        Condition = { StringEquals = { "kms:EncryptionContext:aws:lambda:FunctionArn" = local.function_arn } }
      }
    },
    {
      needed = var.kms_key_arn != null && length(local.services_with_key) > 0
      statement = {
        Sid      = "UseKey"
        Effect   = "Allow"
        Action   = ["kms:Decrypt", "kms:GenerateDataKey"]
        Resource = var.kms_key_arn
        Condition = { StringEquals = { "kms:ViaService" = [
          for service in sort(local.services_with_key) :
          "${service}.${data.aws_region.current.region}.${data.aws_partition.current.dns_suffix}"
        ] } }
      }
    },
  ]
}

resource "aws_iam_role" "this" {
  name                 = var.name
  description          = var.description
  permissions_boundary = var.permissions_boundary_arn
  assume_role_policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Effect    = "Allow"
      Principal = { Service = "lambda.amazonaws.com" }
      Action    = "sts:AssumeRole"
    }]
  })
}

resource "aws_iam_role_policy" "calls" {
  name   = "calls"
  role   = aws_iam_role.this.name
  policy = var.iam_policy
}

resource "aws_iam_role_policy" "platform" {
  name   = "platform"
  role   = aws_iam_role.this.name
  policy = jsonencode({ Version = "2012-10-17", Statement = [for it in local.platform_statements : it.statement if it.needed] })
}
