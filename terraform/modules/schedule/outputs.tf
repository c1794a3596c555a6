output "rule_names" {
  description = "Names of the rules by executions, closed-executions, every-minute, sweep."
  value       = { for key, rule in aws_cloudwatch_event_rule.this : key => rule.name }
}
