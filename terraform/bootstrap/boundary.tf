# The most that a role of the stack can have, whatever its policies say: the services of the gate, on what is named after it.

resource "aws_iam_policy" "boundary" {
  # checkov:skip=CKV_AWS_355: a boundary grants nothing; Rekognition, X-Ray and log delivery take no resource
  # checkov:skip=CKV_AWS_290: the same
  # checkov:skip=CKV_AWS_289: the same
  # checkov:skip=CKV_AWS_287: the same
  # checkov:skip=CKV_AWS_288: the same
  name        = "${var.name}-boundary"
  description = "The most that roles of the stack ${var.name} can have"
  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [
      {
        Sid    = "OwnResources"
        Effect = "Allow"
        Action = [
          "logs:CreateLogStream", "logs:PutLogEvents", "s3:AbortMultipartUpload", "s3:DeleteObject", "s3:GetObject*", "s3:ListBucket*", "s3:PutObject",
          "s3:PutObjectTagging", "s3:PutObjectVersionTagging", "sns:Publish", "sqs:SendMessage", "states:DescribeExecution", "states:GetActivityTask",
          "states:ListExecutions", "states:SendTask*", "states:StartExecution",
        ]
        Resource = concat(
          local.buckets, [for bucket in local.buckets : "${bucket}/*"], [for group in local.log_groups : "${group}:*"],
          [local.topics, local.queues, local.activities, local.state_machines, replace(local.state_machines, ":stateMachine:", ":execution:")],
        )
      },
      {
        Sid      = "WhatTakesNoResource"
        Effect   = "Allow"
        Action   = ["logs:*LogDeliver*", "logs:DescribeLogGroups", "logs:DescribeResourcePolicies", "logs:PutResourcePolicy", "rekognition:GetContentModeration", "rekognition:StartContentModeration", "xray:GetSampling*", "xray:PutTelemetryRecords", "xray:PutTraceSegments"]
        Resource = "*"
      },
      {
        Sid      = "Keys"
        Effect   = "Allow"
        Action   = ["kms:Decrypt", "kms:GenerateDataKey"]
        Resource = "arn:${format(local.here, "kms")}:key/*"
      },
      {
        Sid       = "LetRekognitionNotify"
        Effect    = "Allow"
        Action    = "iam:PassRole"
        Resource  = local.roles
        Condition = { StringEquals = { "iam:PassedToService" = "rekognition.amazonaws.com" } }
      },
    ]
  })
}
