/*
 * proto_answers.c
 *		What a worker sends with its commands: answers to queries, and messages about updates.
 */
#include "common/proto_answers.h"

#include "common/proto_enums.h"
#include "common/proto_fields.h"
#include "common/proto_parts.h"

static const ProtoField protocol_message_fields[] = {
	ONE("id", "id", PROTO_STRING),
	ONE("protocol_instance_id", "protocolInstanceId", PROTO_STRING),
	CHOICE("event_id", "eventId", PROTO_INT64),
	CHOICE("command_index", "commandIndex", PROTO_INT64),
	ONE_MESSAGE("body", "body", proto_any),
};
const ProtoMessage proto_protocol_message = MESSAGE("temporal.api.protocol.v1.Message", protocol_message_fields);

static const ProtoField workflow_query_result_fields[] = {
	ONE_ENUM("result_type", "resultType", proto_query_result_type),
	ONE_MESSAGE("answer", "answer", proto_payloads),
	ONE("error_message", "errorMessage", PROTO_STRING),
	ONE_MESSAGE("failure", "failure", proto_failure),
};
const ProtoMessage proto_workflow_query_result = MESSAGE("temporal.api.query.v1.WorkflowQueryResult", workflow_query_result_fields);

static const ProtoField update_acceptance_fields[] = {
	ONE("accepted_request_message_id", "acceptedRequestMessageId", PROTO_STRING),
	ONE("accepted_request_sequencing_event_id", "acceptedRequestSequencingEventId", PROTO_INT64),
	ONE_MESSAGE("accepted_request", "acceptedRequest", proto_update_request),
};
const ProtoMessage proto_update_acceptance = MESSAGE("temporal.api.update.v1.Acceptance", update_acceptance_fields);

static const ProtoField update_input_fields[] = {
	ONE_MESSAGE("header", "header", proto_header),
	ONE("name", "name", PROTO_STRING),
	ONE_MESSAGE("args", "args", proto_payloads),
};
const ProtoMessage proto_update_input = MESSAGE("temporal.api.update.v1.Input", update_input_fields);

static const ProtoField update_meta_fields[] = {
	ONE("update_id", "updateId", PROTO_STRING),
	ONE("identity", "identity", PROTO_STRING),
};
const ProtoMessage proto_update_meta = MESSAGE("temporal.api.update.v1.Meta", update_meta_fields);

static const ProtoField update_outcome_fields[] = {
	CHOICE_MESSAGE("success", "success", proto_payloads),
	CHOICE_MESSAGE("failure", "failure", proto_failure),
};
const ProtoMessage proto_update_outcome = MESSAGE("temporal.api.update.v1.Outcome", update_outcome_fields);

static const ProtoField update_rejection_fields[] = {
	ONE("rejected_request_message_id", "rejectedRequestMessageId", PROTO_STRING),
	ONE("rejected_request_sequencing_event_id", "rejectedRequestSequencingEventId", PROTO_INT64),
	ONE_MESSAGE("rejected_request", "rejectedRequest", proto_update_request),
	ONE_MESSAGE("failure", "failure", proto_failure),
};
const ProtoMessage proto_update_rejection = MESSAGE("temporal.api.update.v1.Rejection", update_rejection_fields);

static const ProtoField update_request_fields[] = {
	ONE_MESSAGE("meta", "meta", proto_update_meta),
	ONE_MESSAGE("input", "input", proto_update_input),
	ONE("request_id", "requestId", PROTO_STRING),
	LIST_MESSAGE("completion_callbacks", "completionCallbacks", proto_callback),
	LIST_MESSAGE("links", "links", proto_link),
	ONE_MESSAGE("propagated_nexus_serialization_context", "propagatedNexusSerializationContext", proto_propagated_serialization_context),
};
const ProtoMessage proto_update_request = MESSAGE("temporal.api.update.v1.Request", update_request_fields);

static const ProtoField update_response_fields[] = {
	ONE_MESSAGE("meta", "meta", proto_update_meta),
	ONE_MESSAGE("outcome", "outcome", proto_update_outcome),
};
const ProtoMessage proto_update_response = MESSAGE("temporal.api.update.v1.Response", update_response_fields);
