# What a plan reads: configuration, never content. Pull requests run with this, so no object of a bucket but the state and the
# policy, no message, no log line, no execution's history.

locals {
  read_statements = concat(local.plain_read_statements, [for key in var.kms_key_arn[*] : {
    # The provider reads the policy object's checksum and the functions' environments.
    Sid       = "ReadWithKey"
    Effect    = "Allow"
    Action    = ["kms:Decrypt", "kms:DescribeKey"]
    Resource  = [key]
    Condition = local.key_condition
  }])

  plain_read_statements = [
    {
      Sid      = "ReadState"
      Effect   = "Allow"
      Action   = ["s3:GetObject"]
      Resource = [local.state_object, local.policy]
    },
    {
      Sid      = "FindState"
      Effect   = "Allow"
      Action   = ["s3:ListBucket"]
      Resource = [local.state_bucket]
    },
    {
      Sid      = "ReadBuckets"
      Effect   = "Allow"
      Action   = ["s3:GetAccelerateConfiguration", "s3:GetBucket*", "s3:GetEncryptionConfiguration", "s3:GetLifecycleConfiguration", "s3:GetReplicationConfiguration", "s3:ListBucket", "s3:ListTagsForResource"]
      Resource = local.buckets
    },
    {
      Sid      = "ReadPolicyObject"
      Effect   = "Allow"
      Action   = ["s3:GetObjectTagging"]
      Resource = [local.policy]
    },
    {
      Sid      = "ReadRoles"
      Effect   = "Allow"
      Action   = ["iam:GetRole", "iam:GetRolePolicy", "iam:ListAttachedRolePolicies", "iam:ListInstanceProfilesForRole", "iam:ListRolePolicies", "iam:ListRoleTags"]
      Resource = [local.roles]
    },
    {
      Sid      = "ReadFunctions"
      Effect   = "Allow"
      Action   = ["lambda:GetFunction*", "lambda:GetPolicy", "lambda:GetRuntimeManagementConfig", "lambda:ListTags", "lambda:ListVersionsByFunction"]
      Resource = [local.functions]
    },
    {
      Sid      = "ReadMessaging"
      Effect   = "Allow"
      Action   = ["sns:GetDataProtectionPolicy", "sns:GetSubscriptionAttributes", "sns:GetTopicAttributes", "sns:ListTagsForResource", "sqs:GetQueueAttributes", "sqs:GetQueueUrl", "sqs:ListQueueTags"]
      Resource = [local.topics, local.queues]
    },
    {
      Sid      = "ReadStateMachine"
      Effect   = "Allow"
      Action   = ["states:DescribeActivity", "states:DescribeStateMachine", "states:ListStateMachineVersions", "states:ListTagsForResource"]
      Resource = [local.activities, local.state_machines]
    },
    {
      Sid      = "ReadSchedule"
      Effect   = "Allow"
      Action   = ["events:DescribeRule", "events:ListTagsForResource", "events:ListTargetsByRule"]
      Resource = [local.rules]
    },
    {
      Sid      = "ReadAlarms"
      Effect   = "Allow"
      Action   = ["cloudwatch:DescribeAlarms", "cloudwatch:GetDashboard", "cloudwatch:ListTagsForResource"]
      Resource = [local.alarms, local.dashboard]
    },
    {
      Sid      = "ReadLogGroups"
      Effect   = "Allow"
      Action   = ["logs:DescribeMetricFilters", "logs:ListTagsForResource"]
      Resource = local.log_groups
    },
    {
      # None of these takes a resource, or the provider asks for all of them (Service Authorization Reference).
      Sid      = "ReadLists"
      Effect   = "Allow"
      Action   = ["logs:DescribeLogGroups", "states:ValidateStateMachineDefinition"]
      Resource = ["*"]
    },
  ]
}

resource "aws_iam_role_policy" "plan" {
  # checkov:skip=CKV_AWS_355: two list actions that take no resource
  name   = "read"
  role   = aws_iam_role.this["plan"].name
  policy = jsonencode({ Version = "2012-10-17", Statement = local.read_statements })
}
