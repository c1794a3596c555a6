# The activity, and the state machine whose executions wait on it: one for each video.

data "aws_caller_identity" "current" {}

data "aws_partition" "current" {}

data "aws_region" "current" {}

locals {
  machine_name = "${var.name}-video-ingest"
  machine_arn  = "arn:${data.aws_partition.current.partition}:states:${data.aws_region.current.region}:${data.aws_caller_identity.current.account_id}:stateMachine:${local.machine_name}"

  # Exactly the template's placeholders: a test compares them.
  definition_values = {
    activity_arn        = aws_sfn_activity.moderate.arn
    decisions_topic_arn = var.decisions_topic_arn
    partition           = data.aws_partition.current.partition
    machine_timeout_s   = var.machine_timeout_s
    task_timeout_s      = var.task_timeout_s
    heartbeat_s         = var.heartbeat_s
  }
}

resource "aws_sfn_activity" "moderate" {
  name = "${var.name}-moderate"
}

# Names below /aws/vendedlogs/ spare the account's log resource policy, which is limited to 5,120 characters (Step Functions
# Developer Guide, "Using CloudWatch Logs to log execution history").
resource "aws_cloudwatch_log_group" "this" {
  # checkov:skip=CKV_AWS_158: CloudWatch Logs' own encryption unless the operator brings a key (kms_key_arn)
  # checkov:skip=CKV_AWS_338: log_retention_days is the operator's choice; Step Functions keeps histories for 90 days besides
  name              = "/aws/vendedlogs/states/${local.machine_name}"
  retention_in_days = var.log_retention_days
  kms_key_id        = var.kms_key_arn
}

resource "aws_sfn_state_machine" "this" {
  # checkov:skip=CKV_AWS_285: execution data (object keys, causes) stays out of the logs; the level is the operator's choice
  name       = local.machine_name
  role_arn   = aws_iam_role.this.arn
  type       = "STANDARD"
  definition = templatefile(var.definition_file, local.definition_values)

  # No input, output or cause: the history has them, for those who may read it.
  logging_configuration {
    level                  = var.log_level
    include_execution_data = false
    log_destination        = "${aws_cloudwatch_log_group.this.arn}:*"
  }

  tracing_configuration {
    enabled = var.tracing_enabled
  }

  # Step Functions tries the role's permissions when it creates the machine.
  depends_on = [aws_iam_role_policy.calls, aws_iam_role_policy.platform]
}
