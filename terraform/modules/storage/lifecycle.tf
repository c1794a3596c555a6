# What the buckets forget. Nothing ever expires slots, records and heads in the ledger, and nothing expires what is published.

locals {
  # Of a versioned bucket: first a delete marker, then, as long after, the version is gone. A version that was overwritten
  # meanwhile is kept just as long.
  expiry_rules = {
    raw = { for id, rule in {
      rejected = { days = var.retention_days.rejected_raw, tag = { key = "reelgate:verdict", value = "rejected" } }
      approved = { days = var.retention_days.approved_raw, tag = { key = "reelgate:verdict", value = "approved" } }
      uploads  = { days = var.retention_days.raw, tag = null }
    } : id => rule if rule.days != null }
    approved    = {}
    ledger      = {}
    access-logs = {}
  }
  prefix_rules = {
    raw         = {}
    approved    = {}
    ledger      = { for id, days in { reports = var.retention_days.reports } : id => { days = days, prefix = "reports/" } if days != null }
    access-logs = { access-logs = { days = var.retention_days.access_logs, prefix = "" } }
  }
}

resource "aws_s3_bucket_lifecycle_configuration" "this" {
  for_each = local.buckets

  bucket = aws_s3_bucket.this[each.key].id

  # Parts of uploads that nobody completed cost storage and show up nowhere.
  rule {
    id     = "incomplete-uploads"
    status = "Enabled"
    filter {
      prefix = ""
    }
    abort_incomplete_multipart_upload {
      days_after_initiation = 7
    }
  }

  # Delete markers of keys that have no version left.
  dynamic "rule" {
    for_each = each.value.versioning == "Enabled" ? ["delete-markers"] : []
    content {
      id     = rule.value
      status = "Enabled"
      filter {
        prefix = ""
      }
      expiration {
        expired_object_delete_marker = true
      }
    }
  }

  # What was taken down or replaced.
  dynamic "rule" {
    for_each = each.key == "approved" && var.retention_days.replaced_approved != null ? [var.retention_days.replaced_approved] : []
    content {
      id     = "taken-down-or-replaced"
      status = "Enabled"
      filter {
        prefix = ""
      }
      noncurrent_version_expiration {
        noncurrent_days = rule.value
      }
    }
  }

  dynamic "rule" {
    for_each = local.expiry_rules[each.key]
    content {
      id     = rule.key
      status = "Enabled"
      filter {
        prefix = rule.value.tag == null ? "" : null
        dynamic "tag" {
          for_each = rule.value.tag == null ? [] : [rule.value.tag]
          content {
            key   = tag.value.key
            value = tag.value.value
          }
        }
      }
      expiration {
        days = rule.value.days
      }
      noncurrent_version_expiration {
        noncurrent_days = rule.value.days
      }
    }
  }

  dynamic "rule" {
    for_each = local.prefix_rules[each.key]
    content {
      id     = rule.key
      status = "Enabled"
      filter {
        prefix = rule.value.prefix
      }
      expiration {
        days = rule.value.days
      }
    }
  }

  # Rules about noncurrent versions are refused while a bucket has no versioning.
  depends_on = [aws_s3_bucket_versioning.this]
}
