# Who may publish and send where, the whole of each policy; and that messages reach what they reach in the sandbox.

mock_provider "aws" {
  override_during = plan

  mock_data "aws_caller_identity" {
    defaults = { account_id = "123456789012" }
  }

  mock_data "aws_partition" {
    defaults = { dns_suffix = "amazonaws.com" }
  }

  mock_data "aws_region" {
    defaults = { region = "us-east-1" }
  }

  override_resource {
    target = aws_sns_topic.this["raw-uploads"]
    values = { arn = "arn:aws:sns:us-east-1:123456789012:reelgate-raw-uploads" }
  }

  override_resource {
    target = aws_sns_topic.this["moderation-results"]
    values = { arn = "arn:aws:sns:us-east-1:123456789012:reelgate-moderation-results" }
  }

  override_resource {
    target = aws_sns_topic.this["decisions"]
    values = { arn = "arn:aws:sns:us-east-1:123456789012:reelgate-decisions" }
  }

  override_resource {
    target = aws_sqs_queue.this["ingest-failures"]
    values = { arn = "arn:aws:sqs:us-east-1:123456789012:reelgate-ingest-failures" }
  }

  override_resource {
    target = aws_sqs_queue.this["callback-failures"]
    values = { arn = "arn:aws:sqs:us-east-1:123456789012:reelgate-callback-failures" }
  }

  override_resource {
    target = aws_sqs_queue.this["undelivered-results"]
    values = { arn = "arn:aws:sqs:us-east-1:123456789012:reelgate-undelivered-results" }
  }
}

variables {
  name           = "reelgate"
  raw_bucket_arn = "arn:aws:s3:::the-raw"
  functions = {
    ingest_trigger      = { name = "reelgate-ingest-trigger", arn = "arn:aws:lambda:us-east-1:123456789012:function:reelgate-ingest-trigger" }
    moderation_callback = { name = "reelgate-moderation-callback", arn = "arn:aws:lambda:us-east-1:123456789012:function:reelgate-moderation-callback" }
  }
  announcer_role_arns = ["arn:aws:iam::123456789012:role/machine", "arn:aws:iam::123456789012:role/reconciler"]
  rekognition_policy  = "{\"Version\":\"2012-10-17\",\"Statement\":[]}"
}

run "messages_reach_what_they_reach_in_the_sandbox" {
  command = plan

  assert {
    condition = { for key, it in aws_sns_topic_subscription.this : it.topic_arn => {
      function_arn          = it.endpoint
      dead_letter_queue_arn = jsondecode(it.redrive_policy).deadLetterTargetArn
    } } == jsondecode(file("../../tests/stack.json")).subscriptions
    error_message = "The subscriptions differ from those in tests/stack.json."
  }

  assert {
    condition = { for key, it in aws_lambda_permission.topic : key => [it.function_name, it.principal, it.source_arn] } == {
      raw-uploads        = ["reelgate-ingest-trigger", "sns.amazonaws.com", "arn:aws:sns:us-east-1:123456789012:reelgate-raw-uploads"]
      moderation-results = ["reelgate-moderation-callback", "sns.amazonaws.com", "arn:aws:sns:us-east-1:123456789012:reelgate-moderation-results"]
    }
    error_message = "A function cannot be invoked by its topic, or by more than it."
  }
}

run "s3_publishes_uploads_of_this_bucket_and_account_only" {
  command = plan

  assert {
    condition = jsondecode(aws_sns_topic_policy.this["raw-uploads"].policy).Statement == [
      {
        Sid       = "DenyInsecureTransport"
        Effect    = "Deny"
        Principal = "*"
        Action    = "sns:Publish"
        Resource  = "arn:aws:sns:us-east-1:123456789012:reelgate-raw-uploads"
        Condition = { Bool = { "aws:SecureTransport" = "false" } }
      },
      {
        Sid       = "AllowUploadEvents"
        Effect    = "Allow"
        Principal = { Service = "s3.amazonaws.com" }
        Action    = "sns:Publish"
        Resource  = "arn:aws:sns:us-east-1:123456789012:reelgate-raw-uploads"
        Condition = {
          ArnEquals    = { "aws:SourceArn" = "arn:aws:s3:::the-raw" }
          StringEquals = { "aws:SourceAccount" = "123456789012" }
        }
      },
    ]
    error_message = aws_sns_topic_policy.this["raw-uploads"].policy
  }
}

run "results_are_allowed_by_rekognitions_role_alone" {
  command = plan

  assert {
    condition     = jsondecode(aws_sns_topic_policy.this["moderation-results"].policy).Statement[*].Effect == ["Deny"]
    error_message = aws_sns_topic_policy.this["moderation-results"].policy
  }

  assert {
    condition = jsondecode(aws_iam_role.rekognition.assume_role_policy).Statement == [{
      Effect    = "Allow"
      Principal = { Service = "rekognition.amazonaws.com" }
      Action    = "sts:AssumeRole"
      Condition = { StringEquals = { "aws:SourceAccount" = "123456789012" } }
    }]
    error_message = aws_iam_role.rekognition.assume_role_policy
  }

  assert {
    condition     = aws_iam_role_policy.rekognition_calls.policy == var.rekognition_policy && length(aws_iam_role_policy.rekognition_platform) == 0
    error_message = "The role may do more than it was given."
  }
}

run "decisions_come_from_the_gate_only" {
  command = plan

  assert {
    condition = jsondecode(aws_sns_topic_policy.this["decisions"].policy).Statement == [
      {
        Sid       = "DenyInsecureTransport"
        Effect    = "Deny"
        Principal = "*"
        Action    = "sns:Publish"
        Resource  = "arn:aws:sns:us-east-1:123456789012:reelgate-decisions"
        Condition = { Bool = { "aws:SecureTransport" = "false" } }
      },
      {
        Sid       = "DenyAnnouncementsExceptByTheGate"
        Effect    = "Deny"
        Principal = "*"
        Action    = "sns:Publish"
        Resource  = "arn:aws:sns:us-east-1:123456789012:reelgate-decisions"
        Condition = { ArnNotEquals = { "aws:PrincipalArn" = ["arn:aws:iam::123456789012:role/machine", "arn:aws:iam::123456789012:role/reconciler"] } }
      },
    ]
    error_message = aws_sns_topic_policy.this["decisions"].policy
  }
}

run "queues_take_undelivered_messages_of_their_topic_only" {
  command = plan

  assert {
    condition = jsonencode({ for key, it in aws_sqs_queue_policy.this : key => [
      for statement in jsondecode(it.policy).Statement : [statement.Effect, statement.Principal, statement.Action, statement.Resource, statement.Condition]
      ] }) == jsonencode({ for key, topic in { ingest-failures = "raw-uploads", callback-failures = null, undelivered-results = "moderation-results" } : key => concat(
      [["Deny", "*", "sqs:*", "arn:aws:sqs:us-east-1:123456789012:reelgate-${key}", { Bool = { "aws:SecureTransport" = "false" } }]],
      [for name in topic[*] : [
        "Allow", { Service = "sns.amazonaws.com" }, "sqs:SendMessage", "arn:aws:sqs:us-east-1:123456789012:reelgate-${key}",
        { ArnEquals = { "aws:SourceArn" = "arn:aws:sns:us-east-1:123456789012:reelgate-${name}" } },
      ]],
    ) })
    error_message = jsonencode({ for key, it in aws_sqs_queue_policy.this : key => jsondecode(it.policy) })
  }

  assert {
    condition     = alltrue([for it in values(aws_sqs_queue.this) : it.sqs_managed_sse_enabled && it.message_retention_seconds == 1209600])
    error_message = "A queue is not encrypted, or forgets in less than 14 days."
  }
}

run "the_operators_key_encrypts_topics_and_queues_and_rekognition_may_use_it" {
  command = plan

  variables {
    kms_key_arn = "arn:aws:kms:us-east-1:123456789012:key/one"
  }

  assert {
    condition     = toset(concat(values(aws_sns_topic.this)[*].kms_master_key_id, values(aws_sqs_queue.this)[*].kms_master_key_id)) == toset([var.kms_key_arn])
    error_message = "A topic or a queue is not encrypted with the operator's key."
  }

  assert {
    condition = jsondecode(aws_iam_role_policy.rekognition_platform[0].policy).Statement == [{
      Sid       = "UseKey"
      Effect    = "Allow"
      Action    = ["kms:Decrypt", "kms:GenerateDataKey"]
      Resource  = "arn:aws:kms:us-east-1:123456789012:key/one"
      Condition = { StringEquals = { "kms:ViaService" = "sns.us-east-1.amazonaws.com" } }
    }]
    error_message = aws_iam_role_policy.rekognition_platform[0].policy
  }
}

run "platform_md_lists_what_the_platform_is_given" {
  command = plan

  variables {
    kms_key_arn = "arn:aws:kms:us-east-1:123456789012:key/one"
  }

  assert {
    condition = alltrue([for statement in jsondecode(aws_iam_role_policy.rekognition_platform[0].policy).Statement :
      join(" ", [for action in statement.Action : "`${action}`"]) == regex("\\| `${statement.Sid}` \\| rekognition \\| ([^|]*) \\|", file("../../permissions/platform.md"))[0]
    ])
    error_message = aws_iam_role_policy.rekognition_platform[0].policy
  }
}
