# The stack that is planned is the one that the sandbox deploys and all tests of the gate run on. stack.json comes from the sandbox
# (sandbox/src/stack/deployed.rs). The modules' own tests compare rules, subscriptions and definition with the same file.

mock_provider "aws" {
  override_during = plan
  source          = "./tests/mocks"
}

variables {
  zip_dir = "tests/zips"
}

run "functions_are_told_what_the_sandbox_tells_them" {
  command = plan

  assert {
    condition = { for name, function in local.functions : name => function.environment } == {
      for name, function in jsondecode(file("tests/stack.json")).functions : name => {
        for variable, value in function.environment :
        # On AWS the account's id is part of a bucket's name.
        variable => endswith(variable, "_BUCKET") ? "${value}-123456789012" : value
        # Lambda sets these two itself, as the function's logging configuration says.
        if !startswith(variable, "AWS_LAMBDA_LOG_")
      }
    }
    error_message = "The functions' environments differ from those in tests/stack.json."
  }
}

run "functions_are_given_what_the_sandbox_gives_them" {
  command = plan

  assert {
    condition = { for name, function in local.functions : name => [
      module.function[name].name, local.memory_mb, function.timeout_s, function.max_retries, function.max_event_age_s, one(function.on_failure_queue[*].arn)
      ] } == { for name, function in jsondecode(file("tests/stack.json")).functions : name => [
      function.name, function.memory_mb, function.timeout_s, function.max_retries, function.max_event_age_s, function.on_failure_queue_arn
    ] }
    error_message = "Memory, timeouts, retries or on-failure queues of the functions differ from those in tests/stack.json."
  }

  assert {
    condition     = toset(values(module.messaging.topic_arns)) == toset(jsondecode(file("tests/stack.json")).topics)
    error_message = "The topics differ from those in tests/stack.json."
  }
}

# The policies are rendered with ARNs that follow from names, before anything exists: they must be the ones that things get.
run "arns_in_policies_are_those_of_the_resources" {
  command = plan

  assert {
    condition = local.arns == {
      raw_bucket_arn               = module.storage.bucket_arns["raw"]
      approved_bucket_arn          = module.storage.bucket_arns["approved"]
      ledger_bucket_arn            = module.storage.bucket_arns["ledger"]
      activity_arn                 = module.state_machine.activity_arn
      state_machine_arn            = module.state_machine.arn
      execution_arn                = replace(module.state_machine.arn, ":stateMachine:", ":execution:")
      decisions_topic_arn          = module.messaging.topic_arns["decisions"]
      moderation_results_topic_arn = module.messaging.topic_arns["moderation-results"]
      rekognition_role_arn         = module.messaging.rekognition_role_arn
    }
    error_message = "An ARN that the policies name is not its resource's."
  }

  assert {
    condition     = alltrue([for policy in values(local.iam_policies) : can(jsondecode(policy).Statement) && !strcontains(policy, "$${")])
    error_message = "A policy template is no JSON, or has a placeholder that is not filled in."
  }
}

run "optional_settings_reach_the_functions" {
  command = plan

  variables {
    max_jobs                = 0
    max_video_minutes_a_day = 600
    cache_control           = "max-age=60"
    sweep_window_days       = 80
    name                    = "other"
  }

  assert {
    condition = alltrue([for name in ["activity-worker", "moderation-callback", "reconciler"] : alltrue([
      local.functions[name].environment.MAX_JOBS == "0",
      local.functions[name].environment.MAX_VIDEO_MINUTES_A_DAY == "600",
      local.functions[name].environment.CACHE_CONTROL == "max-age=60",
      local.functions[name].environment.SWEEP_WINDOW_MS == "6912000000",
      local.functions[name].environment.STACK_NAME == "other",
    ])])
    error_message = "A setting does not reach every settling function."
  }

  assert {
    condition     = length(setintersection(keys(local.functions["ingest-trigger"].environment), ["MAX_JOBS", "CACHE_CONTROL", "MAX_VIDEO_MINUTES_A_DAY"])) == 0
    error_message = "ingest-trigger is told what it does not need."
  }
}

run "idle_ticks_are_never_traced" {
  command = plan

  assert {
    condition = { for name, function in local.functions : name => function.tracing_mode } == {
      ingest-trigger      = "Active"
      activity-worker     = "PassThrough"
      moderation-callback = "Active"
      reconciler          = "PassThrough"
    }
    error_message = "Lambda samples the first request of each second: active tracing of ticks would record every one."
  }
}

run "tracing_can_be_switched_off" {
  command = plan

  variables {
    tracing_enabled = false
  }

  assert {
    condition     = toset([for function in values(local.functions) : function.tracing_mode]) == toset(["PassThrough"])
    error_message = "Functions are traced though tracing_enabled is false."
  }
}

run "zips_are_known_by_their_bytes" {
  command = plan

  assert {
    condition = local.zips == { for name in keys(local.functions) : name => {
      path     = "tests/zips/${name}/bootstrap.zip"
      hash     = filebase64sha256("tests/zips/${name}/bootstrap.zip")
      required = true
    } }
    error_message = "The zips are not those of zip_dir, or their hashes are others."
  }
}

run "buckets_carry_the_account_and_administrators_default_to_who_deploys" {
  command = plan

  assert {
    condition     = output.raw_bucket == "reelgate-raw-123456789012" && output.approved_bucket == "reelgate-approved-123456789012" && output.ledger_bucket == "reelgate-ledger-123456789012"
    error_message = "Buckets have other names."
  }

  assert {
    condition     = local.administrator_arns == tolist(["arn:aws:iam::123456789012:role/deployer"])
    error_message = "Whoever runs Terraform is not the administrator: it could not change the buckets a second time."
  }
}

run "a_deployer_who_is_no_administrator_is_warned" {
  command = plan

  variables {
    administrator_arns = ["arn:aws:iam::123456789012:role/apply-*"]
  }

  expect_failures = [check.administrator]
}

run "wildcards_in_administrators_are_understood" {
  command = plan

  variables {
    administrator_arns = ["arn:aws:iam::123456789012:role/deploy*"]
  }
}

run "outputs_lead_to_what_is_needed_next" {
  command = plan

  assert {
    condition     = output.dashboard_url == "https://us-east-1.console.aws.amazon.com/cloudwatch/home?region=us-east-1#dashboards/dashboard/reelgate"
    error_message = output.dashboard_url
  }

  assert {
    condition     = output.executions_url == "https://us-east-1.console.aws.amazon.com/states/home?region=us-east-1#/statemachines/view/arn%3Aaws%3Astates%3Aus-east-1%3A123456789012%3AstateMachine%3Areelgate-video-ingest"
    error_message = output.executions_url
  }

  assert {
    condition     = strcontains(output.try, "aws s3 cp clip.mp4 s3://reelgate-raw-123456789012/") && output.reconciler_function_name == "reelgate-reconciler" && output.region == "us-east-1"
    error_message = output.try
  }

  assert {
    condition     = toset(output.dead_letter_queue_urls) == toset([for queue in ["ingest-failures", "callback-failures", "undelivered-results"] : "https://sqs.us-east-1.amazonaws.com/123456789012/reelgate-${queue}"])
    error_message = jsonencode(output.dead_letter_queue_urls)
  }
}

run "the_keys_policy_lets_in_the_services_of_every_hop" {
  command = plan

  assert {
    condition = jsondecode(output.kms_key_policy_statements) == [
      {
        Sid       = "AllowLogs"
        Effect    = "Allow"
        Principal = { Service = ["logs.us-east-1.amazonaws.com"] }
        Action    = ["kms:Decrypt*", "kms:Describe*", "kms:Encrypt*", "kms:GenerateDataKey*", "kms:ReEncrypt*"]
        Resource  = "*"
        Condition = { ArnLike = { "kms:EncryptionContext:aws:logs:arn" = [
          "arn:aws:logs:us-east-1:123456789012:log-group:/aws/lambda/reelgate-*",
          "arn:aws:logs:us-east-1:123456789012:log-group:/aws/vendedlogs/states/reelgate-*",
        ] } }
      },
      {
        Sid       = "AllowPublishingServices"
        Effect    = "Allow"
        Principal = { Service = ["s3.amazonaws.com", "sns.amazonaws.com", "cloudwatch.amazonaws.com"] }
        Action    = ["kms:Decrypt", "kms:GenerateDataKey*"]
        Resource  = "*"
        Condition = { StringEquals = { "aws:SourceAccount" = "123456789012" } }
      },
    ]
    error_message = output.kms_key_policy_statements
  }
}

run "derived_names_are_not_too_long_for_aws" {
  command = plan

  variables {
    name = "a1234567890123456789012345678901"
  }

  # S3's limit for buckets, Lambda's and IAM's for functions and their roles.
  assert {
    condition     = alltrue([for name in values(local.bucket_names) : length(name) <= 63]) && alltrue([for function in values(module.function) : length(function.name) <= 64])
    error_message = jsonencode(local.bucket_names)
  }
}
