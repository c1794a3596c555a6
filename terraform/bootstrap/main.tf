# What a pipeline needs before it can deploy the stack: an identity for GitHub's workflows, a role that plans, a role that applies,
# a bound for the roles that the latter makes, and a bucket for the state. Applied once, by a person.

data "aws_caller_identity" "current" {}

data "aws_partition" "current" {}

locals {
  account           = data.aws_caller_identity.current.account_id
  partition         = data.aws_partition.current.partition
  oidc_host         = "token.actions.githubusercontent.com"
  oidc_provider_arn = coalesce(var.oidc_provider_arn, one(aws_iam_openid_connect_provider.github[*].arn))

  # GitHub's `sub` of a job, matched to the letter: pull requests and the branch may plan, and only jobs of the environment may
  # apply (GitHub Docs, "OpenID Connect reference").
  subjects = {
    plan  = ["repo:${var.repository}:pull_request", "repo:${var.repository}:ref:refs/heads/${var.branch}"]
    apply = ["repo:${var.repository}:environment:${var.environment}"]
  }

  # What either role does with the operator's key, through the services that use it.
  key_services  = ["lambda", "logs", "s3", "sns", "sqs"]
  key_condition = { StringLike = { "kms:ViaService" = [for service in local.key_services : "${service}.*.${data.aws_partition.current.dns_suffix}"] } }
}

resource "aws_iam_openid_connect_provider" "github" {
  count = var.oidc_provider_arn == null ? 1 : 0

  url            = "https://${local.oidc_host}"
  client_id_list = ["sts.amazonaws.com"]
}

resource "aws_iam_role" "this" {
  for_each = local.subjects

  name                 = "${var.name}-terraform-${each.key}"
  description          = "GitHub Actions of ${var.repository}: ${each.key}"
  max_session_duration = 3600
  assume_role_policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Effect    = "Allow"
      Principal = { Federated = local.oidc_provider_arn }
      Action    = "sts:AssumeRoleWithWebIdentity"
      Condition = { StringEquals = {
        "${local.oidc_host}:aud" = "sts.amazonaws.com"
        "${local.oidc_host}:sub" = each.value
      } }
    }]
  })
}
