# Where the functions' zips come from: built here (zip_dir), or the assets of a release, fetched and checked while applying.

locals {
  # Known only once the fetch is done: so is the hash below, and the functions change in the same apply.
  zip_dir = var.release == null ? var.zip_dir : terraform_data.release[0].output
  zips = { for name in keys(local.functions) : name => {
    path = "${local.zip_dir}/${name}/bootstrap.zip"
    hash = fileexists("${local.zip_dir}/${name}/bootstrap.zip") ? filebase64sha256("${local.zip_dir}/${name}/bootstrap.zip") : null
    # A release's zips are not there on a machine that did not fetch them. Then the hash is null, and what is deployed stays.
    required = var.release == null
  } }
}

resource "terraform_data" "release" {
  count = var.release == null ? 0 : 1

  triggers_replace = [var.release_repository, var.release]
  input            = "${path.root}/.release/${var.release}"

  provisioner "local-exec" {
    command = "\"$MODULE/release/fetch.sh\" \"$REPOSITORY\" \"$TAG\" \"$FOLDER\""
    environment = {
      MODULE     = path.module
      REPOSITORY = var.release_repository
      TAG        = var.release
      FOLDER     = "${path.root}/.release/${var.release}"
    }
  }
}
