//! The methods that the benchmark calls.

/// A method of a gRPC service, by its path.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Method(pub(crate) &'static str);

impl Method {
    pub(crate) const HEALTH_CHECK: Self = Self("/grpc.health.v1.Health/Check");
    pub(crate) const WATCH_HISTORY: Self = Self("/waymark.v1.HistoryService/WatchHistory");
    pub(crate) const APPLY_WORKFLOW: Self = Self("/waymark.v1.WorkflowService/ApplyWorkflow");
    pub(crate) const CREATE_ORDER: Self = Self("/waymark.v1.OrderService/CreateOrder");
    pub(crate) const GET_ORDER: Self = Self("/waymark.v1.OrderService/GetOrder");
    pub(crate) const LIST_ORDERS: Self = Self("/waymark.v1.OrderService/ListOrders");
    pub(crate) const TRANSITION_ORDER: Self = Self("/waymark.v1.OrderService/TransitionOrder");
    pub(crate) const EXECUTE_STEPS: Self = Self("/waymark.v1.OrderService/ExecuteSteps");
    pub(crate) const CREATE_ENDPOINT: Self = Self("/waymark.v1.EndpointService/CreateEndpoint");
    pub(crate) const UPDATE_ENDPOINT: Self = Self("/waymark.v1.EndpointService/UpdateEndpoint");
    pub(crate) const STREAM_STEPS: Self = Self("/waymark.v1.OrderService/StreamSteps");
}
