# ARNs of what the stack consists of, by name: in all regions, since the roles are the account's.

locals {
  here = "${local.partition}:%s:*:${local.account}"

  functions      = "arn:${format(local.here, "lambda")}:function:${var.name}-*"
  topics         = "arn:${format(local.here, "sns")}:${var.name}-*"
  queues         = "arn:${format(local.here, "sqs")}:${var.name}-*"
  rules          = "arn:${format(local.here, "events")}:rule/${var.name}-*"
  activities     = "arn:${format(local.here, "states")}:activity:${var.name}-*"
  state_machines = "arn:${format(local.here, "states")}:stateMachine:${var.name}-*"
  alarms         = "arn:${format(local.here, "cloudwatch")}:alarm:${var.name}-*"
  dashboard      = "arn:${local.partition}:cloudwatch::${local.account}:dashboard/${var.name}"
  log_groups = [
    "arn:${format(local.here, "logs")}:log-group:/aws/lambda/${var.name}-*",
    "arn:${format(local.here, "logs")}:log-group:/aws/vendedlogs/states/${var.name}-*",
  ]
  buckets = [for bucket in ["raw", "approved", "ledger", "access-logs"] : "arn:${local.partition}:s3:::${var.name}-${bucket}-${local.account}"]
  roles   = "arn:${local.partition}:iam::${local.account}:role/${var.name}-*"
  # The pipeline's own: it must not widen what it may do itself.
  own_roles = "arn:${local.partition}:iam::${local.account}:role/${var.name}-terraform-*"
  policy    = "arn:${local.partition}:s3:::${var.name}-ledger-${local.account}/policy.json"

  state_bucket = aws_s3_bucket.state.arn
  state_object = "${aws_s3_bucket.state.arn}/${var.name}.tfstate"
}
