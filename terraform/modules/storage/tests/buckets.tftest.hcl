# What the buckets are: versioned, closed, encrypted, forgetful only where asked.

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

run "uploads_and_approved_videos_are_versioned_and_state_is_not" {
  command = plan

  assert {
    condition = { for key, it in aws_s3_bucket_versioning.this : key => it.versioning_configuration[0].status } == {
      raw = "Enabled", approved = "Enabled", ledger = "Disabled", access-logs = "Disabled"
    }
    error_message = "A versioned ledger would keep task tokens; unversioned videos could not be pinned."
  }

  assert {
    condition = alltrue(flatten([for key in ["raw", "approved", "ledger", "access-logs"] : [
      aws_s3_bucket_public_access_block.this[key].block_public_acls,
      aws_s3_bucket_public_access_block.this[key].block_public_policy,
      aws_s3_bucket_public_access_block.this[key].ignore_public_acls,
      aws_s3_bucket_public_access_block.this[key].restrict_public_buckets,
      aws_s3_bucket_ownership_controls.this[key].rule[0].object_ownership == "BucketOwnerEnforced",
      !aws_s3_bucket.this[key].force_destroy,
    ]]))
    error_message = "A bucket is open to others, or would be emptied when it is destroyed."
  }

  assert {
    condition = { for key, it in aws_s3_bucket_logging.this : key => [it.target_bucket, it.target_prefix] } == {
      raw = ["the-access-logs", "raw/"], approved = ["the-access-logs", "approved/"], ledger = ["the-access-logs", "ledger/"]
    }
    error_message = "Access to a bucket is not logged."
  }
}

run "s3_encrypts_with_its_own_keys_by_default" {
  command = plan

  assert {
    condition = toset([for it in values(aws_s3_bucket_server_side_encryption_configuration.this) :
      one(it.rule).apply_server_side_encryption_by_default[0].sse_algorithm
    ]) == toset(["AES256"])
    error_message = "A bucket has another default encryption."
  }
}

run "the_operators_key_encrypts_everything_but_access_logs" {
  command = plan

  variables {
    kms_key_arn = "arn:aws:kms:us-east-1:123456789012:key/one"
  }

  assert {
    condition = jsonencode({ for key, it in aws_s3_bucket_server_side_encryption_configuration.this : key => [
      one(it.rule).apply_server_side_encryption_by_default[0].sse_algorithm, one(it.rule).apply_server_side_encryption_by_default[0].kms_master_key_id, tostring(one(it.rule).bucket_key_enabled)
      ] }) == jsonencode({
      raw         = ["aws:kms", "arn:aws:kms:us-east-1:123456789012:key/one", "true"]
      approved    = ["aws:kms", "arn:aws:kms:us-east-1:123456789012:key/one", "true"]
      ledger      = ["aws:kms", "arn:aws:kms:us-east-1:123456789012:key/one", "true"]
      access-logs = ["AES256", null, "false"]
    })
    error_message = "S3 delivers access logs to buckets with SSE-S3 only; all others are under the operator's key."
  }
}

run "only_uploads_are_announced" {
  command = plan

  assert {
    condition = (
      aws_s3_bucket_notification.raw.bucket == "the-raw"
      && aws_s3_bucket_notification.raw.topic[0].topic_arn == "arn:aws:sns:us-east-1:123456789012:raw-uploads"
      && tolist(aws_s3_bucket_notification.raw.topic[0].events) == tolist(["s3:ObjectCreated:*"])
    )
    error_message = "Uploads of each kind, and nothing else, are announced on raw-uploads."
  }
}

run "the_policy_is_in_the_ledger" {
  command = plan

  assert {
    condition = (
      aws_s3_object.policy.bucket == "the-ledger" && aws_s3_object.policy.key == "policy.json"
      && aws_s3_object.policy.content == file("../../../workflow/policy/default.json")
      && aws_s3_object.policy.source_hash == filesha256("../../../workflow/policy/default.json")
    )
    error_message = "The gate reads policy.json in the ledger; a change of the file must write it again."
  }
}

run "nothing_is_forgotten_by_default_but_unfinished_uploads" {
  command = plan

  assert {
    condition = jsonencode({ for key, it in aws_s3_bucket_lifecycle_configuration.this : key => it.rule[*].id }) == jsonencode({
      raw         = ["incomplete-uploads", "delete-markers"]
      approved    = ["incomplete-uploads", "delete-markers"]
      ledger      = ["incomplete-uploads"]
      access-logs = ["incomplete-uploads", "access-logs"]
    })
    error_message = jsonencode({ for key, it in aws_s3_bucket_lifecycle_configuration.this : key => it.rule[*].id })
  }

  assert {
    condition     = alltrue([for it in values(aws_s3_bucket_lifecycle_configuration.this) : it.rule[0].abort_incomplete_multipart_upload[0].days_after_initiation == 7])
    error_message = "Parts of uploads that nobody completed stay for good."
  }
}

run "what_the_operator_asks_for_is_forgotten" {
  command = plan

  variables {
    retention_days = { rejected_raw = 30, approved_raw = 20, raw = 60, replaced_approved = 10, reports = 400, access_logs = 5 }
  }

  assert {
    condition = jsonencode({ for key, it in aws_s3_bucket_lifecycle_configuration.this : key => {
      for rule in it.rule : rule.id => {
        prefix     = length(rule.filter[0].tag) > 0 ? null : rule.filter[0].prefix
        tag        = one(flatten(rule.filter[*].tag)[*].value)
        current    = one(rule.expiration[*].days)
        noncurrent = one(rule.noncurrent_version_expiration[*].noncurrent_days)
      } if !contains(["incomplete-uploads", "delete-markers"], rule.id)
      } }) == jsonencode({
      raw = {
        approved = { prefix = null, tag = "approved", current = 20, noncurrent = 20 }
        rejected = { prefix = null, tag = "rejected", current = 30, noncurrent = 30 }
        uploads  = { prefix = "", tag = null, current = 60, noncurrent = 60 }
      }
      approved    = { taken-down-or-replaced = { prefix = "", tag = null, current = null, noncurrent = 10 } }
      ledger      = { reports = { prefix = "reports/", tag = null, current = 400, noncurrent = null } }
      access-logs = { access-logs = { prefix = "", tag = null, current = 5, noncurrent = null } }
    })
    error_message = jsonencode({ for key, it in aws_s3_bucket_lifecycle_configuration.this : key => it.rule })
  }
}

run "refuses_buckets_without_names_of_their_own" {
  command = plan

  variables {
    bucket_names = { raw = "one", approved = "one", ledger = "the-ledger", access_logs = "the-access-logs" }
  }

  expect_failures = [var.bucket_names]
}

run "refuses_illegal_names_and_locking_everybody_out" {
  command = plan

  variables {
    bucket_names       = { raw = "The Raw", approved = "the-approved", ledger = "the-ledger", access_logs = "the-access-logs" }
    gate_role_arns     = []
    administrator_arns = []
  }

  expect_failures = [var.bucket_names, var.gate_role_arns, var.administrator_arns]
}
