output "bucket_names" {
  description = "Names of the buckets by raw, approved, ledger, access-logs."
  value       = { for key, bucket in aws_s3_bucket.this : key => bucket.id }
}

output "bucket_arns" {
  description = "ARNs of the buckets by raw, approved, ledger, access-logs."
  value       = local.bucket_arns
}
