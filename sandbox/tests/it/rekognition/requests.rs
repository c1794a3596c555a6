//! What a request may say, and how it is refused.

use super::*;

#[tokio::test(start_paused = true)]
async fn objects_that_s3_does_not_give_are_refused_at_once() {
    let world = World::new();
    let version = world.put("a.mp4", sample("clean-bars.mp4"), None).await;
    let refused = (
        "InvalidS3ObjectException".to_owned(),
        "Unable to get object metadata from S3. Check object key, region and/or access permissions."
            .to_owned(),
    );
    for missing in [
        object("b.mp4"),
        object("a.mp4").bucket("other"),
        object("a.mp4").version("0123456789abcdef0123456789abcdef"),
    ] {
        assert_eq!(failed(world.start(missing).send().await), refused);
    }
    world
        .s3
        .delete_object()
        .bucket(BUCKET)
        .key("a.mp4")
        .send()
        .await
        .unwrap();
    assert_eq!(failed(world.start(object("a.mp4")).send().await), refused);
    world
        .start(object("a.mp4").version(version))
        .send()
        .await
        .unwrap();
}

#[tokio::test(start_paused = true)]
async fn objects_over_ten_gigabytes_are_refused_at_once() {
    let world = World::new();
    let put = |size| {
        let head = sample("clean-bars.mp4").into();
        world
            .aws
            .s3
            .put_synthetic(
                BUCKET,
                "big.mp4",
                head,
                size,
                std::collections::BTreeMap::new(),
            )
            .unwrap();
    };
    put((10 << 30) + 1);
    assert_eq!(
        failed(world.start(object("big.mp4")).send().await),
        (
            "VideoTooLargeException".to_owned(),
            "Video size in bytes: 10737418241 is more than the maximum limit of: 10737418240 bytes.".to_owned(),
        )
    );
    put(10 << 30);
    let job_id = world.job("big.mp4").await;
    assert_eq!(
        world.ended(&job_id).await.job_status,
        Some(VideoJobStatus::Succeeded)
    );
}

/// A member, a value that it may not have, its path as AWS writes it, and a part of the constraint.
fn wrong_members() -> Vec<(&'static str, Value, &'static str, &'static str)> {
    vec![
        (
            "/Video/S3Object/Bucket",
            json!("a_b/c"),
            "video.s3Object.bucket",
            r"pattern: [0-9A-Za-z\.\-_]*",
        ),
        (
            "/Video/S3Object/Bucket",
            json!("ab"),
            "video.s3Object.bucket",
            "length greater than or equal to 3",
        ),
        (
            "/Video/S3Object/Name",
            json!(""),
            "video.s3Object.name",
            "length greater than or equal to 1",
        ),
        (
            "/Video/S3Object/Name",
            json!("k".repeat(1025)),
            "video.s3Object.name",
            "length less than or equal to 1024",
        ),
        (
            "/MinConfidence",
            json!(100.5),
            "minConfidence",
            "less than or equal to 100",
        ),
        (
            "/MinConfidence",
            json!(-1),
            "minConfidence",
            "greater than or equal to 0",
        ),
        (
            "/ClientRequestToken",
            json!("a".repeat(65)),
            "clientRequestToken",
            "less than or equal to 64",
        ),
        (
            "/ClientRequestToken",
            json!("a.b"),
            "clientRequestToken",
            "pattern: ^[a-zA-Z0-9-_]+$",
        ),
        (
            "/JobTag",
            json!("a b"),
            "jobTag",
            r"pattern: [a-zA-Z0-9_.\-:+=\/]+",
        ),
        (
            "/JobTag",
            json!("t".repeat(1025)),
            "jobTag",
            "less than or equal to 1024",
        ),
        (
            "/NotificationChannel/SNSTopicArn",
            json!("arn:aws-cn:sns:r:123456789012:t"),
            "notificationChannel.sNSTopicArn",
            "pattern",
        ),
        (
            "/NotificationChannel/SNSTopicArn",
            json!("arn:aws:sns:r:12345678901:t"),
            "notificationChannel.sNSTopicArn",
            "pattern",
        ),
        (
            "/NotificationChannel/SNSTopicArn",
            json!(null),
            "notificationChannel.sNSTopicArn",
            "not be null",
        ),
        (
            "/NotificationChannel/RoleArn",
            json!("arn:aws:iam::12345678901:role/r"),
            "notificationChannel.roleArn",
            "pattern",
        ),
        (
            "/NotificationChannel/RoleArn",
            json!("role"),
            "notificationChannel.roleArn",
            "pattern",
        ),
    ]
}

/// Patterns and bounds of the service model (API reference, StartContentModeration), each member wrong by itself.
#[tokio::test(start_paused = true)]
async fn members_are_held_to_the_service_model() {
    let world = World::new();
    let good = json!({
        "Video": {"S3Object": {"Bucket": BUCKET, "Name": "a.mp4"}},
        "MinConfidence": 0,
        "ClientRequestToken": "a".repeat(64),
        "JobTag": "t".repeat(1024),
        "NotificationChannel": {
            "SNSTopicArn": world.topic_arn,
            "RoleArn": "arn:aws:iam::123456789012:role/path/publish",
        },
    });
    for (member, value, path, constraint) in wrong_members() {
        let mut request = good.clone();
        *request.pointer_mut(member).unwrap() = value;
        let (status, error) = raw(&world, "StartContentModeration", &request.to_string()).await;
        let message = error["Message"].as_str().unwrap();
        assert_eq!(
            (status, &error["__type"]),
            (400, &json!("ValidationException")),
            "{message}"
        );
        assert!(
            message.starts_with("1 validation error detected: Value "),
            "{message}"
        );
        let at = format!(" at '{path}' failed to satisfy constraint: Member must ");
        assert!(
            message.contains(&at) && message.contains(constraint),
            "{message}"
        );
    }
    world.put("a.mp4", sample("clean-bars.mp4"), None).await;
    let (status, _) = raw(&world, "StartContentModeration", &good.to_string()).await;
    assert_eq!(status, 200);
}

#[tokio::test(start_paused = true)]
async fn violations_are_answered_together() {
    let world = World::new();
    let get = world.rekognition.get_content_moderation();
    let (code, message) = failed(
        get.job_id("a/b")
            .max_results(0)
            .sort_by("SIZE".into())
            .send()
            .await,
    );
    assert_eq!(code, "ValidationException");
    assert_eq!(
        message,
        "3 validation errors detected: Value 'a/b' at 'jobId' failed to satisfy constraint: Member must satisfy regular \
         expression pattern: ^[a-zA-Z0-9-_]+$; Value '0' at 'maxResults' failed to satisfy constraint: Member must have \
         value greater than or equal to 1; Value 'SIZE' at 'sortBy' failed to satisfy constraint: Member must satisfy \
         enum value set: [TIMESTAMP, NAME]"
    );
}

/// One raw request, for what the SDK would not send.
async fn raw(world: &World, operation: &str, body: &str) -> (u16, Value) {
    let request = http::Request::post("/")
        .header("x-amz-target", format!("RekognitionService.{operation}"))
        .header("content-type", "application/x-amz-json-1.1")
        .body(sandbox::wire::body(body.to_owned()))
        .unwrap();
    let response = std::sync::Arc::clone(&world.aws.rekognition)
        .handle(request)
        .await;
    let status = response.status().as_u16();
    assert_eq!(
        response.headers()["content-type"],
        "application/x-amz-json-1.1"
    );
    let body = sandbox::wire::collect(response.into_body()).await.unwrap();
    (status, serde_json::from_slice(&body).unwrap())
}

#[tokio::test(start_paused = true)]
async fn what_is_not_implemented_is_refused_by_name() {
    let world = World::new();
    for (operation, body, name) in [
        ("DetectLabels", "{}", "Rekognition DetectLabels"),
        (
            "GetContentModeration",
            r#"{"JobId": "a", "Color": 1}"#,
            "color of Rekognition GetContentModeration",
        ),
        (
            "StartContentModeration",
            r#"{"Video": {"S3Object": {"Bucket": "raw", "Name": "a", "Region": "x"}}}"#,
            "video.s3Object.region of Rekognition StartContentModeration",
        ),
    ] {
        let (status, error) = raw(&world, operation, body).await;
        assert_eq!(status, 501);
        let message = error["Message"].as_str().unwrap();
        assert!(message.contains(name), "{message}");
    }
    let (status, error) = raw(&world, "StartContentModeration", "{}").await;
    assert_eq!(
        (status, &error["__type"]),
        (400, &json!("ValidationException"))
    );
    assert!(
        error["Message"]
            .as_str()
            .unwrap()
            .contains("Value null at 'video'")
    );
    let (_, error) = raw(&world, "StartContentModeration", r#"{"Video": {}}"#).await;
    assert_eq!(error["__type"], "InvalidParameterException");
    for body in ["{", r#"{"JobId": 7}"#, "[]"] {
        let (status, error) = raw(&world, "GetContentModeration", body).await;
        assert_eq!(
            (status, &error["__type"]),
            (400, &json!("SerializationException"))
        );
    }
}

#[tokio::test(start_paused = true)]
async fn errors_look_as_in_the_developer_guide() {
    let world = World::new();
    let request = r#"{"Video": {"S3Object": {"Bucket": "raw", "Name": "none"}}}"#;
    let (status, error) = raw(&world, "StartContentModeration", request).await;
    assert_eq!(status, 400);
    let reference = error["Logref"].clone();
    assert!(reference.is_string());
    assert_eq!(
        error,
        json!({
            "__type": "InvalidS3ObjectException",
            "Code": "InvalidS3ObjectException",
            "Logref": reference,
            "Message": "Unable to get object metadata from S3. Check object key, region and/or access permissions.",
        })
    );
}
