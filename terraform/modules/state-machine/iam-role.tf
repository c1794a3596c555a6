# The role: `calls` is what the definition's states call, `platform` what Step Functions needs on its behalf. The latter's rows
# and reasons are in terraform/permissions/platform.md.

locals {
  platform_statements = [
    {
      # None of these actions takes a resource (Step Functions Developer Guide, "Using CloudWatch Logs to log execution history").
      needed = true
      statement = {
        Sid    = "DeliverLogs"
        Effect = "Allow"
        Action = [
          "logs:CreateLogDelivery",
          "logs:DeleteLogDelivery",
          "logs:DescribeLogGroups",
          "logs:DescribeResourcePolicies",
          "logs:GetLogDelivery",
          "logs:ListLogDeliveries",
          "logs:PutResourcePolicy",
          "logs:UpdateLogDelivery",
        ]
        Resource = "*"
      }
    },
    {
      needed = var.tracing_enabled
      statement = {
        Sid      = "Trace"
        Effect   = "Allow"
        Action   = ["xray:GetSamplingRules", "xray:GetSamplingTargets", "xray:PutTelemetryRecords", "xray:PutTraceSegments"]
        Resource = "*"
      }
    },
    {
      needed = var.kms_key_arn != null
      statement = {
        Sid       = "UseKey"
        Effect    = "Allow"
        Action    = ["kms:Decrypt", "kms:GenerateDataKey"]
        Resource  = var.kms_key_arn
        Condition = { StringEquals = { "kms:ViaService" = ["sns.${data.aws_region.current.region}.${data.aws_partition.current.dns_suffix}"] } }
      }
    },
  ]
}

resource "aws_iam_role" "this" {
  name                 = local.machine_name
  description          = "The state machine ${local.machine_name}"
  permissions_boundary = var.permissions_boundary_arn
  assume_role_policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Effect    = "Allow"
      Principal = { Service = "states.amazonaws.com" }
      Action    = "sts:AssumeRole"
      Condition = {
        ArnEquals    = { "aws:SourceArn" = local.machine_arn }
        StringEquals = { "aws:SourceAccount" = data.aws_caller_identity.current.account_id }
      }
    }]
  })
}

resource "aws_iam_role_policy" "calls" {
  name   = "calls"
  role   = aws_iam_role.this.name
  policy = var.iam_policy
}

resource "aws_iam_role_policy" "platform" {
  # checkov:skip=CKV_AWS_355: neither log delivery nor X-Ray has resources to name
  # checkov:skip=CKV_AWS_290: the same
  name   = "platform"
  role   = aws_iam_role.this.name
  policy = jsonencode({ Version = "2012-10-17", Statement = [for it in local.platform_statements : it.statement if it.needed] })
}
