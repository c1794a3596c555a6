# Who may do what in the buckets: the whole of each policy.

mock_provider "aws" {
  override_during = plan

  mock_data "aws_caller_identity" {
    defaults = { account_id = "123456789012" }
  }

  override_resource {
    target = aws_s3_bucket.this["raw"]
    values = { id = "the-raw", arn = "arn:aws:s3:::the-raw" }
  }

  override_resource {
    target = aws_s3_bucket.this["approved"]
    values = { id = "the-approved", arn = "arn:aws:s3:::the-approved" }
  }

  override_resource {
    target = aws_s3_bucket.this["ledger"]
    values = { id = "the-ledger", arn = "arn:aws:s3:::the-ledger" }
  }

  override_resource {
    target = aws_s3_bucket.this["access-logs"]
    values = { id = "the-access-logs", arn = "arn:aws:s3:::the-access-logs" }
  }
}

variables {
  bucket_names          = { raw = "the-raw", approved = "the-approved", ledger = "the-ledger", access_logs = "the-access-logs" }
  gate_role_arns        = ["arn:aws:iam::123456789012:role/gate-a", "arn:aws:iam::123456789012:role/gate-b"]
  administrator_arns    = ["arn:aws:iam::123456789012:role/admin"]
  raw_uploads_topic_arn = "arn:aws:sns:us-east-1:123456789012:raw-uploads"
  policy_file           = "../../../workflow/policy/default.json"
}

run "raw_is_reconfigured_by_administrators_only" {
  command = plan

  assert {
    condition = jsondecode(aws_s3_bucket_policy.gate["raw"].policy).Statement == [
      {
        Sid       = "DenyInsecureTransport"
        Effect    = "Deny"
        Principal = "*"
        Action    = "s3:*"
        Resource  = ["arn:aws:s3:::the-raw", "arn:aws:s3:::the-raw/*"]
        Condition = { Bool = { "aws:SecureTransport" = "false" } }
      },
      {
        Sid       = "DenyReconfigurationExceptByAdministrators"
        Effect    = "Deny"
        Principal = "*"
        Action = [
          "s3:DeleteBucket", "s3:DeleteBucketPolicy", "s3:PutBucketOwnershipControls", "s3:PutBucketPolicy",
          "s3:PutBucketPublicAccessBlock", "s3:PutBucketVersioning", "s3:PutLifecycleConfiguration", "s3:PutReplicationConfiguration",
        ]
        Resource  = "arn:aws:s3:::the-raw"
        Condition = { ArnNotLike = { "aws:PrincipalArn" = ["arn:aws:iam::123456789012:role/admin"] } }
      },
    ]
    error_message = aws_s3_bucket_policy.gate["raw"].policy
  }
}

run "approved_is_written_by_the_gate_only" {
  command = plan

  assert {
    condition = jsondecode(aws_s3_bucket_policy.gate["approved"].policy).Statement == [
      {
        Sid       = "DenyInsecureTransport"
        Effect    = "Deny"
        Principal = "*"
        Action    = "s3:*"
        Resource  = ["arn:aws:s3:::the-approved", "arn:aws:s3:::the-approved/*"]
        Condition = { Bool = { "aws:SecureTransport" = "false" } }
      },
      {
        Sid       = "DenyReconfigurationExceptByAdministrators"
        Effect    = "Deny"
        Principal = "*"
        Action = [
          "s3:DeleteBucket", "s3:DeleteBucketPolicy", "s3:PutBucketOwnershipControls", "s3:PutBucketPolicy",
          "s3:PutBucketPublicAccessBlock", "s3:PutBucketVersioning", "s3:PutLifecycleConfiguration", "s3:PutReplicationConfiguration",
        ]
        Resource  = "arn:aws:s3:::the-approved"
        Condition = { ArnNotLike = { "aws:PrincipalArn" = ["arn:aws:iam::123456789012:role/admin"] } }
      },
      {
        Sid       = "DenyWritesExceptByTheGate"
        Effect    = "Deny"
        Principal = "*"
        Action    = ["s3:PutObject", "s3:ReplicateObject", "s3:ReplicateDelete", "s3:ReplicateTags", "s3:ObjectOwnerOverrideToBucketOwner"]
        Resource  = "arn:aws:s3:::the-approved/*"
        Condition = { ArnNotEquals = { "aws:PrincipalArn" = ["arn:aws:iam::123456789012:role/gate-a", "arn:aws:iam::123456789012:role/gate-b"] } }
      },
      {
        Sid       = "DenyDeletionOfVersions"
        Effect    = "Deny"
        Principal = "*"
        Action    = ["s3:DeleteObjectVersion"]
        Resource  = "arn:aws:s3:::the-approved/*"
      },
    ]
    error_message = aws_s3_bucket_policy.gate["approved"].policy
  }
}

# `aws s3 rm` without a version id: the takedown.
run "a_plain_delete_in_approved_is_denied_to_nobody" {
  command = plan

  assert {
    condition = !contains(flatten([
      for statement in jsondecode(aws_s3_bucket_policy.gate["approved"].policy).Statement : statement.Action if statement.Sid != "DenyInsecureTransport"
    ]), "s3:DeleteObject")
    error_message = aws_s3_bucket_policy.gate["approved"].policy
  }
}

run "ledger_is_written_by_the_gate_and_administrators_and_tokens_are_read_by_the_gate_only" {
  command = plan

  assert {
    condition = jsondecode(aws_s3_bucket_policy.gate["ledger"].policy).Statement == [
      {
        Sid       = "DenyInsecureTransport"
        Effect    = "Deny"
        Principal = "*"
        Action    = "s3:*"
        Resource  = ["arn:aws:s3:::the-ledger", "arn:aws:s3:::the-ledger/*"]
        Condition = { Bool = { "aws:SecureTransport" = "false" } }
      },
      {
        Sid       = "DenyReconfigurationExceptByAdministrators"
        Effect    = "Deny"
        Principal = "*"
        Action = [
          "s3:DeleteBucket", "s3:DeleteBucketPolicy", "s3:PutBucketOwnershipControls", "s3:PutBucketPolicy",
          "s3:PutBucketPublicAccessBlock", "s3:PutBucketVersioning", "s3:PutLifecycleConfiguration", "s3:PutReplicationConfiguration",
        ]
        Resource  = "arn:aws:s3:::the-ledger"
        Condition = { ArnNotLike = { "aws:PrincipalArn" = ["arn:aws:iam::123456789012:role/admin"] } }
      },
      {
        Sid       = "DenyWritesExceptByTheGate"
        Effect    = "Deny"
        Principal = "*"
        Action    = ["s3:PutObject", "s3:ReplicateObject", "s3:ReplicateDelete", "s3:ReplicateTags", "s3:ObjectOwnerOverrideToBucketOwner", "s3:DeleteObject", "s3:DeleteObjectVersion"]
        Resource  = "arn:aws:s3:::the-ledger/*"
        Condition = { ArnNotLike = { "aws:PrincipalArn" = [
          "arn:aws:iam::123456789012:role/gate-a", "arn:aws:iam::123456789012:role/gate-b", "arn:aws:iam::123456789012:role/admin",
        ] } }
      },
      {
        Sid       = "DenyReadingTaskTokens"
        Effect    = "Deny"
        Principal = "*"
        Action    = ["s3:GetObject", "s3:GetObjectVersion", "s3:GetObjectVersionForReplication"]
        Resource  = "arn:aws:s3:::the-ledger/jobs/*"
        Condition = { ArnNotEquals = { "aws:PrincipalArn" = ["arn:aws:iam::123456789012:role/gate-a", "arn:aws:iam::123456789012:role/gate-b"] } }
      },
    ]
    error_message = aws_s3_bucket_policy.gate["ledger"].policy
  }
}

run "access_logs_are_delivered_by_s3_for_these_buckets_only" {
  command = plan

  assert {
    condition = jsondecode(aws_s3_bucket_policy.access_logs.policy).Statement == [
      {
        Sid       = "DenyInsecureTransport"
        Effect    = "Deny"
        Principal = "*"
        Action    = "s3:*"
        Resource  = ["arn:aws:s3:::the-access-logs", "arn:aws:s3:::the-access-logs/*"]
        Condition = { Bool = { "aws:SecureTransport" = "false" } }
      },
      {
        Sid       = "AllowDeliveryOfAccessLogs"
        Effect    = "Allow"
        Principal = { Service = "logging.s3.amazonaws.com" }
        Action    = ["s3:PutObject"]
        Resource  = "arn:aws:s3:::the-access-logs/*"
        Condition = {
          ArnEquals    = { "aws:SourceArn" = ["arn:aws:s3:::the-approved", "arn:aws:s3:::the-ledger", "arn:aws:s3:::the-raw"] }
          StringEquals = { "aws:SourceAccount" = "123456789012" }
        }
      },
    ]
    error_message = aws_s3_bucket_policy.access_logs.policy
  }
}
