# The whole graph can be applied, from nothing and a second time, and destroyed. A release's zips are fetched while applying, from a
# release that check.sh makes (REELGATE_RELEASE_URL); their hashes are known in the same apply.

mock_provider "aws" {
  source = "./tests/mocks"
}

run "a_release_is_fetched_and_deployed_in_one_apply" {
  variables {
    release            = "v0.0.0-check"
    release_repository = "owner/name"
  }

  assert {
    condition     = alltrue([for name, zip in local.zips : zip.path == "./.release/v0.0.0-check/${name}/bootstrap.zip" && zip.hash == filebase64sha256(zip.path)])
    error_message = jsonencode(local.zips)
  }
}

run "zips_built_here_take_over" {
  variables {
    zip_dir = "tests/zips"
    tags    = { team = "moderation" }
  }

  assert {
    condition     = length(terraform_data.release) == 0 && local.zips["reconciler"].hash == filebase64sha256("tests/zips/reconciler/bootstrap.zip")
    error_message = jsonencode(local.zips)
  }
}
