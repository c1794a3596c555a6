output "region" {
  description = "Where it all is."
  value       = data.aws_region.current.region
}

output "raw_bucket" {
  description = "Drop videos here."
  value       = module.storage.bucket_names["raw"]
}

output "approved_bucket" {
  description = "Approved videos appear here."
  value       = module.storage.bucket_names["approved"]
}

output "ledger_bucket" {
  description = "Reports are here, below reports/."
  value       = module.storage.bucket_names["ledger"]
}

output "state_machine_arn" {
  description = "One execution a video."
  value       = module.state_machine.arn
}

output "decisions_topic_arn" {
  description = "Verdicts are announced here: subscribe, and filter by the message attribute `verdict`."
  value       = module.messaging.topic_arns["decisions"]
}

output "function_names" {
  description = "Names of the functions."
  value       = { for key, function in module.function : key => function.name }
}

output "reconciler_function_name" {
  description = "Invoke this one for a sweep or a backfill."
  value       = module.function["reconciler"].name
}

output "role_arns" {
  description = "The functions' roles, for key or bucket policies of the operator's own."
  value       = { for key, function in module.function : key => function.role_arn }
}

output "dead_letter_queue_urls" {
  description = "Queues of events and messages that could not be handled."
  value       = values(module.messaging.queue_urls)
}

output "alarm_names" {
  description = "All alarms; docs/operations.md has a section for each."
  value       = module.observability.alarm_names
}

output "dashboard_url" {
  description = "The gate from upload to verdict."
  value       = "${local.console}/cloudwatch/home?region=${data.aws_region.current.region}#dashboards/dashboard/${module.observability.dashboard_name}"
}

output "executions_url" {
  description = "The executions, one a video."
  value       = "${local.console}/states/home?region=${data.aws_region.current.region}#/statemachines/view/${urlencode(module.state_machine.arn)}"
}

output "try" {
  description = "Commands for a first video."
  value       = <<-EOT
    aws s3 cp clip.mp4 s3://${module.storage.bucket_names["raw"]}/
    aws s3 ls s3://${module.storage.bucket_names["approved"]}/
    aws stepfunctions list-executions --state-machine-arn ${module.state_machine.arn}
  EOT
}

output "kms_key_policy_statements" {
  description = "What the policy of the key in kms_key_arn must contain besides its default, as JSON."
  value       = jsonencode(local.kms_key_policy_statements)
}

locals {
  console_hosts = { aws = "console.aws.amazon.com", aws-cn = "console.amazonaws.cn", aws-us-gov = "console.amazonaws-us-gov.com" }
  console       = "https://${data.aws_region.current.region}.${lookup(local.console_hosts, data.aws_partition.current.partition, "console.aws.amazon.com")}"
}
