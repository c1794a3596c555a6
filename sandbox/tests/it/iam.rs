//! Roles are refused what their policies do not allow, in the words and with the codes of each service.

use std::sync::Arc;

use aws_sdk_s3::error::{ProvideErrorMetadata as _, SdkError};
use aws_sdk_sfn::types::ExecutionStatus;
use sandbox::aws::Aws;
use sandbox::connector::Clients;
use sandbox::iam::{Policy, Table, TableError, access_key_id};
use sandbox::stack::permissions::Principal;

use crate::support::aws;
use crate::world::{World, sample};

const TABLE: &str = r#"
[[row]]
calls = ["s3 GET object", "s3 HEAD object"]
arn = "object"
resource = "arn:aws:s3:::videos/*"
actions = ["s3:GetObject"]
source = "this test"

[[row]]
calls = ["s3 GET object", "s3 HEAD object"]
answer = 404
arn = "bucket"
resource = "arn:aws:s3:::videos"
condition = { operator = "StringLike", key = "s3:prefix", value = "open/*" }
actions = ["s3:ListBucket"]
source = "this test"

[[row]]
calls = ["s3 PUT object"]
arn = "object"
resource = "arn:aws:s3:::videos/*"
actions = ["s3:PutObject"]
source = "this test"

[[row]]
calls = ["states StartExecution"]
arn = "stateMachineArn"
resource = "arn:aws:states:*:stateMachine:*"
actions = ["states:StartExecution"]
source = "this test"

[[row]]
calls = ["sns Publish"]
arn = "TopicArn"
resource = "arn:aws:sns:*"
actions = ["sns:Publish"]
source = "this test"
"#;

fn policy(action: &str, resource: &str) -> Policy {
    let document = format!(
        r#"{{"Version": "2012-10-17", "Statement": [{{"Sid": "One", "Effect": "Allow", "Action": "{action}", "Resource": "{resource}"}}]}}"#
    );
    Policy::parse(&document).unwrap()
}

/// Clients of a role that may do one thing, and of somebody who may do everything.
fn clients(aws: &Aws, action: &str, resource: &str) -> (Clients, Clients) {
    let table = Table::parse(TABLE, |text| Ok::<_, TableError>(text.to_owned())).unwrap();
    let arn = aws
        .iam
        .put_role("reader", policy(action, resource), Arc::new(table));
    let role = Clients::new(aws, &access_key_id(&arn));
    (role, Clients::new(aws, "AKIDOPERATOR"))
}

#[tokio::test(start_paused = true)]
async fn what_the_policy_does_not_allow_is_denied_and_does_not_happen() {
    let aws = aws();
    aws.s3.create_bucket("videos", false, None);
    let (role, operator) = clients(&aws, "s3:GetObject", "arn:aws:s3:::videos/open/*");
    for key in ["open/a", "closed/a"] {
        let put = operator.s3.put_object().bucket("videos").key(key);
        put.body(key.as_bytes().to_vec().into())
            .send()
            .await
            .unwrap();
    }
    let get = |key| role.s3.get_object().bucket("videos").key(key).send();
    assert!(get("open/a").await.is_ok());
    let denied = get("closed/a").await.unwrap_err();
    assert_eq!(denied.code(), Some("AccessDenied"));
    assert_eq!(
        denied.message(),
        Some(
            "User: arn:aws:sts::123456789012:assumed-role/reader/reader is not authorized to perform: s3:GetObject on resource: \
             arn:aws:s3:::videos/closed/a because no identity-based policy allows the s3:GetObject action"
        )
    );
    assert_eq!(status(&denied), 403);
    let head = role
        .s3
        .head_object()
        .bucket("videos")
        .key("closed/a")
        .send();
    assert_eq!(status(&head.await.unwrap_err()), 403);
    let put = role.s3.put_object().bucket("videos").key("open/b").send();
    assert_eq!(put.await.unwrap_err().code(), Some("AccessDenied"));
    let missing = operator
        .s3
        .head_object()
        .bucket("videos")
        .key("open/b")
        .send();
    assert_eq!(status(&missing.await.unwrap_err()), 404);
}

fn status<E>(error: &SdkError<E>) -> u16 {
    error.raw_response().unwrap().status().as_u16()
}

/// Amazon S3 API reference, GetObject, Permissions; with a condition on the prefix, as in ceph/ceph pull request 68577.
#[tokio::test(start_paused = true)]
async fn what_is_missing_is_told_only_to_those_who_may_list_it() {
    let aws = aws();
    aws.s3.create_bucket("videos", false, None);
    let (role, _) = clients(&aws, "s3:*", "arn:aws:s3:::videos/*");
    let get = |key| role.s3.get_object().bucket("videos").key(key).send();
    let denied = get("open/missing").await.unwrap_err();
    assert_eq!(
        (denied.code(), status(&denied)),
        (Some("AccessDenied"), 403)
    );
    assert!(
        denied
            .message()
            .unwrap()
            .contains("perform: s3:ListBucket on resource: arn:aws:s3:::videos ")
    );
    let (role, _) = clients(&aws, "s3:*", "*");
    let missing = role
        .s3
        .get_object()
        .bucket("videos")
        .key("open/missing")
        .send();
    assert_eq!(missing.await.unwrap_err().code(), Some("NoSuchKey"));
}

#[tokio::test(start_paused = true)]
async fn a_call_or_parameter_that_no_row_covers_is_refused_and_named() {
    let aws = aws();
    aws.s3.create_bucket("videos", false, None);
    let (role, _) = clients(&aws, "s3:*", "*");
    let tagged = role
        .s3
        .put_object()
        .bucket("videos")
        .key("k")
        .tagging("a=b");
    let denied = tagged.send().await.unwrap_err();
    assert_eq!(denied.code(), Some("AccessDenied"));
    let delete = role.s3.delete_object().bucket("videos").key("k").send();
    assert_eq!(delete.await.unwrap_err().code(), Some("AccessDenied"));
    let arn = sandbox::iam::role_arn(&aws.account, "reader");
    let refused: Vec<_> = aws.iam.role(&arn).unwrap().refused().into_iter().collect();
    assert_eq!(
        refused,
        [
            "s3 DELETE object of arn:aws:s3:::videos, arn:aws:s3:::videos/k",
            "s3 PUT object of arn:aws:s3:::videos, arn:aws:s3:::videos/k with x-amz-tagging"
        ]
    );
}

#[tokio::test(start_paused = true)]
async fn each_service_has_its_own_code_for_a_denial() {
    let aws = aws();
    let topic_arn = aws.sns.create_topic("t");
    let (role, _) = clients(&aws, "s3:GetObject", "*");
    let machine = "arn:aws:states:us-east-1:123456789012:stateMachine:m";
    let start = role.sfn.start_execution().state_machine_arn(machine).send();
    let denied = start.await.unwrap_err();
    assert_eq!(
        (denied.code(), status(&denied)),
        (Some("AccessDeniedException"), 400)
    );
    let publish = role.sns.publish().topic_arn(topic_arn).message("m").send();
    let denied = publish.await.unwrap_err();
    assert_eq!(
        (denied.code(), status(&denied)),
        (Some("AuthorizationError"), 403)
    );
    let get = role.rekognition.get_content_moderation().job_id("1").send();
    assert_eq!(get.await.unwrap_err().code(), Some("AccessDeniedException"));
}

/// A gate in which one principal may do nothing.
async fn without(principal: Principal) -> World {
    let world = World::new().await;
    let arn = world.stack.role_arn(principal);
    let table = Arc::new(world.stack.operations().unwrap());
    let name = arn.rsplit('/').next().unwrap();
    world.aws.iam.put_role(name, policy("nothing", "*"), table);
    world
}

#[tokio::test(start_paused = true)]
async fn a_state_machine_that_may_not_announce_ends_all_the_same() {
    let world = without(Principal::StateMachine).await;
    let clip = world.upload("a.mp4", sample("clean-bars.mp4"), None).await;
    world.pass(1800).await;
    let ended = world.describe(&clip).await.unwrap();
    assert_eq!(ended.status, ExecutionStatus::Succeeded);
    let role = world
        .aws
        .iam
        .role(&world.stack.role_arn(Principal::StateMachine));
    assert!(!role.unwrap().refused().is_empty());
}

/// Rekognition Developer Guide, Troubleshooting Amazon Rekognition Video: a job whose end cannot be told ends all the same.
#[tokio::test(start_paused = true)]
async fn a_rekognition_that_may_not_notify_loses_the_notification_and_nothing_else() {
    let world = without(Principal::Rekognition).await;
    let clip = world.upload("a.mp4", sample("clean-bars.mp4"), None).await;
    world.pass(120).await;
    let running = world.describe(&clip).await.unwrap();
    assert_eq!(running.status, ExecutionStatus::Running);
    assert_eq!(world.aws.rekognition.open_jobs(), (0, 1));
    world.pass(600).await;
    let ended = world.describe(&clip).await.unwrap();
    assert_eq!(ended.status, ExecutionStatus::Succeeded);
}

#[tokio::test(start_paused = true)]
async fn a_callback_without_permissions_leaves_its_work_to_the_reconciler() {
    let world = without(Principal::Function(
        sandbox::stack::Function::ModerationCallback,
    ))
    .await;
    let clip = world.upload("a.mp4", sample("clean-bars.mp4"), None).await;
    world.pass(120).await;
    assert_eq!(world.approved("a.mp4").await, None);
    // The reconciler has a role of its own, and does the callback's work.
    world.pass(600).await;
    let ended = world.describe(&clip).await.unwrap();
    assert_eq!(ended.status, ExecutionStatus::Succeeded);
}
