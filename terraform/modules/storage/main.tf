# The four buckets: raw takes uploads, approved holds what the gate published, ledger holds the gate's state, and access-logs
# holds the access logs of the other three.

data "aws_caller_identity" "current" {}

locals {
  # The ledger is unversioned on purpose: a versioned bucket would keep every task token that was ever deleted from it.
  buckets = {
    raw         = { name = var.bucket_names.raw, versioning = "Enabled" }
    approved    = { name = var.bucket_names.approved, versioning = "Enabled" }
    ledger      = { name = var.bucket_names.ledger, versioning = "Disabled" }
    access-logs = { name = var.bucket_names.access_logs, versioning = "Disabled" }
  }
  gate_buckets = setsubtract(keys(local.buckets), ["access-logs"])
}

resource "aws_s3_bucket" "this" {
  # checkov:skip=CKV_AWS_144: one region; a second copy of unmoderated or taken-down videos is not wanted
  # checkov:skip=CKV_AWS_145: SSE-S3 unless the operator brings a key (kms_key_arn)
  # checkov:skip=CKV_AWS_21: ledger and access logs are unversioned on purpose, see the locals above
  # checkov:skip=CKV2_AWS_62: only uploads to the raw bucket are acted on
  # checkov:skip=CKV_AWS_18: access-logs itself is not logged, that would be a loop
  for_each = local.buckets

  bucket        = each.value.name
  force_destroy = var.force_destroy
}

resource "aws_s3_bucket_versioning" "this" {
  for_each = local.buckets

  bucket = aws_s3_bucket.this[each.key].id
  versioning_configuration {
    status = each.value.versioning
  }
}

resource "aws_s3_bucket_server_side_encryption_configuration" "this" {
  for_each = local.buckets

  bucket = aws_s3_bucket.this[each.key].id
  rule {
    # S3 delivers access logs to buckets with SSE-S3 only (S3 User Guide, "Enabling Amazon S3 server access logging").
    apply_server_side_encryption_by_default {
      sse_algorithm     = var.kms_key_arn == null || each.key == "access-logs" ? "AES256" : "aws:kms"
      kms_master_key_id = each.key == "access-logs" ? null : var.kms_key_arn
    }
    bucket_key_enabled = var.kms_key_arn != null && each.key != "access-logs"
    # A video under a key that only the uploader has could not be scanned: the upload is refused instead.
    blocked_encryption_types = ["SSE-C"]
  }
}

resource "aws_s3_bucket_public_access_block" "this" {
  for_each = local.buckets

  bucket                  = aws_s3_bucket.this[each.key].id
  block_public_acls       = true
  block_public_policy     = true
  ignore_public_acls      = true
  restrict_public_buckets = true
}

resource "aws_s3_bucket_ownership_controls" "this" {
  for_each = local.buckets

  bucket = aws_s3_bucket.this[each.key].id
  rule {
    object_ownership = "BucketOwnerEnforced"
  }
}

resource "aws_s3_bucket_logging" "this" {
  for_each = local.gate_buckets

  bucket        = aws_s3_bucket.this[each.key].id
  target_bucket = aws_s3_bucket.this["access-logs"].id
  target_prefix = "${each.key}/"

  depends_on = [aws_s3_bucket_policy.access_logs]
}

# Uploads are announced once everything behind the topic is there: S3 checks at once whether it may publish.
resource "aws_s3_bucket_notification" "raw" {
  bucket = aws_s3_bucket.this["raw"].id
  topic {
    id        = "raw-uploads"
    topic_arn = var.raw_uploads_topic_arn
    events    = ["s3:ObjectCreated:*"]
  }

  depends_on = [aws_s3_bucket_versioning.this]
}

# The operator's policy. Terraform owns it: it is written again whenever the file changes.
resource "aws_s3_object" "policy" {
  # checkov:skip=CKV_AWS_186: the bucket's default encryption applies, under the operator's key if there is one
  bucket       = aws_s3_bucket.this["ledger"].id
  key          = "policy.json"
  content      = file(var.policy_file)
  content_type = "application/json"
  source_hash  = filesha256(var.policy_file)

  # Never in the clear, and never before the ledger is closed to others.
  depends_on = [
    aws_s3_bucket_policy.gate,
    aws_s3_bucket_public_access_block.this,
    aws_s3_bucket_server_side_encryption_configuration.this,
    aws_s3_bucket_versioning.this,
  ]
}
