# The role that Rekognition assumes to announce finished jobs on moderation-results.

resource "aws_iam_role" "rekognition" {
  name                 = "${var.name}-rekognition"
  description          = "Rekognition announces finished jobs of ${var.name}"
  permissions_boundary = var.permissions_boundary_arn
  assume_role_policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Effect    = "Allow"
      Principal = { Service = "rekognition.amazonaws.com" }
      Action    = "sts:AssumeRole"
      # The account alone: for stored video an aws:SourceArn that does not match ends all notifications without any error
      # (Rekognition Developer Guide, "Cross-service confused deputy prevention").
      Condition = { StringEquals = { "aws:SourceAccount" = data.aws_caller_identity.current.account_id } }
    }]
  })
}

resource "aws_iam_role_policy" "rekognition_calls" {
  name   = "calls"
  role   = aws_iam_role.rekognition.name
  policy = var.rekognition_policy
}

resource "aws_iam_role_policy" "rekognition_platform" {
  count = var.kms_key_arn == null ? 0 : 1

  name = "platform"
  role = aws_iam_role.rekognition.name
  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Sid       = "UseKey"
      Effect    = "Allow"
      Action    = ["kms:Decrypt", "kms:GenerateDataKey"]
      Resource  = var.kms_key_arn
      Condition = { StringEquals = { "kms:ViaService" = "sns.${data.aws_region.current.region}.${data.aws_partition.current.dns_suffix}" } }
    }]
  })
}
