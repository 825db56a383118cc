/*
 * controls.c
 *		What operators asked for, between the struct and its stored form.
 */
#include "postgres.h"

#include "utils/fmgrprotos.h"

#include "base/json.h"
#include "model/controls.h"

static void
request_from_jsonb(Jsonb *object, const char *key, Request *request)
{
	Jsonb	   *part = json_get_object(object, key);

	if (part == NULL)
		return;
	request->request_id = json_get_text(part, "request_id");
	request->time = json_get_int64(part, "time", 0);
	request->identity = json_get_text(part, "identity");
	request->reason = json_get_text(part, "reason");
}

/*
 * controls_from_jsonb: what is stored, NULL for nothing.
 */
Controls *
controls_from_jsonb(struct varlena *control)
{
	Controls   *controls = palloc0(sizeof(Controls));
	Jsonb	   *object;

	if (control == NULL)
		return controls;

	object = DatumGetJsonbP(PointerGetDatum(control));
	request_from_jsonb(object, "cancel", &controls->cancel);
	request_from_jsonb(object, "pause", &controls->pause);
	controls->terminate_id = json_get_text(object, "terminate_id");
	controls->unpause_id = json_get_text(object, "unpause_id");
	controls->reset_id = json_get_text(object, "reset_id");
	controls->update_id = json_get_text(object, "update_id");
	controls->reset_heartbeat = json_get_bool(object, "reset_heartbeat");
	controls->reset_keep_paused = json_get_bool(object, "reset_keep_paused");
	controls->reset_restore = json_get_bool(object, "reset_restore");
	controls->reset_jitter = json_get_int64(object, "reset_jitter", 0);
	controls->original = json_get_object(object, "original");
	controls->attached = json_get_object(object, "attached");
	controls->taken_from = json_get_text(object, "taken_from");
	return controls;
}

static void
add_request(JsonBuilder *builder, const char *key, const Request *request)
{
	JsonBuilder part;

	if (request->request_id == NULL)
		return;
	json_begin(&part);
	json_add_text(&part, "request_id", request->request_id);
	json_add_int64(&part, "time", request->time);
	json_add_text(&part, "identity", request->identity);
	json_add_text(&part, "reason", request->reason);
	json_add(builder, key, json_end(&part));
}

/*
 * controls_to_jsonb: the stored form, NULL when there is nothing to store.
 */
Jsonb *
controls_to_jsonb(const Controls *controls)
{
	JsonBuilder builder;

	json_begin(&builder);
	add_request(&builder, "cancel", &controls->cancel);
	add_request(&builder, "pause", &controls->pause);
	json_add_text(&builder, "terminate_id", controls->terminate_id);
	json_add_text(&builder, "unpause_id", controls->unpause_id);
	json_add_text(&builder, "reset_id", controls->reset_id);
	json_add_text(&builder, "update_id", controls->update_id);
	json_add_true(&builder, "reset_heartbeat", controls->reset_heartbeat);
	json_add_true(&builder, "reset_keep_paused", controls->reset_keep_paused);
	json_add_true(&builder, "reset_restore", controls->reset_restore);
	if (controls->reset_jitter != 0)
		json_add_int64(&builder, "reset_jitter", controls->reset_jitter);
	json_add(&builder, "original", controls->original);
	json_add(&builder, "attached", controls->attached);
	json_add_text(&builder, "taken_from", controls->taken_from);
	if (builder.empty)
		return NULL;
	return json_end(&builder);
}

/*
 * controls_taken_from: that field alone of what is stored.
 */
char *
controls_taken_from(struct varlena *control)
{
	if (control == NULL)
		return NULL;
	return json_get_text(DatumGetJsonbP(PointerGetDatum(control)), "taken_from");
}
