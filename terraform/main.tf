# The gate's stack: wiring only. Locals say what goes in (locals.tf, functions.tf, zips.tf), modules what is made of it.

module "storage" {
  source = "./modules/storage"

  bucket_names          = local.bucket_names
  gate_role_arns        = [for name in ["activity-worker", "moderation-callback", "reconciler"] : module.function[name].role_arn]
  administrator_arns    = local.administrator_arns
  raw_uploads_topic_arn = module.messaging.raw_uploads_topic_arn
  policy_file           = var.policy_file
  kms_key_arn           = var.kms_key_arn
  force_destroy         = var.force_destroy
  retention_days        = var.retention_days
}

module "messaging" {
  source = "./modules/messaging"

  name                     = var.name
  raw_bucket_arn           = module.storage.bucket_arns["raw"]
  functions                = { ingest_trigger = module.function["ingest-trigger"], moderation_callback = module.function["moderation-callback"] }
  announcer_role_arns      = [module.state_machine.role_arn, module.function["reconciler"].role_arn]
  rekognition_policy       = local.iam_policies["rekognition"]
  kms_key_arn              = var.kms_key_arn
  permissions_boundary_arn = var.permissions_boundary_arn
}

module "function" {
  source   = "./modules/function"
  for_each = local.functions

  name                     = "${var.name}-${each.key}"
  description              = each.value.description
  zip                      = local.zips[each.key]
  iam_policy               = local.iam_policies[each.key]
  environment              = each.value.environment
  memory_mb                = local.memory_mb
  timeout_s                = each.value.timeout_s
  max_retries              = each.value.max_retries
  max_event_age_s          = each.value.max_event_age_s
  on_failure_queue         = each.value.on_failure_queue
  log_retention_days       = var.log_retention_days
  tracing_mode             = each.value.tracing_mode
  reserved_concurrency     = lookup(var.reserved_concurrency, each.key, null)
  kms_key_arn              = var.kms_key_arn
  services_with_key        = each.value.services_with_key
  permissions_boundary_arn = var.permissions_boundary_arn
}

module "state_machine" {
  source = "./modules/state-machine"

  name                     = var.name
  definition_file          = "${path.module}/../workflow/video-ingest.asl.json"
  iam_policy               = local.iam_policies["state-machine"]
  decisions_topic_arn      = module.messaging.topic_arns["decisions"]
  machine_timeout_s        = var.machine_timeout_days * local.day_s
  task_timeout_s           = var.task_timeout_hours * local.hour_s
  heartbeat_s              = var.heartbeat_s
  log_level                = var.state_machine_log_level
  log_retention_days       = var.log_retention_days
  tracing_enabled          = var.tracing_enabled
  kms_key_arn              = var.kms_key_arn
  permissions_boundary_arn = var.permissions_boundary_arn
}

module "schedule" {
  source = "./modules/schedule"

  name              = var.name
  functions         = { for name in ["activity-worker", "reconciler"] : name => module.function[name] }
  state_machine_arn = module.state_machine.arn
  sweep_schedule    = var.sweep_schedule
}

module "observability" {
  source = "./modules/observability"

  name                   = var.name
  function_names         = { for key, function in module.function : key => function.name }
  log_group_names        = { for key, function in module.function : key => function.log_group_name }
  state_machine_arn      = module.state_machine.arn
  activity_arn           = module.state_machine.activity_arn
  queue_names            = module.messaging.queue_names
  delivering_topic_names = { for key in ["raw-uploads", "moderation-results"] : key => "${var.name}-${key}" }
  sweep_rule_name        = module.schedule.rule_names["sweep"]
  oldest_job_alarm_hours = var.oldest_job_alarm_hours
  queue_wait_alarm_hours = var.queue_wait_alarm_hours
  alarm_topic_arn        = var.alarm_topic_arn
  alarm_email            = var.alarm_email
  kms_key_arn            = var.kms_key_arn
}

# A plan by somebody who may not apply is fine, so this only warns.
check "administrator" {
  assert {
    condition = anytrue([
      for arn in local.administrator_arns :
      can(regex("^${replace(replace(arn, ".", "\\."), "*", ".*")}$", data.aws_iam_session_context.current.issuer_arn))
    ])
    error_message = "${data.aws_iam_session_context.current.issuer_arn} is none of administrator_arns: the buckets' policies will refuse what it applies to them."
  }
}
