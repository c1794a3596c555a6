terraform {
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
    tags = { project = "reelgate", stack = "${var.name}-bootstrap" }
  }
}
