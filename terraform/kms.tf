# What the operator's key must let AWS's services do: statements for its policy. They follow from names, so `terraform output`
# can tell them before the key is used. Roles need no statement: their own policies allow it, if the key's policy leaves that to
# IAM (KMS Developer Guide, "Default key policy").

locals {
  kms_services = {
    # Upload events, alarms, and messages that SNS could not deliver.
    AllowPublishingServices = {
      principals = ["s3", "sns", "cloudwatch"]
      actions    = ["kms:Decrypt", "kms:GenerateDataKey*"]
      condition  = { StringEquals = { "aws:SourceAccount" = data.aws_caller_identity.current.account_id } }
    }
    AllowLogs = {
      principals = ["logs.${data.aws_region.current.region}"]
      actions    = ["kms:Decrypt*", "kms:Describe*", "kms:Encrypt*", "kms:GenerateDataKey*", "kms:ReEncrypt*"]
      condition = { ArnLike = { "kms:EncryptionContext:aws:logs:arn" = [
        for group in ["/aws/lambda/${var.name}-*", "/aws/vendedlogs/states/${var.name}-*"] :
        "arn:${data.aws_partition.current.partition}:logs:${data.aws_region.current.region}:${data.aws_caller_identity.current.account_id}:log-group:${group}"
      ] } }
    }
  }

  kms_key_policy_statements = [for sid, it in local.kms_services : {
    Sid       = sid
    Effect    = "Allow"
    Principal = { Service = [for service in it.principals : "${service}.amazonaws.com"] }
    Action    = it.actions
    Resource  = "*"
    Condition = it.condition
  }]
}
