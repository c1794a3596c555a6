output "alarm_names" {
  description = "Names of all alarms."
  value       = sort(concat(values(aws_cloudwatch_metric_alarm.this)[*].alarm_name, values(aws_cloudwatch_metric_alarm.not_invoked)[*].alarm_name))
}

output "alarm_topic_arn" {
  description = "The topic made for alarm_email; null without one."
  value       = one(aws_sns_topic.alarms[*].arn)
}

output "dashboard_name" {
  description = "The dashboard's name."
  value       = aws_cloudwatch_dashboard.this.dashboard_name
}
