# An account in us-east-1 in which everything has the ARN that AWS would give it: the sandbox's account and names, so that what is
# planned can be compared with what the sandbox deploys (tests/stack.json).

mock_data "aws_caller_identity" {
  defaults = {
    account_id = "123456789012"
    arn        = "arn:aws:sts::123456789012:assumed-role/deployer/session"
  }
}

mock_data "aws_iam_session_context" {
  defaults = { issuer_arn = "arn:aws:iam::123456789012:role/deployer" }
}

mock_data "aws_partition" {
  defaults = {
    partition  = "aws"
    dns_suffix = "amazonaws.com"
  }
}

mock_data "aws_region" {
  defaults = { region = "us-east-1" }
}

override_resource {
  target = module.storage.aws_s3_bucket.this["raw"]
  values = {
    arn = "arn:aws:s3:::reelgate-raw-123456789012"
    id  = "reelgate-raw-123456789012"
  }
}

override_resource {
  target = module.storage.aws_s3_bucket.this["approved"]
  values = {
    arn = "arn:aws:s3:::reelgate-approved-123456789012"
    id  = "reelgate-approved-123456789012"
  }
}

override_resource {
  target = module.storage.aws_s3_bucket.this["ledger"]
  values = {
    arn = "arn:aws:s3:::reelgate-ledger-123456789012"
    id  = "reelgate-ledger-123456789012"
  }
}

override_resource {
  target = module.storage.aws_s3_bucket.this["access-logs"]
  values = {
    arn = "arn:aws:s3:::reelgate-access-logs-123456789012"
    id  = "reelgate-access-logs-123456789012"
  }
}

override_resource {
  target = module.messaging.aws_sns_topic.this["raw-uploads"]
  values = {
    arn = "arn:aws:sns:us-east-1:123456789012:reelgate-raw-uploads"
  }
}

override_resource {
  target = module.messaging.aws_sns_topic.this["moderation-results"]
  values = {
    arn = "arn:aws:sns:us-east-1:123456789012:reelgate-moderation-results"
  }
}

override_resource {
  target = module.messaging.aws_sns_topic.this["decisions"]
  values = {
    arn = "arn:aws:sns:us-east-1:123456789012:reelgate-decisions"
  }
}

override_resource {
  target = module.messaging.aws_sqs_queue.this["ingest-failures"]
  values = {
    arn = "arn:aws:sqs:us-east-1:123456789012:reelgate-ingest-failures"
    id  = "https://sqs.us-east-1.amazonaws.com/123456789012/reelgate-ingest-failures"
    url = "https://sqs.us-east-1.amazonaws.com/123456789012/reelgate-ingest-failures"
  }
}

override_resource {
  target = module.messaging.aws_sqs_queue.this["callback-failures"]
  values = {
    arn = "arn:aws:sqs:us-east-1:123456789012:reelgate-callback-failures"
    id  = "https://sqs.us-east-1.amazonaws.com/123456789012/reelgate-callback-failures"
    url = "https://sqs.us-east-1.amazonaws.com/123456789012/reelgate-callback-failures"
  }
}

override_resource {
  target = module.messaging.aws_sqs_queue.this["undelivered-results"]
  values = {
    arn = "arn:aws:sqs:us-east-1:123456789012:reelgate-undelivered-results"
    id  = "https://sqs.us-east-1.amazonaws.com/123456789012/reelgate-undelivered-results"
    url = "https://sqs.us-east-1.amazonaws.com/123456789012/reelgate-undelivered-results"
  }
}

override_resource {
  target = module.messaging.aws_iam_role.rekognition
  values = {
    arn = "arn:aws:iam::123456789012:role/reelgate-rekognition"
  }
}

override_resource {
  target = module.state_machine.aws_sfn_activity.moderate
  values = {
    arn = "arn:aws:states:us-east-1:123456789012:activity:reelgate-moderate"
  }
}

override_resource {
  target = module.state_machine.aws_sfn_state_machine.this
  values = {
    arn = "arn:aws:states:us-east-1:123456789012:stateMachine:reelgate-video-ingest"
  }
}

override_resource {
  target = module.state_machine.aws_iam_role.this
  values = {
    arn = "arn:aws:iam::123456789012:role/reelgate-video-ingest"
  }
}

override_resource {
  target = module.state_machine.aws_cloudwatch_log_group.this
  values = {
    arn = "arn:aws:logs:us-east-1:123456789012:log-group:/aws/vendedlogs/states/reelgate-video-ingest"
  }
}

override_resource {
  target = module.function["ingest-trigger"].aws_lambda_function.this
  values = {
    arn = "arn:aws:lambda:us-east-1:123456789012:function:reelgate-ingest-trigger"
  }
}

override_resource {
  target = module.function["ingest-trigger"].aws_iam_role.this
  values = {
    arn = "arn:aws:iam::123456789012:role/reelgate-ingest-trigger"
  }
}

override_resource {
  target = module.function["ingest-trigger"].aws_cloudwatch_log_group.this
  values = {
    arn = "arn:aws:logs:us-east-1:123456789012:log-group:/aws/lambda/reelgate-ingest-trigger"
  }
}

override_resource {
  target = module.function["activity-worker"].aws_lambda_function.this
  values = {
    arn = "arn:aws:lambda:us-east-1:123456789012:function:reelgate-activity-worker"
  }
}

override_resource {
  target = module.function["activity-worker"].aws_iam_role.this
  values = {
    arn = "arn:aws:iam::123456789012:role/reelgate-activity-worker"
  }
}

override_resource {
  target = module.function["activity-worker"].aws_cloudwatch_log_group.this
  values = {
    arn = "arn:aws:logs:us-east-1:123456789012:log-group:/aws/lambda/reelgate-activity-worker"
  }
}

override_resource {
  target = module.function["moderation-callback"].aws_lambda_function.this
  values = {
    arn = "arn:aws:lambda:us-east-1:123456789012:function:reelgate-moderation-callback"
  }
}

override_resource {
  target = module.function["moderation-callback"].aws_iam_role.this
  values = {
    arn = "arn:aws:iam::123456789012:role/reelgate-moderation-callback"
  }
}

override_resource {
  target = module.function["moderation-callback"].aws_cloudwatch_log_group.this
  values = {
    arn = "arn:aws:logs:us-east-1:123456789012:log-group:/aws/lambda/reelgate-moderation-callback"
  }
}

override_resource {
  target = module.function["reconciler"].aws_lambda_function.this
  values = {
    arn = "arn:aws:lambda:us-east-1:123456789012:function:reelgate-reconciler"
  }
}

override_resource {
  target = module.function["reconciler"].aws_iam_role.this
  values = {
    arn = "arn:aws:iam::123456789012:role/reelgate-reconciler"
  }
}

override_resource {
  target = module.function["reconciler"].aws_cloudwatch_log_group.this
  values = {
    arn = "arn:aws:logs:us-east-1:123456789012:log-group:/aws/lambda/reelgate-reconciler"
  }
}

override_resource {
  target = module.schedule.aws_cloudwatch_event_rule.this["executions"]
  values = {
    arn = "arn:aws:events:us-east-1:123456789012:rule/reelgate-executions"
  }
}

override_resource {
  target = module.schedule.aws_cloudwatch_event_rule.this["closed-executions"]
  values = {
    arn = "arn:aws:events:us-east-1:123456789012:rule/reelgate-closed-executions"
  }
}

override_resource {
  target = module.schedule.aws_cloudwatch_event_rule.this["every-minute"]
  values = {
    arn = "arn:aws:events:us-east-1:123456789012:rule/reelgate-every-minute"
  }
}

override_resource {
  target = module.schedule.aws_cloudwatch_event_rule.this["sweep"]
  values = {
    arn = "arn:aws:events:us-east-1:123456789012:rule/reelgate-sweep"
  }
}
