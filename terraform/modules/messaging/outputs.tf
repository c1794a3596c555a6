output "topic_arns" {
  description = "ARNs of the topics by raw-uploads, moderation-results, decisions."
  value       = { for key, topic in aws_sns_topic.this : key => topic.arn }
}

output "raw_uploads_topic_arn" {
  description = "The raw-uploads topic, once S3 may publish on it and its messages arrive."
  value       = aws_sns_topic.this["raw-uploads"].arn
  depends_on  = [aws_sns_topic_policy.this, aws_sns_topic_subscription.this]
}

output "queue_arns" {
  description = "ARNs of the queues by ingest-failures, callback-failures, undelivered-results."
  value       = { for key, queue in aws_sqs_queue.this : key => queue.arn }
}

output "queue_names" {
  description = "Names of the queues by the same keys."
  value       = { for key, queue in aws_sqs_queue.this : key => queue.name }
}

output "queue_urls" {
  description = "URLs of the queues by the same keys."
  value       = { for key, queue in aws_sqs_queue.this : key => queue.url }
}

output "rekognition_role_arn" {
  description = "The role that Rekognition assumes to announce finished jobs."
  value       = aws_iam_role.rekognition.arn
}
