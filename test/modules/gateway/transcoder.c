/*
 * transcoder.c
 *		Messages to JSON and back, for a test that compares with others'.
 *
 * Lines of "name hexadecimal" are answered with JSON, lines of "name {json}"
 * with hexadecimal; what is wrong with "! why".
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/message_from_json.h"
#include "gateway/message_to_json.h"
#include "gateway/texts.h"
#include "gateway/wire_check.h"
#include "gateway/proto/activity.pb-c.h"
#include "gateway/proto/operatorservice.pb-c.h"
#include "gateway/proto/workflowservice.pb-c.h"

static const ProtobufCMessageDescriptor *const descriptors[] = {
	&temporal__failure__descriptor,
	&temporal__payloads__descriptor,
	&temporal__activity_execution_info__descriptor,
	&temporal__start_activity_execution_request__descriptor,
	&temporal__poll_activity_task_queue_request__descriptor,
	&temporal__poll_activity_task_queue_response__descriptor,
	&temporal__respond_activity_task_failed_request__descriptor,
	&temporal__describe_activity_execution_response__descriptor,
	&temporal__update_activity_execution_options_request__descriptor,
	&temporal__describe_namespace_response__descriptor,
	&temporal__get_cluster_info_response__descriptor,
	&temporal__count_activity_executions_response__descriptor,
	&temporal__shutdown_worker_request__descriptor,
	&temporal__list_search_attributes_response__descriptor,
};

static void
to_json(const ProtobufCMessageDescriptor *descriptor, const char *digits)
{
	size_t		length = strlen(digits) / 2;
	uint8_t    *bytes = malloc(length + 1);
	TextBuffer	json = text_begin();
	ProtobufCMessage *message;
	const char *problem;

	for (size_t i = 0; i < length; i++)
	{
		unsigned	byte;

		sscanf(digits + 2 * i, "%2x", &byte);
		bytes[i] = (uint8_t) byte;
	}
	problem = wire_check(descriptor, bytes, length);
	message = problem != NULL ? NULL : protobuf_c_message_unpack(descriptor, NULL, length, bytes);
	if (message == NULL)
		printf("! %s\n", problem != NULL ? problem : "not unpacked");
	else
	{
		message_to_json(&json, message);
		printf("%s\n", json.data);
		protobuf_c_message_free_unpacked(message, NULL);
	}
	text_buffer_free(&json);
	free(bytes);
}

static void
from_json(const ProtobufCMessageDescriptor *descriptor, const char *json)
{
	const char *problem;
	ProtobufCMessage *message = message_from_json(descriptor, slice_of(json), &problem);
	size_t		length;
	uint8_t    *bytes;

	if (message == NULL)
	{
		printf("! %s\n", problem);
		return;
	}
	length = protobuf_c_message_get_packed_size(message);
	bytes = malloc(length + 1);
	protobuf_c_message_pack(message, bytes);
	for (size_t i = 0; i < length; i++)
		printf("%02x", bytes[i]);
	printf("\n");
	free(bytes);
	protobuf_c_message_free_unpacked(message, NULL);
}

int
main(void)
{
	char	   *line = NULL;
	size_t		size = 0;
	ssize_t		length;

	while ((length = getline(&line, &size, stdin)) > 0)
	{
		char	   *value = strchr(line, ' ');

		if (line[length - 1] == '\n')
			line[length - 1] = '\0';
		if (value == NULL)
			return 2;
		*value++ = '\0';
		for (size_t i = 0; i < sizeof(descriptors) / sizeof(descriptors[0]); i++)
			if (strcmp(line, descriptors[i]->name) == 0)
				(*value == '{' ? from_json : to_json) (descriptors[i], value);
		fflush(stdout);
	}
	free(line);
	return 0;
}
