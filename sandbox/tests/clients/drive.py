"""Drives a served sandbox with boto3 and the AWS CLI, as a user of the gate would: `drive.py SANDBOX AWS`.

Each check prints a line; the last line counts them, and the exit code is 0 only if none failed.
"""

import json
import os
import pathlib
import signal
import subprocess
import sys
import tempfile
import time
import traceback

import boto3
from botocore.exceptions import ClientError

REPOSITORY = pathlib.Path(__file__).resolve().parents[3]
CLEAN = REPOSITORY / "samples" / "clean-bars.mp4"
VIOLENT = "Physical Violence:97.5@0.5-1.5"

# Real seconds. The sandbox's own time runs 60 times as fast.
READY_MAX = 30
END_MAX = 30
EXIT_MAX = 15


def until(what, probe, seconds):
    """The first true value of `probe()`, which is asked every tenth of a second."""
    give_up = time.monotonic() + seconds
    while True:
        value = probe()
        if value:
            return value
        if time.monotonic() > give_up:
            raise AssertionError(f"{what}: not within {seconds} s")
        time.sleep(0.1)


def equal(actual, expected, what):
    assert actual == expected, f"{what}: {actual!r}, expected {expected!r}"


class Server:
    """`sandbox serve`, and the settings that it wrote."""

    def __init__(self, program, folder):
        self.labels = folder / "labels"
        self.labels.mkdir()
        env_file = folder / "sandbox.env"
        self.output = (folder / "output").open("w+")
        self.process = subprocess.Popen(
            [program, "serve", "--port", "0", "--speed", "60", "--env-file", env_file]
            + ["--labels", self.labels, "--drop", folder / "drop", "--log-dir", folder / "logs"],
            stdout=self.output,
            stderr=subprocess.STDOUT,
        )
        until("the env file", lambda: env_file.exists() or self.process.poll() is not None, READY_MAX)
        assert self.process.poll() is None, f"the sandbox ended: {self.told()}"
        lines = env_file.read_text().splitlines()
        self.settings = dict(line.split("=", 1) for line in lines)

    def told(self):
        self.output.seek(0)
        return self.output.read()

    def interrupt(self):
        """Ends it as Ctrl-C does; returns its exit code."""
        self.process.send_signal(signal.SIGINT)
        return self.process.wait(EXIT_MAX)


class Gate:
    """Clients of the served sandbox, and the names of what is deployed in it."""

    def __init__(self, server, aws):
        names = server.settings
        self.labels = server.labels
        self.raw, self.approved = names["RAW_BUCKET"], names["APPROVED_BUCKET"]
        self.ledger = names["LEDGER_BUCKET"]
        self.machine = names["STATE_MACHINE_ARN"]
        self.decisions = names["DECISIONS_TOPIC_ARN"]
        self.aws = aws
        # No configuration of this machine's user must leak in.
        clean = {name: value for name, value in os.environ.items() if not name.startswith("AWS_")}
        nowhere = {"AWS_CONFIG_FILE": os.devnull, "AWS_SHARED_CREDENTIALS_FILE": os.devnull}
        mine = {"AWS_DEFAULT_REGION": names["AWS_REGION"], "AWS_PAGER": ""}
        self.environment = clean | names | nowhere | mine
        os.environ.clear()
        os.environ.update(self.environment)
        self.s3, self.sfn = boto3.client("s3"), boto3.client("stepfunctions")
        self.sns, self.sqs = boto3.client("sns"), boto3.client("sqs")

    def cli(self, *arguments):
        """What the AWS CLI answers, as JSON if it is."""
        command = [self.aws, *map(str, arguments)]
        done = subprocess.run(command, env=self.environment, capture_output=True)
        assert done.returncode == 0, f"aws {' '.join(arguments[:2])}: {done.stderr.decode()}"
        try:
            return json.loads(done.stdout)
        except ValueError:
            return done.stdout

    def script_of(self, name, *arguments):
        """Exit code and output of a script of deploy/, which a person runs against AWS in the same way."""
        command = [REPOSITORY / "deploy" / name, *map(str, arguments)]
        path = f"{pathlib.Path(self.aws).parent}:{self.environment['PATH']}"
        done = subprocess.run(command, env=self.environment | {"PATH": path}, capture_output=True, text=True)
        return done.returncode, done.stdout + done.stderr

    def put(self, key, **more):
        """Uploads the clean sample; returns its version."""
        return self.s3.put_object(Bucket=self.raw, Key=key, Body=CLEAN.read_bytes(), **more)["VersionId"]

    def script(self, key, script):
        """What the emulated moderation service does with a key, from now on."""
        whole = self.labels / "next"
        whole.write_text(json.dumps(script))
        whole.replace(self.labels / f"{key}.labels.json")

    def execution(self, key, version):
        """ARN of the execution of a version, once there is one."""

        def find():
            pages = self.sfn.get_paginator("list_executions").paginate(stateMachineArn=self.machine)
            for page in pages:
                for execution in page["executions"]:
                    described = self.sfn.describe_execution(executionArn=execution["executionArn"])
                    about = json.loads(described["input"])
                    if (about["key"], about["versionId"]) == (key, version):
                        return execution["executionArn"]

        return until(f"an execution of {key}", find, END_MAX)

    def ended(self, arn):
        """The description of an execution that has ended."""

        def look():
            described = self.sfn.describe_execution(executionArn=arn)
            return described if described["status"] != "RUNNING" else None

        return until(f"the end of {arn}", look, END_MAX)

    def events(self, arn):
        """Types of the events of an execution's history."""
        pages = self.sfn.get_paginator("get_execution_history").paginate(executionArn=arn)
        return [event["type"] for page in pages for event in page["events"]]

    def is_approved(self, key):
        try:
            self.s3.head_object(Bucket=self.approved, Key=key)
        except ClientError as error:
            equal(error.response["ResponseMetadata"]["HTTPStatusCode"], 404, key)
            return False
        return True


def boto3_takes_a_clean_video_through(gate):
    version = gate.put("boto3/clean one+é.mp4", Metadata={"labels": "", "author": "me"})
    arn = gate.execution("boto3/clean one+é.mp4", version)
    equal(gate.ended(arn)["status"], "SUCCEEDED", "status")
    listed = gate.s3.list_object_versions(Bucket=gate.raw, Prefix="boto3/clean")["Versions"]
    equal([entry["VersionId"] for entry in listed], [version], "versions")
    got = gate.s3.get_object(Bucket=gate.approved, Key="boto3/clean one+é.mp4")
    equal(got["Body"].read(), CLEAN.read_bytes(), "bytes")
    equal(got["Metadata"]["reelgate-source-version"], version, "source version")
    equal(got["Metadata"]["author"], "me", "own metadata")
    tags = gate.s3.get_object_tagging(Bucket=gate.approved, Key="boto3/clean one+é.mp4")["TagSet"]
    equal(tags, [{"Key": "reelgate:verdict", "Value": "approved"}], "tags")


def boto3_sees_why_a_video_was_rejected(gate):
    version = gate.put("boto3/violent.mp4", Metadata={"labels": VIOLENT}, Tagging="team=news")
    described = gate.ended(gate.execution("boto3/violent.mp4", version))
    equal((described["status"], described["error"]), ("FAILED", "ContentRejected"), "end")
    assert "Violence (97.5 %)" in described["cause"], described["cause"]
    assert not gate.is_approved("boto3/violent.mp4")
    tags = gate.s3.get_object_tagging(Bucket=gate.raw, Key="boto3/violent.mp4", VersionId=version)
    tags = {tag["Key"]: tag["Value"] for tag in tags["TagSet"]}
    equal(tags, {"team": "news", "reelgate:verdict": "rejected"}, "tags")


def boto3_reads_the_history(gate):
    version = gate.put("boto3/history.mp4")
    arn = gate.execution("boto3/history.mp4", version)
    gate.ended(arn)
    events = gate.events(arn)
    equal(events[:4], ["ExecutionStarted", "TaskStateEntered", "ActivityScheduled", "ActivityStarted"], "first")
    equal(events[-1], "ExecutionSucceeded", "last")
    backwards = gate.sfn.get_execution_history(executionArn=arn, reverseOrder=True, maxResults=1)
    equal(backwards["events"][0]["type"], "ExecutionSucceeded", "backwards")
    equal(backwards["events"][0]["id"], len(events), "id of the last event")


def boto3_redrives_what_failed_uncaught(gate):
    gate.script("failing.mp4", {"job": {"fail": "an internal error", "durationSeconds": 20}})
    arn = gate.execution("failing.mp4", gate.put("failing.mp4"))
    described = gate.ended(arn)
    equal((described["status"], described["error"]), ("FAILED", "ModerationFailed"), "end")
    equal(described["redriveStatus"], "REDRIVABLE", "redrive status")
    assert not gate.is_approved("failing.mp4")
    gate.script("failing.mp4", {"job": {"durationSeconds": 20}})
    gate.sfn.redrive_execution(executionArn=arn)
    described = gate.ended(arn)
    equal((described["status"], described["redriveCount"]), ("SUCCEEDED", 1), "after the redrive")
    assert "ExecutionRedriven" in gate.events(arn)
    assert gate.is_approved("failing.mp4")


def boto3_is_refused_as_by_aws(gate):
    succeeded = gate.sfn.list_executions(stateMachineArn=gate.machine, statusFilter="SUCCEEDED", maxResults=1)
    arn = succeeded["executions"][0]["executionArn"]
    for call, code in [
        (lambda: gate.sfn.redrive_execution(executionArn=arn), "ExecutionNotRedrivable"),
        (lambda: gate.sfn.describe_execution(executionArn=f"{arn}-none"), "ExecutionDoesNotExist"),
        (lambda: gate.sfn.send_task_success(taskToken="none", output="{}"), "InvalidToken"),
        (lambda: gate.s3.get_object(Bucket=gate.approved, Key="none"), "NoSuchKey"),
        (lambda: gate.s3.get_object(Bucket="none", Key="none"), "NoSuchBucket"),
    ]:
        try:
            call()
        except ClientError as error:
            equal(error.response["Error"]["Code"], code, "error code")
        else:
            raise AssertionError(f"not refused with {code}")


def boto3_uploads_in_parts(gate):
    part = CLEAN.read_bytes()
    size = 5 << 20
    # A box that readers skip fills the first part.
    first = part + (size - len(part)).to_bytes(4, "big") + b"free" + bytes(size - len(part) - 8)
    name = {"Bucket": gate.raw, "Key": "boto3/parts.mp4"}
    upload = gate.s3.create_multipart_upload(**name)["UploadId"]
    parts = []
    for number, content in enumerate([first, b"\0\0\0\x10free12345678"], 1):
        sent = gate.s3.upload_part(**name, UploadId=upload, PartNumber=number, Body=content)
        parts.append({"PartNumber": number, "ETag": sent["ETag"]})
    done = gate.s3.complete_multipart_upload(**name, UploadId=upload, MultipartUpload={"Parts": parts})
    assert done["ETag"].endswith('-2"'), done["ETag"]
    gate.ended(gate.execution("boto3/parts.mp4", done["VersionId"]))
    head = gate.s3.head_object(Bucket=gate.approved, Key="boto3/parts.mp4")
    equal(head["ContentLength"], size + 16, "length")


def decisions_reach_a_queue(gate):
    url = gate.sqs.create_queue(QueueName="rejections")["QueueUrl"]
    attributes = gate.sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"]
    gate.sns.subscribe(
        TopicArn=gate.decisions,
        Protocol="sqs",
        Endpoint=attributes["QueueArn"],
        Attributes={"FilterPolicy": json.dumps({"verdict": ["Rejected"]})},
        ReturnSubscriptionArn=True,
    )
    version = gate.put("boto3/announced.mp4", Metadata={"labels": VIOLENT})
    gate.ended(gate.execution("boto3/announced.mp4", version))
    # Version 1 of the CLI does not look at AWS_ENDPOINT_URL for this one service.
    receive = ["sqs", "receive-message", "--endpoint-url", os.environ["AWS_ENDPOINT_URL"]]
    received = gate.cli(*receive, "--queue-url", url, "--wait-time-seconds", "5")
    equal(len(received["Messages"]), 1, "messages")
    message = received["Messages"][0]
    envelope = json.loads(message["Body"])
    equal(envelope["TopicArn"], gate.decisions, "topic")
    equal(envelope["MessageAttributes"]["verdict"]["Value"], "Rejected", "attribute")
    decision = json.loads(envelope["Message"])
    equal((decision["verdict"], decision["versionId"]), ("Rejected", version), "decision")
    gate.sqs.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
    assert "Messages" not in gate.sqs.receive_message(QueueUrl=url)


def the_cli_takes_a_video_through(gate):
    gate.cli("s3", "cp", CLEAN, f"s3://{gate.raw}/cli/clean.mp4", "--metadata", "author=me", "--only-show-errors")
    listed = gate.cli("s3api", "list-object-versions", "--bucket", gate.raw, "--prefix", "cli/clean.mp4")
    version = listed["Versions"][0]["VersionId"]
    arn = gate.execution("cli/clean.mp4", version)
    gate.ended(arn)
    described = gate.cli("stepfunctions", "describe-execution", "--execution-arn", arn)
    equal(described["status"], "SUCCEEDED", "status")
    equal(json.loads(described["output"])["verdict"], "Approved", "output")
    got = gate.cli("s3", "cp", f"s3://{gate.approved}/cli/clean.mp4", "-")
    equal(got, CLEAN.read_bytes(), "bytes")
    history = gate.cli("stepfunctions", "get-execution-history", "--execution-arn", arn)
    equal(history["events"][-1]["type"], "ExecutionSucceeded", "last event")
    tags = gate.cli("s3api", "get-object-tagging", "--bucket", gate.approved, "--key", "cli/clean.mp4")
    equal(tags["TagSet"], [{"Key": "reelgate:verdict", "Value": "approved"}], "tags")
    assert b"clean.mp4" in gate.cli("s3", "ls", f"s3://{gate.approved}/cli/")


def the_cli_stops_and_redrives(gate):
    gate.script("stopped.mp4", {"job": {"durationSeconds": 180}})
    arn = gate.execution("stopped.mp4", gate.put("stopped.mp4"))
    until("the activity's start", lambda: "ActivityStarted" in gate.events(arn), END_MAX)
    stop = ["--error", "Operator", "--cause", "changed my mind"]
    gate.cli("stepfunctions", "stop-execution", "--execution-arn", arn, *stop)
    described = gate.ended(arn)
    equal((described["status"], described["cause"]), ("ABORTED", "changed my mind"), "end")
    assert not gate.is_approved("stopped.mp4")
    gate.cli("stepfunctions", "redrive-execution", "--execution-arn", arn)
    equal(gate.ended(arn)["status"], "SUCCEEDED", "after the redrive")
    assert gate.is_approved("stopped.mp4")


def the_cli_lists_executions(gate):
    query = ["--state-machine-arn", gate.machine, "--status-filter", "FAILED"]
    listed = gate.cli("stepfunctions", "list-executions", *query)["executions"]
    assert listed and all(execution["status"] == "FAILED" for execution in listed), listed
    again = gate.sfn.list_executions(stateMachineArn=gate.machine, statusFilter="FAILED")["executions"]
    equal([execution["name"] for execution in listed], [execution["name"] for execution in again], "names")


def the_drop_script_waits_for_the_verdict(gate):
    code, told = gate.script_of("drop.sh", CLEAN, "dropped/a b+é.mp4")
    equal(code, 0, told)
    assert f"approved: s3://{gate.approved}/dropped/a b+é.mp4" in told, told
    seen = {"name": "Physical Violence", "confidence": 97.5, "start": 0.5, "end": 1.5}
    gate.script("dropped-violent.mp4", {"labels": [seen]})
    code, told = gate.script_of("drop.sh", CLEAN, "dropped-violent.mp4")
    equal(code, 3, told)
    assert "ContentRejected: Found Physical Violence (97.5 %)" in told, told
    empty = REPOSITORY / "samples" / "empty.mp4"
    code, told = gate.script_of("drop.sh", empty)
    equal((code, told), (1, f"{empty} is empty: the gate ignores empty objects\n"), "an empty file")


def the_probe_leaves_nothing_behind(gate):
    code, told = gate.script_of("probe.sh")
    equal((code, told), (0, f"uploads to {gate.raw} get version ids: the gate is ready\n"), "what it says")
    listed = gate.s3.list_object_versions(Bucket=gate.raw, Prefix="reelgate-probe/")
    assert "Versions" not in listed and "DeleteMarkers" not in listed, listed
    # A video that is uploaded later has its execution: the probe's event was not ahead of it, it has none.
    gate.ended(gate.execution("after-the-probe.mp4", gate.put("after-the-probe.mp4")))
    pages = gate.sfn.get_paginator("list_executions").paginate(stateMachineArn=gate.machine)
    names = [execution["name"] for page in pages for execution in page["executions"]]
    assert not [name for name in names if name.startswith("reelgate-probe")], names


def the_status_script_shows_what_runs_without_secrets(gate):
    gate.script("slow.mp4", {"job": {"durationSeconds": 1200}})
    arn = gate.execution("slow.mp4", gate.put("slow.mp4"))
    name = arn.rsplit(":", 1)[1]

    def record():
        try:
            read = gate.s3.get_object(Bucket=gate.ledger, Key=f"jobs/{name}.json")["Body"].read()
        except ClientError:
            return None
        parsed = json.loads(read)
        return parsed if parsed["phase"] == "running" else None

    token = until("the job's start", record, END_MAX)["token"]["secret"]
    code, told = gate.script_of("status.sh")
    equal(code, 0, told)
    assert "Slots in use: 1 of 20." in told, told
    assert [line for line in told.splitlines() if line.strip().startswith("scanning") and name in line], told
    assert "ContentRejected" in told and "Approved" in told, told
    assert "reelgate-ingest-failures" in told, told
    assert token not in told and token[:40] not in told
    gate.sfn.stop_execution(executionArn=arn)

    # Its job goes on and holds its slot to the end. The record of a stopped execution may stay until the hourly look.
    def is_slot_free():
        return gate.s3.list_objects_v2(Bucket=gate.ledger, Prefix="slots/")["KeyCount"] == 0

    until("the slot's return", is_slot_free, 2 * END_MAX)
    code, told = gate.script_of("status.sh")
    equal(code, 0, told)
    assert told.startswith("Executions that run: 0. Slots in use: 0 of 20.\n"), told


def the_sweep_script_finds_nothing_new(gate):
    code, told = gate.script_of("sweep.sh", "--prefix", "dropped/", "--window-days", "2")
    equal(code, 0, told)
    equal(told, "1 versions seen, 0 executions started; the bucket was walked to its end\n", "what it says")
    code, told = gate.script_of("sweep.sh", "--window-days", "81")
    equal(code, 1, told)
    assert "window_days" in told, told


CHECKS = [
    boto3_takes_a_clean_video_through,
    boto3_sees_why_a_video_was_rejected,
    boto3_reads_the_history,
    boto3_redrives_what_failed_uncaught,
    boto3_is_refused_as_by_aws,
    boto3_uploads_in_parts,
    decisions_reach_a_queue,
    the_cli_takes_a_video_through,
    the_cli_stops_and_redrives,
    the_cli_lists_executions,
    the_drop_script_waits_for_the_verdict,
    the_probe_leaves_nothing_behind,
    the_status_script_shows_what_runs_without_secrets,
    the_sweep_script_finds_nothing_new,
]


def main(program, aws):
    outcomes = []

    def check(name, run):
        started = time.monotonic()
        try:
            run()
            problem = None
        except Exception:  # one failed check must not hide the others
            problem = traceback.format_exc()
        outcomes.append(problem is None)
        print(f"{'ok    ' if problem is None else 'FAILED'} {name} ({time.monotonic() - started:.1f} s)", flush=True)
        if problem:
            print(problem, flush=True)

    with tempfile.TemporaryDirectory(prefix="reelgate-clients-", ignore_cleanup_errors=True) as folder:
        server = Server(program, pathlib.Path(folder))
        try:
            gate = Gate(server, aws)
            for run in CHECKS:
                check(run.__name__, lambda run=run: run(gate))
            check("ctrl_c_ends_it_cleanly", lambda: equal(server.interrupt(), 0, "exit code"))
            if not all(outcomes):
                print(server.told())
                for log in sorted(pathlib.Path(folder, "logs").glob("*.log")):
                    print(f"--- {log.name}", *log.read_text().splitlines()[-20:], sep="\n")
        finally:
            server.process.kill()
            server.process.wait()
    passed = sum(outcomes)
    print(f"{passed} passed, {len(outcomes) - passed} failed")
    return 0 if passed == len(outcomes) else 1


if __name__ == "__main__":
    sys.exit(main(*map(os.path.abspath, sys.argv[1:])))
