/*
 * result_values.h
 *		Values of a result in binary.
 *
 * A value that is NULL reads as zero, false or NULL.  Texts and bytes are
 * part of the result.
 */
#ifndef TASKQ_GATEWAY_RESULT_VALUES_H
#define TASKQ_GATEWAY_RESULT_VALUES_H

#include <stdbool.h>
#include <stdint.h>

#include <libpq-fe.h>

extern bool row_is_null(const PGresult *result, int row, int column);
extern bool row_bool(const PGresult *result, int row, int column);
extern int32_t row_int32(const PGresult *result, int row, int column);
extern int64_t row_int64(const PGresult *result, int row, int column);
extern double row_float8(const PGresult *result, int row, int column);
extern const char *row_text(const PGresult *result, int row, int column);
extern const char *row_jsonb(const PGresult *result, int row, int column);
extern const uint8_t *row_uuid(const PGresult *result, int row, int column);
extern int64_t row_timestamptz(const PGresult *result, int row, int column);
extern int64_t row_interval(const PGresult *result, int row, int column);

#endif
