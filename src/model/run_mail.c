/*
 * run_mail.c
 *		Mail of runs as jsonb: a row of an inbox.
 */
#include "postgres.h"

#include "base/json.h"
#include "common/proto_enums.h"
#include "model/run_mail.h"

/* run_mail_closes_activity: is it the close of an activity? */
bool
run_mail_closes_activity(const RunMail *mail)
{
	return mail->type == EVENT_TYPE_ACTIVITY_TASK_COMPLETED ||
		mail->type == EVENT_TYPE_ACTIVITY_TASK_FAILED ||
		mail->type == EVENT_TYPE_ACTIVITY_TASK_TIMED_OUT ||
		mail->type == EVENT_TYPE_ACTIVITY_TASK_CANCELED;
}

/* run_mail_write: times are microseconds, as PostgreSQL counts them. */
Jsonb *
run_mail_write(const RunMail *mail)
{
	JsonBuilder builder;

	json_begin(&builder);
	json_add_int64(&builder, "type", mail->type);
	json_add_int64(&builder, "time", mail->time);
	json_add(&builder, "attributes", mail->attributes);
	if (mail->started != NULL)
	{
		json_add(&builder, "started", mail->started);
		json_add_int64(&builder, "started_time", mail->started_time);
	}
	return json_end(&builder);
}

/* run_mail_read: likewise; what it points to is palloc'd. */
void
run_mail_read(Jsonb *stored, RunMail *mail)
{
	memset(mail, 0, sizeof(RunMail));
	mail->type = (int) json_get_int64(stored, "type", 0);
	mail->time = json_get_int64(stored, "time", 0);
	mail->attributes = json_get_object(stored, "attributes");
	mail->started = json_get_object(stored, "started");
	mail->started_time = json_get_int64(stored, "started_time", 0);
}
