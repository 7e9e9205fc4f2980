//! The gRPC services: parse, act, answer.

/// Makes the type of a service, which shares the app with the others.
macro_rules! service {
    ($contract:literal) => {
        #[doc = concat!("Answers the calls of `", $contract, "`.")]
        #[derive(Debug, Clone)]
        pub struct Service {
            app: ::std::sync::Arc<$crate::App>,
        }

        impl Service {
            /// The service in front of `app`.
            pub fn new(app: ::std::sync::Arc<$crate::App>) -> Self {
                Self { app }
            }
        }
    };
}

/// Implements the contract of a service. An RPC is its name with the types of request and response,
/// how the request is read, and who answers:
///
/// ```text
/// get_status(v1::GetStatusRequest) -> v1::GetStatusResponse:
///     GetStatus::read(default_workflow()) => get;
/// ```
///
/// Reading takes the message, and what stands in the parentheses of the app.
/// The function that answers gets the app, the field of the service that is named behind it, and
/// what was read. Types of streams come first, in brackets; what is written out comes last.
macro_rules! rpcs {
    (@read $reader:ident $read:ident $request:ident $app:ident) => {
        $reader::$read($request.into_inner())
    };
    (@read $reader:ident $read:ident $request:ident $app:ident $($of_app:tt)+) => {
        $reader::$read($request.into_inner(), $app.$($of_app)+)
    };
    (
        $contract:ident $([$($stream:ident = $messages:ty),+])? {
            $($rpc:ident($request:ty) -> $response:ty:
                $reader:ident::$read:ident($($how:tt)*) => $handler:path $(, $own:ident)?;)+
        }
        $($written_out:tt)*
    ) => {
        #[tonic::async_trait]
        impl $contract for Service {
            $($(type $stream = $messages;)+)?

            $(async fn $rpc(
                &self,
                request: tonic::Request<$request>,
            ) -> Result<tonic::Response<$response>, tonic::Status> {
                let app = &self.app;
                let call = rpcs!(@read $reader $read request app $($how)*);
                let call = call.map_err($crate::Error::from)?;
                Ok(tonic::Response::new($handler(app, $(&self.$own,)? call).await?))
            })+

            $($written_out)*
        }
    };
}

mod answers;
mod definition;
pub mod delivery;
pub mod endpoint;
pub mod history;
mod once;
pub mod order;
pub mod state;
pub mod status;
mod suggestions;
pub mod tracking;
pub mod transition;
pub mod workflow;
