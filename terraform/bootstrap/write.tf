# What an apply changes: everything of the stack, by name. The roles that it makes must carry the boundary below, so that it can give
# nobody more than the gate may have, itself included.

locals {
  write_statements = concat(local.plain_write_statements, [for key in var.kms_key_arn[*] : {
    # Lambda makes a grant for each function's environment.
    Sid       = "WriteWithKey"
    Effect    = "Allow"
    Action    = ["kms:CreateGrant", "kms:Decrypt", "kms:DescribeKey", "kms:Encrypt", "kms:GenerateDataKey"]
    Resource  = [key]
    Condition = local.key_condition
  }])

  plain_write_statements = [
    {
      Sid      = "WriteState"
      Effect   = "Allow"
      Action   = ["s3:GetObject", "s3:PutObject"]
      Resource = [local.state_object, "${local.state_object}.tflock"]
    },
    {
      Sid      = "UnlockState"
      Effect   = "Allow"
      Action   = ["s3:DeleteObject"]
      Resource = ["${local.state_object}.tflock"]
    },
    {
      Sid      = "ChangeBuckets"
      Effect   = "Allow"
      Action   = ["s3:CreateBucket", "s3:DeleteBucket", "s3:DeleteBucketPolicy", "s3:PutBucket*", "s3:PutEncryptionConfiguration", "s3:PutLifecycleConfiguration", "s3:TagResource", "s3:UntagResource"]
      Resource = local.buckets
    },
    {
      Sid      = "ChangePolicy"
      Effect   = "Allow"
      Action   = ["s3:DeleteObject", "s3:PutObject", "s3:PutObjectTagging"]
      Resource = [local.policy]
    },
    {
      # deploy/probe.sh waits until uploads get version ids.
      Sid      = "ProbeVersioning"
      Effect   = "Allow"
      Action   = ["s3:DeleteObjectVersion", "s3:PutObject"]
      Resource = ["${local.buckets[0]}/reelgate-probe/"]
    },
    {
      Sid       = "MakeRolesWithinTheBoundary"
      Effect    = "Allow"
      Action    = ["iam:CreateRole", "iam:DeleteRolePolicy", "iam:PutRolePermissionsBoundary", "iam:PutRolePolicy"]
      Resource  = [local.roles]
      Condition = { ArnEquals = { "iam:PermissionsBoundary" = aws_iam_policy.boundary.arn } }
    },
    {
      Sid      = "ChangeRoles"
      Effect   = "Allow"
      Action   = ["iam:DeleteRole", "iam:TagRole", "iam:UntagRole", "iam:UpdateAssumeRolePolicy", "iam:UpdateRole", "iam:UpdateRoleDescription"]
      Resource = [local.roles]
    },
    {
      Sid      = "NeverChangeOwnRoles"
      Effect   = "Deny"
      Action   = ["iam:Attach*", "iam:Create*", "iam:Delete*", "iam:Detach*", "iam:Put*", "iam:Update*"]
      Resource = [local.own_roles]
    },
    {
      Sid      = "PassRoles"
      Effect   = "Allow"
      Action   = ["iam:PassRole"]
      Resource = [local.roles]
      Condition = { StringEquals = { "iam:PassedToService" = [
        "lambda.amazonaws.com", "states.amazonaws.com",
      ] } }
    },
    {
      Sid    = "ChangeFunctions"
      Effect = "Allow"
      Action = [
        "lambda:AddPermission", "lambda:CreateFunction", "lambda:DeleteFunction*", "lambda:PutFunctionConcurrency", "lambda:PutFunctionEventInvokeConfig",
        "lambda:RemovePermission", "lambda:TagResource", "lambda:UntagResource", "lambda:UpdateFunction*",
      ]
      Resource = [local.functions]
    },
    {
      Sid    = "ChangeMessaging"
      Effect = "Allow"
      Action = [
        "sns:CreateTopic", "sns:DeleteTopic", "sns:SetSubscriptionAttributes", "sns:SetTopicAttributes", "sns:Subscribe", "sns:TagResource", "sns:Unsubscribe", "sns:UntagResource",
        "sqs:CreateQueue", "sqs:DeleteQueue", "sqs:SetQueueAttributes", "sqs:TagQueue", "sqs:UntagQueue",
      ]
      Resource = [local.topics, local.queues]
    },
    {
      Sid    = "ChangeStateMachine"
      Effect = "Allow"
      Action = [
        "states:CreateActivity", "states:CreateStateMachine", "states:DeleteActivity", "states:DeleteStateMachine", "states:TagResource", "states:UntagResource", "states:UpdateStateMachine",
      ]
      Resource = [local.activities, local.state_machines]
    },
    {
      Sid      = "ChangeSchedule"
      Effect   = "Allow"
      Action   = ["events:DeleteRule", "events:DisableRule", "events:EnableRule", "events:PutRule", "events:PutTargets", "events:RemoveTargets", "events:TagResource", "events:UntagResource"]
      Resource = [local.rules]
    },
    {
      Sid      = "ChangeAlarms"
      Effect   = "Allow"
      Action   = ["cloudwatch:DeleteAlarms", "cloudwatch:DeleteDashboards", "cloudwatch:PutDashboard", "cloudwatch:PutMetricAlarm", "cloudwatch:TagResource", "cloudwatch:UntagResource"]
      Resource = [local.alarms, local.dashboard]
    },
    {
      Sid    = "ChangeLogGroups"
      Effect = "Allow"
      Action = [
        "logs:AssociateKmsKey", "logs:CreateLogGroup", "logs:DeleteLogGroup", "logs:DeleteMetricFilter", "logs:DeleteRetentionPolicy", "logs:DisassociateKmsKey",
        "logs:PutMetricFilter", "logs:PutRetentionPolicy", "logs:TagResource", "logs:UntagResource",
      ]
      Resource = local.log_groups
    },
    {
      # The state machine's log delivery is set up by whoever creates it; none of these takes a resource.
      Sid      = "DeliverLogs"
      Effect   = "Allow"
      Action   = ["logs:CreateLogDelivery", "logs:DeleteLogDelivery", "logs:DescribeResourcePolicies", "logs:GetLogDelivery", "logs:ListLogDeliveries", "logs:PutResourcePolicy", "logs:UpdateLogDelivery"]
      Resource = ["*"]
    },
  ]
}

resource "aws_iam_policy" "apply" {
  # checkov:skip=CKV_AWS_355: log delivery takes no resource
  # checkov:skip=CKV_AWS_290: the same
  # checkov:skip=CKV_AWS_289: it manages the stack's roles, within the boundary and never its own
  # checkov:skip=CKV_AWS_287: the only secrets in its reach are in the ledger, which its bucket's policy keeps closed
  # checkov:skip=CKV_AWS_288: the same
  name        = "${var.name}-terraform-apply"
  description = "What an apply changes in the stack ${var.name}"
  policy      = jsonencode({ Version = "2012-10-17", Statement = local.write_statements })
}

# A managed policy, since both statements together are longer than a role's inline policies may be (10,240 characters).
resource "aws_iam_role_policy_attachment" "apply" {
  role       = aws_iam_role.this["apply"].name
  policy_arn = aws_iam_policy.apply.arn
}

resource "aws_iam_role_policy" "apply_reads" {
  # checkov:skip=CKV_AWS_355: two list actions that take no resource
  name   = "read"
  role   = aws_iam_role.this["apply"].name
  policy = jsonencode({ Version = "2012-10-17", Statement = local.read_statements })
}
