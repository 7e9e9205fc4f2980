//! `waymark workflow diagram`: drawn here, or by the server where it is about orders.

use std::process::ExitCode;

use waymark_domain::workflow::diagram::{self, Marks};
use waymark_proto::v1::{
    self, DiagramWorkflowRequest, workflow_service_client::WorkflowServiceClient,
};

use super::document::Reading;
use crate::{
    arguments::{Diagram, DiagramFormat, Server},
    connection,
    failure::{Failure, has_reason},
    output,
    source::Source,
};

/// Draws a workflow.
pub(super) async fn diagram(arguments: Diagram) -> Result<ExitCode, Failure> {
    let Diagram {
        source,
        format,
        language,
        order,
        counts,
        server,
    } = arguments;
    let order = order.unwrap_or_default();
    let drawing = if order.is_empty() && !counts {
        let reading = Reading {
            format,
            ..Reading::default()
        };
        match source.load(reading, None, &server).await {
            Ok(workflow) => diagram::render(&workflow, of_domain(language), &Marks::default()),
            // There is no document of a workflow of which parts cannot be read; the server draws the others.
            Err(Failure::Status(status)) if has_reason(&status, "WORKFLOW_UNUSABLE") => {
                of_server(source, language, order, counts, &server).await?
            }
            Err(failure) => return Err(failure),
        }
    } else {
        of_server(source, language, order, counts, &server).await?
    };
    output::print(&drawing)?;
    Ok(ExitCode::SUCCESS)
}

fn of_domain(language: DiagramFormat) -> diagram::Format {
    match language {
        DiagramFormat::Mermaid => diagram::Format::Mermaid,
        DiagramFormat::Dot => diagram::Format::Dot,
        DiagramFormat::Svg => diagram::Format::Svg,
    }
}

async fn of_server(
    source: Source,
    language: DiagramFormat,
    order_id: String,
    counts: bool,
    server: &Server,
) -> Result<String, Failure> {
    let Source::Stored { code, version: 0 } = source else {
        let option = if counts { "--counts" } else { "--order" };
        return Err(Failure::NeedsServer { option });
    };
    let request = DiagramWorkflowRequest {
        workflow: code,
        format: v1::DiagramFormat::from(of_domain(language)).into(),
        order_id,
        counts,
    };
    let mut client = WorkflowServiceClient::new(connection::connect(server).await?);
    let answer = client.diagram_workflow(request).await?;
    Ok(answer.into_inner().document)
}
