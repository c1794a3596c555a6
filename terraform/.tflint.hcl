# The rules that tflint brings along; those of the aws ruleset need a download that not every network allows.
plugin "terraform" {
  enabled = true
  preset  = "all"
}
