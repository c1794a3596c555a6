terraform {
  # 1.11: `override_during` in tests, and locks of the S3 backend without a table.
  required_version = ">= 1.11"

  required_providers {
    aws = {
      source  = "hashicorp/aws"
      version = "~> 6.25"
    }
  }
}

provider "aws" {
  default_tags {
    tags = merge({ project = "reelgate", stack = var.name }, var.tags)
  }
}
