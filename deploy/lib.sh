# shellcheck shell=bash
# What the scripts of this folder share. They run with bash 3.2 too, which is what macOS has.

die() {
    printf '%s\n' "$*" >&2
    exit 1
}

# need COMMAND REMEDY: an error unless the command is on the PATH.
need() {
    command -v "$1" >/dev/null || die "$1 is not on the PATH: $2"
}

# Names of what is deployed, as variables. Terraform's outputs tell them, unless RAW_BUCKET is set: then all are taken from
# the environment, which is how `sandbox serve --env-file` tells its own.
settings() {
    need aws "install version 2 of the AWS CLI (docs.aws.amazon.com/cli)"
    need jq "install jq 1.6 or newer (jqlang.org)"
    if [[ -z ${RAW_BUCKET:-} ]]; then
        need terraform "install Terraform 1.11 or newer (developer.hashicorp.com/terraform)"
        local outputs
        outputs=$(terraform -chdir=terraform output -json)
        # Values are quoted by jq, so that what a bucket is called cannot be run.
        eval "$(jq -r '
            {
                RAW_BUCKET: "raw_bucket", APPROVED_BUCKET: "approved_bucket", LEDGER_BUCKET: "ledger_bucket",
                STATE_MACHINE_ARN: "state_machine_arn", RECONCILER_FUNCTION_NAME: "reconciler_function_name",
                DEAD_LETTER_QUEUE_URLS: "dead_letter_queue_urls", DASHBOARD_URL: "dashboard_url", AWS_REGION: "region"
            } as $names | . as $outputs | $names | to_entries[]
            | $outputs[.value].value as $value | select($value != null)
            | "\(.key)=\($value | if type == "array" then join(",") else tostring end | @sh)"
        ' <<<"$outputs")"
    fi
    : "${RAW_BUCKET:?"is not known: deploy first (just build-and-deploy), or set the names in the environment"}"
    : "${APPROVED_BUCKET:?}" "${LEDGER_BUCKET:?}" "${STATE_MACHINE_ARN:?}"
    : "${RECONCILER_FUNCTION_NAME:?}" "${DEAD_LETTER_QUEUE_URLS:?}" "${AWS_REGION:?}"
    # Version 1 of the CLI reads the second only.
    export AWS_REGION AWS_DEFAULT_REGION=$AWS_REGION AWS_PAGER=""
    # Whatever the user's configuration says; and times are those of the local zone otherwise.
    export AWS_DEFAULT_OUTPUT=json TZ=UTC
}

# `aws sqs`; version 1 of the CLI does not look at AWS_ENDPOINT_URL for this one service.
sqs() {
    aws sqs ${AWS_ENDPOINT_URL:+--endpoint-url "$AWS_ENDPOINT_URL"} "$@"
}

# For jq: foreign text without characters that a terminal would act on; times of either version of the CLI as seconds since
# 1970; a number of seconds for people.
# shellcheck disable=SC2034 # used by those who source this
jq_lib='
    def plain: gsub("\\p{C}"; "?");
    def seconds: if type == "number" then . else sub("\\.[0-9]+"; "") | sub("\\+00:00$"; "Z") | fromdate end;
    def age: (if . < 0 then 0 else floor end) as $s
        | if $s < 60 then "\($s) s"
          elif $s < 3600 then "\($s / 60 | floor) min"
          elif $s < 172800 then "\($s / 3600 | floor) h \($s % 3600 / 60 | floor) min"
          else "\($s / 86400 | floor) days" end;
'
