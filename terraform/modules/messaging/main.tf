# Topics, the subscriptions of the two functions, and the queues that keep what could not be handled.

data "aws_caller_identity" "current" {}

data "aws_partition" "current" {}

data "aws_region" "current" {}

locals {
  topics = toset(["raw-uploads", "moderation-results", "decisions"])

  # What a topic's messages invoke, and where a message goes that SNS cannot deliver.
  subscriptions = {
    raw-uploads        = { function = var.functions.ingest_trigger, queue = "ingest-failures" }
    moderation-results = { function = var.functions.moderation_callback, queue = "undelivered-results" }
  }

  # The queue's topic, if SNS sends to it. callback-failures gets events from Lambda alone, whose role has its own permission.
  queues = {
    ingest-failures     = "raw-uploads"
    callback-failures   = null
    undelivered-results = "moderation-results"
  }
}

resource "aws_sns_topic" "this" {
  # checkov:skip=CKV_AWS_26: without the operator's key there is none to use: S3 and CloudWatch cannot publish under alias/aws/sns
  for_each = local.topics

  name              = "${var.name}-${each.key}"
  kms_master_key_id = var.kms_key_arn
}

resource "aws_sqs_queue" "this" {
  for_each = local.queues

  name                      = "${var.name}-${each.key}"
  message_retention_seconds = 1209600 # 14 days, SQS's longest: an operator may be on holiday
  kms_master_key_id         = var.kms_key_arn
  sqs_managed_sse_enabled   = var.kms_key_arn == null ? true : null
}

resource "aws_sqs_queue_policy" "this" {
  for_each = local.queues

  queue_url = aws_sqs_queue.this[each.key].id
  policy = jsonencode({
    Version = "2012-10-17"
    Statement = concat(
      [{
        Sid       = "DenyInsecureTransport"
        Effect    = "Deny"
        Principal = "*"
        Action    = "sqs:*"
        Resource  = aws_sqs_queue.this[each.key].arn
        Condition = { Bool = { "aws:SecureTransport" = "false" } }
      }],
      [for topic in each.value[*] : {
        Sid       = "AllowUndeliveredMessages"
        Effect    = "Allow"
        Principal = { Service = "sns.amazonaws.com" }
        Action    = "sqs:SendMessage"
        Resource  = aws_sqs_queue.this[each.key].arn
        Condition = { ArnEquals = { "aws:SourceArn" = aws_sns_topic.this[topic].arn } }
      }],
    )
  })
}

resource "aws_lambda_permission" "topic" {
  for_each = local.subscriptions

  statement_id  = "InvokeFor-${each.key}"
  function_name = each.value.function.name
  action        = "lambda:InvokeFunction"
  principal     = "sns.amazonaws.com"
  source_arn    = aws_sns_topic.this[each.key].arn
}

resource "aws_sns_topic_subscription" "this" {
  for_each = local.subscriptions

  topic_arn      = aws_sns_topic.this[each.key].arn
  protocol       = "lambda"
  endpoint       = each.value.function.arn
  redrive_policy = jsonencode({ deadLetterTargetArn = aws_sqs_queue.this[each.value.queue].arn })

  depends_on = [aws_lambda_permission.topic, aws_sqs_queue_policy.this]
}
