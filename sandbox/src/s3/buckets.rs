//! Buckets and their configuration.

use s3s::dto::{
    self, BucketVersioningStatus, CreateBucketInput, CreateBucketOutput,
    GetBucketNotificationConfigurationOutput, GetBucketVersioningOutput, ListBucketsInput,
    ListBucketsOutput, PutBucketNotificationConfigurationInput, PutBucketVersioningInput,
};
use s3s::{S3ErrorCode, S3Result};

use super::Core;
use super::errors::{error, invalid_argument, not_implemented};
use super::notify::TopicConfig;
use super::store::{Bucket, Versioning};

impl Core {
    pub(super) fn create_bucket(&self, input: CreateBucketInput) -> S3Result<CreateBucketOutput> {
        if let Some(config) = input.create_bucket_configuration {
            if config.bucket.is_some() || config.location.is_some() {
                return Err(not_implemented("directory buckets"));
            }
            if let Some(constraint) = config.location_constraint
                && constraint.as_str() != self.account.region
            {
                return Err(error(
                    S3ErrorCode::IllegalLocationConstraintException,
                    "The specified location-constraint is not valid",
                ));
            }
        }
        if let Some(ownership) = input.object_ownership
            && ownership.as_str() != dto::ObjectOwnership::BUCKET_OWNER_ENFORCED
        {
            return Err(not_implemented(
                "ObjectOwnership other than BucketOwnerEnforced",
            ));
        }
        let mut state = self.state();
        if state.buckets.contains_key(&input.bucket) {
            return Err(error(
                S3ErrorCode::BucketAlreadyOwnedByYou,
                "Your previous request to create the named bucket succeeded and you already own it.",
            ));
        }
        let location = format!("/{}", input.bucket);
        state
            .buckets
            .insert(input.bucket, Bucket::new(self.now_s(), Versioning::Never));
        Ok(CreateBucketOutput {
            location: Some(location),
        })
    }

    pub(super) fn delete_bucket(&self, name: &str) -> S3Result<()> {
        let mut state = self.state();
        if !state.bucket(name)?.keys.is_empty() {
            return Err(error(
                S3ErrorCode::BucketNotEmpty,
                "The bucket you tried to delete is not empty",
            ));
        }
        state.buckets.remove(name);
        Ok(())
    }

    pub(super) fn list_buckets(&self, input: &ListBucketsInput) -> S3Result<ListBucketsOutput> {
        if input.max_buckets.is_some() || input.continuation_token.is_some() {
            return Err(not_implemented("pages of ListBuckets"));
        }
        let prefix = input.prefix.as_deref().unwrap_or_default();
        let state = self.state();
        let buckets = state
            .buckets
            .iter()
            .filter(|(name, _)| name.starts_with(prefix))
            .map(|(name, bucket)| dto::Bucket {
                creation_date: Some(bucket.created.into()),
                name: Some(name.clone()),
                ..dto::Bucket::default()
            })
            .collect();
        Ok(ListBucketsOutput {
            buckets: Some(buckets),
            owner: Some(owner()),
            prefix: input.prefix.clone(),
            ..ListBucketsOutput::default()
        })
    }

    pub(super) fn put_versioning(&self, input: &PutBucketVersioningInput) -> S3Result<()> {
        let config = &input.versioning_configuration;
        if config.mfa_delete.is_some() {
            return Err(not_implemented("MfaDelete of PutBucketVersioning"));
        }
        let status = config.status.as_ref().map(BucketVersioningStatus::as_str);
        let versioning = match status {
            Some(BucketVersioningStatus::ENABLED) => Versioning::Enabled,
            Some(BucketVersioningStatus::SUSPENDED) => Versioning::Suspended,
            _ => {
                return Err(error(
                    S3ErrorCode::IllegalVersioningConfigurationException,
                    "The Versioning element must be specified",
                ));
            }
        };
        self.state().bucket_mut(&input.bucket)?.versioning = versioning;
        Ok(())
    }

    pub(super) fn get_versioning(&self, bucket: &str) -> S3Result<GetBucketVersioningOutput> {
        let status = match self.state().bucket(bucket)?.versioning {
            Versioning::Never => None,
            Versioning::Enabled => Some(BucketVersioningStatus::ENABLED),
            Versioning::Suspended => Some(BucketVersioningStatus::SUSPENDED),
        };
        Ok(GetBucketVersioningOutput {
            status: status.map(BucketVersioningStatus::from_static),
            ..GetBucketVersioningOutput::default()
        })
    }

    /// Replaces all notifications; each topic gets a test event first, and must take it.
    pub(super) fn put_notifications(
        &self,
        input: PutBucketNotificationConfigurationInput,
    ) -> S3Result<()> {
        let config = input.notification_configuration;
        if config.event_bridge_configuration.is_some()
            || config.lambda_function_configurations.is_some()
            || config.queue_configurations.is_some()
        {
            return Err(not_implemented(
                "notifications to EventBridge, Lambda functions or queues",
            ));
        }
        self.state().bucket(&input.bucket)?;
        let topics: Vec<TopicConfig> = config
            .topic_configurations
            .unwrap_or_default()
            .into_iter()
            .map(|config| TopicConfig::parse(config, self.rng.uuid()))
            .collect::<S3Result<_>>()?;
        for (place, topic) in topics.iter().enumerate() {
            if topics[..place].iter().any(|other| other.id == topic.id) {
                return Err(invalid_argument(
                    "Same ID used for multiple configurations. IDs must be unique",
                ));
            }
        }
        for topic in &topics {
            self.send_test_event(&input.bucket, &topic.topic_arn)?;
        }
        self.state().bucket_mut(&input.bucket)?.topics = topics;
        Ok(())
    }

    pub(super) fn get_notifications(
        &self,
        bucket: &str,
    ) -> S3Result<GetBucketNotificationConfigurationOutput> {
        let state = self.state();
        let topics = &state.bucket(bucket)?.topics;
        Ok(GetBucketNotificationConfigurationOutput {
            topic_configurations: (!topics.is_empty())
                .then(|| topics.iter().map(TopicConfig::to_dto).collect()),
            ..GetBucketNotificationConfigurationOutput::default()
        })
    }
}

/// The only owner of anything: its canonical id.
pub(super) fn owner() -> dto::Owner {
    dto::Owner {
        id: Some("75aa57f09aa0c8caeab4f8c24e99d10f8e7faeebf76c078efc7c6caea54ba06a".to_owned()),
        ..dto::Owner::default()
    }
}
