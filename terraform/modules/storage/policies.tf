# Who may do what in the buckets, whatever their own IAM policies say. All denials: what is allowed is in the roles' policies.
#
# `aws:PrincipalArn` of an assumed role is the role's own ARN (IAM User Guide, "AWS global condition context keys"). The ARNs
# stand in conditions and not in `Principal`, so that a role that is created anew is still the same one. A request
# without that key (a service's own) is denied too: a negated operator matches an absent key. S3's lifecycle rules are not
# requests, and go on.

locals {
  bucket_arns = { for key, bucket in aws_s3_bucket.this : key => bucket.arn }

  # The bytes of an object can be written by PutObject (all kinds of upload and copy) and by replication.
  write_actions = ["s3:PutObject", "s3:ReplicateObject", "s3:ReplicateDelete", "s3:ReplicateTags", "s3:ObjectOwnerOverrideToBucketOwner"]

  insecure_transport = {
    for key, arn in local.bucket_arns : key => {
      Sid       = "DenyInsecureTransport"
      Effect    = "Deny"
      Principal = "*"
      Action    = "s3:*"
      Resource  = [arn, "${arn}/*"]
      Condition = { Bool = { "aws:SecureTransport" = "false" } }
    }
  }

  # Without this, whoever may change a bucket's policy or versioning could lift everything else here.
  reconfiguration = {
    for key in local.gate_buckets : key => {
      Sid       = "DenyReconfigurationExceptByAdministrators"
      Effect    = "Deny"
      Principal = "*"
      Action = [
        "s3:DeleteBucket",
        "s3:DeleteBucketPolicy",
        "s3:PutBucketOwnershipControls",
        "s3:PutBucketPolicy",
        "s3:PutBucketPublicAccessBlock",
        "s3:PutBucketVersioning",
        "s3:PutLifecycleConfiguration",
        "s3:PutReplicationConfiguration",
      ]
      Resource  = local.bucket_arns[key]
      Condition = { ArnNotLike = { "aws:PrincipalArn" = var.administrator_arns } }
    }
  }

  statements = {
    raw = [local.insecure_transport["raw"], local.reconfiguration["raw"]]

    # A takedown is a plain DeleteObject, which only adds a delete marker: whoever has s3:DeleteObject may do that. Nobody may
    # delete a version, and with that undo a takedown or destroy what was published; the lifecycle rule does that in time.
    approved = [
      local.insecure_transport["approved"],
      local.reconfiguration["approved"],
      {
        Sid       = "DenyWritesExceptByTheGate"
        Effect    = "Deny"
        Principal = "*"
        Action    = local.write_actions
        Resource  = "${local.bucket_arns["approved"]}/*"
        Condition = { ArnNotEquals = { "aws:PrincipalArn" = var.gate_role_arns } }
      },
      {
        Sid       = "DenyDeletionOfVersions"
        Effect    = "Deny"
        Principal = "*"
        Action    = ["s3:DeleteObjectVersion"]
        Resource  = "${local.bucket_arns["approved"]}/*"
      },
    ]

    # Whoever could write here would decide what is approved, and whoever could read the records would hold task tokens.
    ledger = [
      local.insecure_transport["ledger"],
      local.reconfiguration["ledger"],
      {
        Sid       = "DenyWritesExceptByTheGate"
        Effect    = "Deny"
        Principal = "*"
        Action    = concat(local.write_actions, ["s3:DeleteObject", "s3:DeleteObjectVersion"])
        Resource  = "${local.bucket_arns["ledger"]}/*"
        Condition = { ArnNotLike = { "aws:PrincipalArn" = concat(var.gate_role_arns, var.administrator_arns) } }
      },
      {
        Sid       = "DenyReadingTaskTokens"
        Effect    = "Deny"
        Principal = "*"
        Action    = ["s3:GetObject", "s3:GetObjectVersion", "s3:GetObjectVersionForReplication"]
        Resource  = "${local.bucket_arns["ledger"]}/jobs/*"
        Condition = { ArnNotEquals = { "aws:PrincipalArn" = var.gate_role_arns } }
      },
    ]
  }
}

resource "aws_s3_bucket_policy" "gate" {
  for_each = local.gate_buckets

  bucket = aws_s3_bucket.this[each.key].id
  policy = jsonencode({ Version = "2012-10-17", Statement = local.statements[each.key] })

  # A public access block that changes at the same time makes PutBucketPolicy fail with a conflict.
  depends_on = [aws_s3_bucket_public_access_block.this]
}

resource "aws_s3_bucket_policy" "access_logs" {
  bucket = aws_s3_bucket.this["access-logs"].id
  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [
      local.insecure_transport["access-logs"],
      {
        Sid       = "AllowDeliveryOfAccessLogs"
        Effect    = "Allow"
        Principal = { Service = "logging.s3.amazonaws.com" }
        Action    = ["s3:PutObject"]
        Resource  = "${local.bucket_arns["access-logs"]}/*"
        Condition = {
          ArnEquals    = { "aws:SourceArn" = [for key in sort(local.gate_buckets) : local.bucket_arns[key]] }
          StringEquals = { "aws:SourceAccount" = data.aws_caller_identity.current.account_id }
        }
      },
    ]
  })

  depends_on = [aws_s3_bucket_public_access_block.this]
}
