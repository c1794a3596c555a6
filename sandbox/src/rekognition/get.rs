//! GetContentModeration.

use serde_json::{Value, json};
use tokio::time::Instant;

use super::Rekognition;
use super::error::{invalid_pagination_token, resource_not_found};
use super::members::{Members, Text, Violations};
use super::rows::{Aggregate, Sort, rows};
use super::state::{Outcome, PAGE_TTL, View};
use crate::wire::ApiError;

/// Rows of a page, unless fewer are asked for; more than these are never given (API reference, GetContentModeration).
const PAGE_ROWS_MAX: usize = 1000;

const JOB_ID: Text = Text {
    len: (1, 64),
    pattern: Some(("^[a-zA-Z0-9-_]+$", |text| {
        let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"-_".contains(&byte);
        !text.is_empty() && text.bytes().all(allowed)
    })),
};
const NEXT_TOKEN: Text = Text {
    len: (0, 255),
    pattern: None,
};

/// A request whose members satisfy the model.
struct Get {
    view: View,
    max_results: usize,
    next_token: Option<String>,
}

impl Get {
    fn parse(request: &Value) -> Result<Self, ApiError> {
        let mut violations = Violations::default();
        let members = Members::of_request(
            "GetContentModeration",
            request,
            &["JobId", "MaxResults", "NextToken", "SortBy", "AggregateBy"],
        )?;
        let job_id = members.required_text("JobId", &JOB_ID, &mut violations)?;
        let max_results = members.count("MaxResults", &mut violations)?;
        let next_token = members.text("NextToken", &NEXT_TOKEN, &mut violations)?;
        let sort = members.choice("SortBy", &["TIMESTAMP", "NAME"], &mut violations)?;
        let aggregate =
            members.choice("AggregateBy", &["TIMESTAMPS", "SEGMENTS"], &mut violations)?;
        violations.into_result()?;
        Ok(Self {
            view: View {
                job_id,
                aggregate: [Aggregate::Timestamps, Aggregate::Segments][aggregate],
                sort: [Sort::Timestamp, Sort::Name][sort],
            },
            max_results: max_results.map_or(PAGE_ROWS_MAX, |rows| rows.min(PAGE_ROWS_MAX)),
            next_token,
        })
    }
}

impl Rekognition {
    /// The state of a job and a page of its results.
    pub(super) fn get_content_moderation(&self, request: &Value) -> Result<Value, ApiError> {
        let get = Get::parse(request)?;
        let now = Instant::now();
        let mut state = self.state();
        state.expire(now);
        let job = state.job(&get.view.job_id).ok_or_else(resource_not_found)?;
        let (outcome, min_confidence) = (std::sync::Arc::clone(&job.outcome), job.min_confidence);
        let status = match (&*outcome, job.ended) {
            (_, false) => "IN_PROGRESS",
            (Outcome::Succeeded { .. }, true) => "SUCCEEDED",
            (Outcome::Failed { .. }, true) => "FAILED",
        };
        let mut response = json!({
            "JobStatus": status,
            "JobId": get.view.job_id,
            "Video": job.video,
            "ModerationLabels": [],
            "GetRequestMetadata": {
                "SortBy": match get.view.sort {
                    Sort::Timestamp => "TIMESTAMP",
                    Sort::Name => "NAME",
                },
                "AggregateBy": match get.view.aggregate {
                    Aggregate::Timestamps => "TIMESTAMPS",
                    Aggregate::Segments => "SEGMENTS",
                },
            },
        });
        if let Some(tag) = &job.tag {
            response["JobTag"] = tag.as_str().into();
        }
        let offset = match &get.next_token {
            None => 0,
            Some(token) => match state.page(token) {
                Some((view, offset)) if *view == get.view => *offset,
                _ => return Err(invalid_pagination_token()),
            },
        };
        match (&*outcome, status) {
            (_, "IN_PROGRESS") => {}
            (Outcome::Failed { message }, _) => {
                response["StatusMessage"] = message.as_str().into();
            }
            (
                Outcome::Succeeded {
                    metadata,
                    model_version,
                    detections,
                },
                _,
            ) => {
                // On every page (developer guide, "Detecting inappropriate stored videos").
                response["VideoMetadata"] = metadata.clone();
                response["ModerationModelVersion"] = model_version.as_str().into();
                let View {
                    aggregate, sort, ..
                } = get.view;
                let all = state.rows(&get.view, || {
                    rows(detections, min_confidence, aggregate, sort)
                });
                let rest = all.get(offset..).unwrap_or_default();
                let page_rows = state.faults.page_rows_max.unwrap_or(usize::MAX);
                let page = &rest[..get.max_results.min(page_rows).min(rest.len())];
                response["ModerationLabels"] = page.iter().map(super::rows::Row::to_json).collect();
                if page.len() < rest.len() {
                    let token = self.rng.hex(48);
                    response["NextToken"] = token.as_str().into();
                    let until = now + self.clock.scaled(PAGE_TTL);
                    state.add_page(token, get.view, offset + page.len(), until);
                }
            }
        }
        Ok(response)
    }
}
