//! SDK configuration for a Lambda: region, credentials and endpoints from the environment, one HTTP client for all services.

use std::sync::LazyLock;

use aws_credential_types::Credentials;
use aws_credential_types::provider::SharedCredentialsProvider;
use aws_smithy_async::rt::sleep::TokioSleep;
use aws_smithy_http_client::tls::rustls_provider::CryptoMode;
use aws_smithy_http_client::tls::{self, TlsContext, TrustStore};
use aws_smithy_runtime_api::client::http::{HttpClient as _, SharedHttpClient, http_client_fn};
use aws_types::SdkConfig;
use aws_types::region::Region;

/// The roots that AWS's endpoints chain to (Amazon Trust Services, "Root CAs"), so that a cold start need not parse the
/// hundred and more of the system's store.
const AMAZON_ROOTS: [&str; 5] = [
    include_str!("../roots/amazon-root-ca-1.pem"),
    include_str!("../roots/amazon-root-ca-2.pem"),
    include_str!("../roots/amazon-root-ca-3.pem"),
    include_str!("../roots/amazon-root-ca-4.pem"),
    include_str!("../roots/starfield-services-root-ca-g2.pem"),
];

/// Something that every Lambda environment sets is missing.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0} is not set: the Lambda service sets it, so this is not a Lambda environment")]
pub struct NotInLambda(&'static str);

/// The clients' common configuration, from the variables that the Lambda service sets (Lambda developer guide, "Defined runtime
/// environment variables"). Credentials are those of the environment: they outlive it.
#[derive(Debug, Clone)]
pub struct Aws {
    region: Region,
    credentials: SharedCredentialsProvider,
    http_client: SharedHttpClient,
    endpoint: Option<String>,
    endpoints: [(&'static str, Option<String>); 4],
}

impl Aws {
    /// Reads `AWS_REGION`, `AWS_ACCESS_KEY_ID`, `AWS_SECRET_ACCESS_KEY`, `AWS_SESSION_TOKEN`, and the endpoints of the SDKs'
    /// reference guide: `AWS_ENDPOINT_URL` and `AWS_ENDPOINT_URL_<SERVICE>`.
    ///
    /// # Errors
    /// [`NotInLambda`] names what is not set.
    pub fn from_vars(lookup: impl Fn(&str) -> Option<String>) -> Result<Self, NotInLambda> {
        let set = |name: &str| lookup(name).filter(|value| !value.is_empty());
        let required = |name: &'static str| set(name).ok_or(NotInLambda(name));
        let credentials = Credentials::new(
            required("AWS_ACCESS_KEY_ID")?,
            required("AWS_SECRET_ACCESS_KEY")?,
            set("AWS_SESSION_TOKEN"),
            None,
            "Environment",
        );
        Ok(Self {
            region: Region::new(required("AWS_REGION")?),
            credentials: SharedCredentialsProvider::new(credentials),
            http_client: http_client(),
            endpoint: set("AWS_ENDPOINT_URL"),
            endpoints: ["S3", "SFN", "REKOGNITION", "SNS"]
                .map(|service| (service, set(&format!("AWS_ENDPOINT_URL_{service}")))),
        })
    }

    /// Configuration of one service's client.
    fn config(&self, service: &str) -> SdkConfig {
        let own = self
            .endpoints
            .iter()
            .find(|(name, _)| *name == service)
            .and_then(|(_, url)| url.clone());
        let mut config = SdkConfig::builder()
            .behavior_version(aws_sdk_s3::config::BehaviorVersion::latest())
            .region(self.region.clone())
            .credentials_provider(self.credentials.clone())
            .sleep_impl(TokioSleep::new())
            .http_client(self.http_client.clone());
        config.set_endpoint_url(own.or_else(|| self.endpoint.clone()));
        config.build()
    }

    /// A client of S3.
    #[must_use]
    pub fn s3(&self) -> aws_sdk_s3::Client {
        aws_sdk_s3::Client::new(&self.config("S3"))
    }

    /// A client of Step Functions.
    #[must_use]
    pub fn sfn(&self) -> aws_sdk_sfn::Client {
        aws_sdk_sfn::Client::new(&self.config("SFN"))
    }

    /// A client of Rekognition.
    #[must_use]
    pub fn rekognition(&self) -> aws_sdk_rekognition::Client {
        aws_sdk_rekognition::Client::new(&self.config("REKOGNITION"))
    }

    /// A client of SNS.
    #[must_use]
    pub fn sns(&self) -> aws_sdk_sns::Client {
        aws_sdk_sns::Client::new(&self.config("SNS"))
    }
}

/// One client for all services. The first request makes its connector: a start that calls nothing needs none, and each
/// service's client would make one on trial when it is built.
fn http_client() -> SharedHttpClient {
    let client = LazyLock::new(https_client);
    http_client_fn(move |settings, components| client.http_connector(settings, components))
}

fn https_client() -> SharedHttpClient {
    let roots = AMAZON_ROOTS.iter().fold(TrustStore::empty(), |store, pem| {
        store.with_pem_certificate(*pem)
    });
    let context = TlsContext::builder().with_trust_store(roots).build();
    let builder = aws_smithy_http_client::Builder::new()
        .tls_provider(tls::Provider::Rustls(CryptoMode::Ring));
    match context {
        Ok(context) => builder.tls_context(context).build_https(),
        // The roots are compiled in and parse: a test proves it.
        Err(_) => builder.build_https(),
    }
}

#[cfg(test)]
mod tests {
    use aws_smithy_runtime_api::client::runtime_components::RuntimeComponentsBuilder;
    use aws_smithy_types::config_bag::ConfigBag;

    use super::*;

    /// A root that cannot be read would be a panic at the first request.
    #[test]
    fn a_connector_can_be_made_from_the_roots() {
        let components = RuntimeComponentsBuilder::new("test");
        let made = https_client().validate_base_client_config(&components, &ConfigBag::base());
        assert!(made.is_ok(), "{made:?}");
    }
}
