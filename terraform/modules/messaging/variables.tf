variable "name" {
  type        = string
  description = "Prefix of all names."
  nullable    = false
}

variable "raw_bucket_arn" {
  type        = string
  description = "Bucket whose uploads S3 announces."
  nullable    = false
}

variable "functions" {
  type = object({
    ingest_trigger      = object({ name = string, arn = string })
    moderation_callback = object({ name = string, arn = string })
  })
  description = "Functions that messages invoke."
  nullable    = false
}

variable "announcer_role_arns" {
  type        = list(string)
  description = "Roles that announce on decisions: the state machine's and the reconciler's."
  nullable    = false
}

variable "rekognition_policy" {
  type        = string
  description = "IAM policy of the role that Rekognition assumes, as JSON."
  nullable    = false
}

variable "kms_key_arn" {
  type        = string
  description = "Customer managed key for topics and queues; null: SQS's own for the queues, none for the topics."
  default     = null
}

variable "permissions_boundary_arn" {
  type        = string
  description = "Permissions boundary of the role; null: none."
  default     = null
}
