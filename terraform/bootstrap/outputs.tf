output "plan_role_arn" {
  description = "Role of workflows of pull requests."
  value       = aws_iam_role.this["plan"].arn
}

output "apply_role_arn" {
  description = "Role of jobs of the environment. Give it to the stack in administrator_arns."
  value       = aws_iam_role.this["apply"].arn
}

output "permissions_boundary_arn" {
  description = "Give it to the stack as permissions_boundary_arn: without it the apply role can make no role."
  value       = aws_iam_policy.boundary.arn
}

output "state_bucket" {
  description = "Bucket of the state."
  value       = aws_s3_bucket.state.bucket
}

output "tfvars" {
  description = "Lines for the stack's terraform.tfvars, and for the repository's variable TFVARS."
  value       = <<-EOT
    name                     = "${var.name}"
    administrator_arns       = ["${aws_iam_role.this["apply"].arn}"]
    permissions_boundary_arn = "${aws_iam_policy.boundary.arn}"
  EOT
}

output "backend_config" {
  description = "Arguments of the stack's `terraform init` with -backend-config, one a line; region is this provider's."
  value       = <<-EOT
    bucket = "${aws_s3_bucket.state.bucket}"
    key    = "${var.name}.tfstate"
  EOT
}
