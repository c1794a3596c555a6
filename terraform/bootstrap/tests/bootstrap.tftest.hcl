# Who may assume which role, to the letter; that the one that plans reads no content; and that the one that applies cannot give
# itself or others more.

mock_provider "aws" {
  override_during = plan

  mock_data "aws_caller_identity" {
    defaults = { account_id = "123456789012" }
  }

  mock_data "aws_partition" {
    defaults = { partition = "aws", dns_suffix = "amazonaws.com" }
  }

  mock_resource "aws_iam_openid_connect_provider" {
    defaults = { arn = "arn:aws:iam::123456789012:oidc-provider/token.actions.githubusercontent.com" }
  }

  mock_resource "aws_s3_bucket" {
    defaults = { arn = "arn:aws:s3:::reelgate-terraform-state-123456789012" }
  }

  mock_resource "aws_iam_policy" {
    defaults = { arn = "arn:aws:iam::123456789012:policy/reelgate-boundary" }
  }

  mock_resource "aws_iam_role" {
    defaults = { arn = "arn:aws:iam::123456789012:role/reelgate-terraform-some" }
  }
}

variables {
  repository = "owner/name"
}

run "pull_requests_and_the_branch_plan_and_the_environment_applies" {
  command = plan

  assert {
    condition = { for key, role in aws_iam_role.this : key => jsondecode(role.assume_role_policy).Statement } == {
      for key, subjects in {
        plan  = ["repo:owner/name:pull_request", "repo:owner/name:ref:refs/heads/main"]
        apply = ["repo:owner/name:environment:production"]
        } : key => [{
          Effect    = "Allow"
          Principal = { Federated = "arn:aws:iam::123456789012:oidc-provider/token.actions.githubusercontent.com" }
          Action    = "sts:AssumeRoleWithWebIdentity"
          Condition = { StringEquals = {
            "token.actions.githubusercontent.com:aud" = "sts.amazonaws.com"
            "token.actions.githubusercontent.com:sub" = subjects
          } }
      }]
    }
    error_message = jsonencode({ for key, role in aws_iam_role.this : key => jsondecode(role.assume_role_policy) })
  }

  assert {
    condition     = aws_iam_openid_connect_provider.github[0].client_id_list == toset(["sts.amazonaws.com"])
    error_message = "Tokens for another audience would be taken."
  }
}

# A pull request's workflow can run anything: it must not get at task tokens, videos or messages, and must not write.
run "who_plans_reads_configuration_and_no_content" {
  command = plan

  assert {
    condition = [for statement in local.read_statements : statement.Resource if contains(statement.Action, "s3:GetObject")] == [
      ["arn:aws:s3:::reelgate-terraform-state-123456789012/reelgate.tfstate", "arn:aws:s3:::reelgate-ledger-123456789012/policy.json"]
    ]
    error_message = "Other objects than the state and the policy can be read."
  }

  assert {
    condition = alltrue([for action in flatten(local.read_statements[*].Action) :
      can(regex("^[a-z0-9]+:(Get|List|Describe|Validate)", action)) && !can(regex("(GetObject\\*|ReceiveMessage|GetLogEvents|FilterLogEvents|GetExecutionHistory|DescribeExecution|GetActivityTask)", action))
    ])
    error_message = join(", ", flatten(local.read_statements[*].Action))
  }
}

run "who_applies_makes_roles_within_the_boundary_only_and_never_changes_its_own" {
  command = plan

  assert {
    condition = alltrue([for statement in local.write_statements :
      try(statement.Condition.ArnEquals["iam:PermissionsBoundary"], "") == "arn:aws:iam::123456789012:policy/reelgate-boundary"
      if statement.Effect == "Allow" && length(setintersection(statement.Action, ["iam:CreateRole", "iam:PutRolePolicy", "iam:PutRolePermissionsBoundary"])) > 0
    ])
    error_message = "A role could be made, or widened, without the boundary."
  }

  assert {
    condition     = length(setintersection(flatten([for statement in local.write_statements : statement.Action if statement.Effect == "Allow"]), ["iam:*", "iam:AttachRolePolicy", "iam:CreatePolicyVersion", "iam:DeleteRolePermissionsBoundary"])) == 0
    error_message = "The boundary could be taken off or rewritten."
  }

  assert {
    condition     = [for statement in local.write_statements : statement.Resource if statement.Effect == "Deny"] == [["arn:aws:iam::123456789012:role/reelgate-terraform-*"]]
    error_message = "The pipeline could change its own roles."
  }
}

# What the roles of the stack are given must be within the boundary, or it is silently not given.
run "the_boundary_holds_what_the_gate_calls" {
  command = plan

  assert {
    condition = alltrue(flatten([
      for file in fileset("../permissions", "*.json.tftpl") : [
        for statement in jsondecode(file("../permissions/${file}")).Statement : [
          for action in flatten([statement.Action]) : anytrue([
            for pattern in flatten([for bound in jsondecode(aws_iam_policy.boundary.policy).Statement : bound.Action]) : can(regex("^${replace(pattern, "*", ".*")}$", action))
          ])
        ]
      ]
    ]))
    error_message = "An action in terraform/permissions is not in the boundary."
  }
}

# IAM counts characters: 6,144 in a managed policy, 10,240 in all inline policies of a role.
run "the_policies_are_not_too_long" {
  command = plan

  variables {
    name        = "a1234567890123456789012345678901"
    kms_key_arn = "arn:aws:kms:us-east-1:123456789012:key/00000000-0000-0000-0000-000000000000"
  }

  assert {
    condition     = length(aws_iam_policy.apply.policy) <= 6144 && length(aws_iam_policy.boundary.policy) <= 6144 && length(aws_iam_role_policy.plan.policy) <= 10240
    error_message = "${length(aws_iam_policy.apply.policy)}, ${length(aws_iam_policy.boundary.policy)}, ${length(aws_iam_role_policy.plan.policy)}"
  }
}

run "a_provider_that_is_there_is_used" {
  command = plan

  variables {
    oidc_provider_arn = "arn:aws:iam::123456789012:oidc-provider/token.actions.githubusercontent.com"
  }

  assert {
    condition     = length(aws_iam_openid_connect_provider.github) == 0
    error_message = "An account has at most one provider of a host."
  }
}

run "state_is_versioned_and_closed" {
  command = plan

  assert {
    condition     = aws_s3_bucket_versioning.state.versioning_configuration[0].status == "Enabled" && aws_s3_bucket_public_access_block.state.restrict_public_buckets && jsondecode(aws_s3_bucket_policy.state.policy).Statement[0].Sid == "DenyInsecureTransport"
    error_message = "The state could be lost or read by others."
  }
}

run "refuses_wildcards_and_short_names" {
  command = plan

  variables {
    name              = "re"
    repository        = "owner/*"
    environment       = "prod*"
    branch            = "*"
    oidc_provider_arn = "arn:aws:iam::123456789012:oidc-provider/example.com"
    kms_key_arn       = "alias/mine"
  }

  expect_failures = [var.name, var.repository, var.environment, var.branch, var.oidc_provider_arn, var.kms_key_arn]
}
