data "aws_caller_identity" "current" {}

data "aws_partition" "current" {}

data "aws_region" "current" {}

# Who runs Terraform: of an assumed role the role itself, not its session.
data "aws_iam_session_context" "current" {
  arn = data.aws_caller_identity.current.arn
}

locals {
  second_ms = 1000
  minute_s  = 60
  hour_s    = 3600
  day_s     = 86400

  # Names of buckets are global: the account's id makes them ours.
  bucket_names = {
    raw         = coalesce(var.raw_bucket_name, "${var.name}-raw-${data.aws_caller_identity.current.account_id}")
    approved    = "${var.name}-approved-${data.aws_caller_identity.current.account_id}"
    ledger      = "${var.name}-ledger-${data.aws_caller_identity.current.account_id}"
    access_logs = "${var.name}-access-logs-${data.aws_caller_identity.current.account_id}"
  }

  administrator_arns = length(var.administrator_arns) > 0 ? var.administrator_arns : [data.aws_iam_session_context.current.issuer_arn]

  # ARNs follow from names, so the policies are complete in the very first plan, and nothing has to exist before its own policy.
  partition = data.aws_partition.current.partition
  here      = "${data.aws_region.current.region}:${data.aws_caller_identity.current.account_id}"
  arns = {
    raw_bucket_arn               = "arn:${local.partition}:s3:::${local.bucket_names.raw}"
    approved_bucket_arn          = "arn:${local.partition}:s3:::${local.bucket_names.approved}"
    ledger_bucket_arn            = "arn:${local.partition}:s3:::${local.bucket_names.ledger}"
    activity_arn                 = "arn:${local.partition}:states:${local.here}:activity:${var.name}-moderate"
    state_machine_arn            = "arn:${local.partition}:states:${local.here}:stateMachine:${var.name}-video-ingest"
    execution_arn                = "arn:${local.partition}:states:${local.here}:execution:${var.name}-video-ingest"
    decisions_topic_arn          = "arn:${local.partition}:sns:${local.here}:${var.name}-decisions"
    moderation_results_topic_arn = "arn:${local.partition}:sns:${local.here}:${var.name}-moderation-results"
    rekognition_role_arn         = "arn:${local.partition}:iam::${data.aws_caller_identity.current.account_id}:role/${var.name}-rekognition"
  }

  # What each principal calls: one policy a file, which the sandbox proves (permissions/README.md).
  principals   = ["ingest-trigger", "activity-worker", "moderation-callback", "reconciler", "state-machine", "rekognition"]
  iam_policies = { for principal in local.principals : principal => templatefile("${path.module}/permissions/${principal}.json.tftpl", local.arns) }
}
