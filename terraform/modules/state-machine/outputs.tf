output "arn" {
  description = "The state machine's ARN."
  value       = aws_sfn_state_machine.this.arn
}

output "activity_arn" {
  description = "The activity's ARN."
  value       = aws_sfn_activity.moderate.arn
}

output "role_arn" {
  description = "The ARN of the state machine's role."
  value       = aws_iam_role.this.arn
}
