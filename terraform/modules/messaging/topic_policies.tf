# Who may publish. A topic without a policy has SNS's default one, which lets anybody of the account publish who reaches it.

locals {
  topic_statements = {
    # A bucket's ARN names no account, so the account is a condition of its own: else a bucket that was deleted and created
    # anew elsewhere could publish (S3 User Guide, "Granting permissions to publish event notification messages").
    raw-uploads = [{
      Sid       = "AllowUploadEvents"
      Effect    = "Allow"
      Principal = { Service = "s3.amazonaws.com" }
      Action    = "sns:Publish"
      Resource  = aws_sns_topic.this["raw-uploads"].arn
      Condition = {
        ArnEquals    = { "aws:SourceArn" = var.raw_bucket_arn }
        StringEquals = { "aws:SourceAccount" = data.aws_caller_identity.current.account_id }
      }
    }]

    # Rekognition publishes as its role, whose own policy allows it. A forged message does no harm: it only says which record
    # to look at, and Rekognition is asked.
    moderation-results = []

    # Others act on what is announced here, so it must come from the gate.
    decisions = [{
      Sid       = "DenyAnnouncementsExceptByTheGate"
      Effect    = "Deny"
      Principal = "*"
      Action    = "sns:Publish"
      Resource  = aws_sns_topic.this["decisions"].arn
      Condition = { ArnNotEquals = { "aws:PrincipalArn" = var.announcer_role_arns } }
    }]
  }
}

resource "aws_sns_topic_policy" "this" {
  for_each = local.topics

  arn = aws_sns_topic.this[each.key].arn
  policy = jsonencode({
    Version = "2012-10-17"
    Statement = concat(
      [{
        Sid       = "DenyInsecureTransport"
        Effect    = "Deny"
        Principal = "*"
        Action    = "sns:Publish"
        Resource  = aws_sns_topic.this[each.key].arn
        Condition = { Bool = { "aws:SecureTransport" = "false" } }
      }],
      local.topic_statements[each.key],
    )
  })
}
