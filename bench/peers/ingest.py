"""What ingest-trigger does in the good case, on boto3: one execution for each uploaded object."""

import hashlib
import http.client
import json
import os
import urllib.parse

import boto3

step_functions = boto3.client("stepfunctions")


def handle(event):
    started = 0
    for message in event["Records"]:
        for record in json.loads(message["Sns"]["Message"])["Records"]:
            video = record["s3"]["object"]
            key = urllib.parse.unquote_plus(video["key"])
            version = f"{record['s3']['bucket']['name']}\n{key}\n{video['versionId']}"
            step_functions.start_execution(
                stateMachineArn=os.environ["STATE_MACHINE_ARN"],
                name=hashlib.sha256(version.encode()).hexdigest(),
                input=json.dumps(
                    {
                        "bucket": record["s3"]["bucket"]["name"],
                        "etag": video["eTag"],
                        "key": key,
                        "sizeBytes": video["size"],
                        "versionId": video["versionId"],
                    }
                ),
            )
            started += 1
    return {"started": started}


connection = http.client.HTTPConnection(os.environ["AWS_LAMBDA_RUNTIME_API"])
while True:
    connection.request("GET", "/2018-06-01/runtime/invocation/next")
    event = connection.getresponse()
    request_id = event.headers["lambda-runtime-aws-request-id"]
    answer = json.dumps(handle(json.load(event)))
    connection.request("POST", f"/2018-06-01/runtime/invocation/{request_id}/response", answer)
    connection.getresponse().read()
