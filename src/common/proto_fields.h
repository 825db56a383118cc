/*
 * proto_fields.h
 *		How the tables of messages and of names are written.
 */
#ifndef TASKQ_PROTO_FIELDS_H
#define TASKQ_PROTO_FIELDS_H

#include "common/proto_shape.h"

#define LENGTH_OF(array) ((int) (sizeof(array) / sizeof((array)[0])))

/* A field with one value, many, or one for each text. */
#define ONE(name, key, type)	{name, key, type, PROTO_ONE, false, NULL, NULL}
#define LIST(name, key, type)	{name, key, type, PROTO_LIST, false, NULL, NULL}
#define MAP(name, key, type)	{name, key, type, PROTO_MAP, false, NULL, NULL}
#define CHOICE(name, key, type) {name, key, type, PROTO_ONE, true, NULL, NULL}

#define ONE_MESSAGE(name, key, message) \
	{name, key, PROTO_MESSAGE, PROTO_ONE, false, &message, NULL}
#define LIST_MESSAGE(name, key, message) \
	{name, key, PROTO_MESSAGE, PROTO_LIST, false, &message, NULL}
#define MAP_MESSAGE(name, key, message) \
	{name, key, PROTO_MESSAGE, PROTO_MAP, false, &message, NULL}
#define CHOICE_MESSAGE(name, key, message) \
	{name, key, PROTO_MESSAGE, PROTO_ONE, true, &message, NULL}

#define ONE_ENUM(name, key, names)	{name, key, PROTO_ENUM, PROTO_ONE, false, NULL, &names}
#define LIST_ENUM(name, key, names) {name, key, PROTO_ENUM, PROTO_LIST, false, NULL, &names}

#define MESSAGE(name, fields) {name, PROTO_FIELDS, fields, LENGTH_OF(fields)}

/* A constant of proto_enums.h with its name. */
#define NUMBERED(constant)	{constant, #constant}
#define NAMES(name, names)	{name, names, LENGTH_OF(names)}

#endif							/* TASKQ_PROTO_FIELDS_H */
