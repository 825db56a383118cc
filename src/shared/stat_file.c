/*
 * stat_file.c
 *		Statistics of queues survive a clean restart.
 *
 * The postmaster writes the counters into a file below pg_stat when it shuts
 * down cleanly, and reads and removes it when it starts.  After a crash there
 * is no file, and statistics begin anew; likewise after an immediate shutdown,
 * which leaves one behind.  A file of another version, or that cannot be read
 * to the end, is ignored with a LOG message.
 */
#include "postgres.h"

#include <unistd.h>

#include "catalog/pg_control.h"
#include "common/controldata_utils.h"
#include "miscadmin.h"
#include "pgstat.h"
#include "storage/fd.h"
#include "storage/ipc.h"
#include "utils/timestamp.h"

#include "base/settings.h"
#include "common/lengths.h"
#include "shared/queue_locks.h"
#include "shared/queue_state.h"
#include "shared/queues.h"
#include "shared/stat_file.h"

#define STAT_FILE		PGSTAT_STAT_PERMANENT_DIRECTORY "/taskq.stat"
#define STAT_MAGIC		0x54515333	/* changes with QueueRecord */

/* What is kept of a queue. */
typedef struct QueueRecord
{
	QueueKey	key;
	int32		name_length;
	char		name[MAX_QUEUE_NAME_LENGTH];
	TimestampTz stats_reset;
	uint64		counters[ALL_COUNTERS];
} QueueRecord;

StaticAssertDecl(sizeof(QueueRecord) == 1544,
				 "STAT_MAGIC changes with QueueRecord");

static bool
read_record(FILE *file)
{
	QueueRecord record;
	QueueState *state;

	if (fread(&record, sizeof(record), 1, file) != 1 ||
		record.name_length < 0 || record.name_length > MAX_QUEUE_NAME_LENGTH)
		return false;
	queue_state_lock(&record.key, LW_EXCLUSIVE);
	state = queue_state_get(&record.key, record.name, record.name_length);
	if (state != NULL)
	{
		state->stats_reset = record.stats_reset;
		memcpy(state->counters, record.counters, sizeof(record.counters));
	}
	queue_state_unlock();
	return true;
}

/* was the server shut down as it should be? */
static bool
shut_down_cleanly(void)
{
	bool		crc_ok;
	ControlFileData *file = get_controlfile(DataDir, &crc_ok);
	bool		clean = crc_ok && (file->state == DB_SHUTDOWNED ||
								   file->state == DB_SHUTDOWNED_IN_RECOVERY);

	pfree(file);
	return clean;
}

/*
 * stat_file_read: in the postmaster, when shared memory is made at its start.
 */
void
stat_file_read(void)
{
	FILE	   *file = AllocateFile(STAT_FILE, PG_BINARY_R);
	uint32		magic = 0;
	int32		count = 0;
	bool		ok;

	if (file == NULL)
		return;
	if (!shut_down_cleanly())
	{
		FreeFile(file);
		(void) unlink(STAT_FILE);
		return;
	}
	ok = fread(&magic, sizeof(magic), 1, file) == 1 && magic == STAT_MAGIC &&
		fread(&count, sizeof(count), 1, file) == 1;
	for (int i = 0; ok && i < count; i++)
		ok = read_record(file);
	if (!ok)
		ereport(LOG,
				(errcode(ERRCODE_DATA_CORRUPTED),
				 errmsg("could not read statistics file \"%s\"", STAT_FILE)));
	FreeFile(file);
	(void) unlink(STAT_FILE);
}

static bool
write_record(FILE *file, const QueueState *state)
{
	QueueRecord record;

	memset(&record, 0, sizeof(record));
	record.key = state->key;
	record.name_length = state->name_length;
	memcpy(record.name, state->name, state->name_length);
	record.stats_reset = state->stats_reset;
	memcpy(record.counters, state->counters, sizeof(record.counters));
	return fwrite(&record, sizeof(record), 1, file) == 1;
}

/*
 * stat_file_write: on_shmem_exit callback of the postmaster.
 */
void
stat_file_write(int code, Datum arg)
{
	const QueueState *state;
	FILE	   *file;
	uint32		magic = STAT_MAGIC;
	int32		count;
	bool		ok;

	if (code != 0)
		return;					/* not a clean shutdown */
	file = AllocateFile(STAT_FILE ".tmp", PG_BINARY_W);
	if (file == NULL)
		return;
	count = (int32) queue_states_used();
	ok = fwrite(&magic, sizeof(magic), 1, file) == 1 &&
		fwrite(&count, sizeof(count), 1, file) == 1;
	for (int i = 0; ok && i < taskq_max_queues; i++)
		if ((state = queue_state_at(i)) != NULL)
			ok = write_record(file, state);
	if (FreeFile(file) != 0)
		ok = false;
	if (!ok || rename(STAT_FILE ".tmp", STAT_FILE) != 0)
	{
		ereport(LOG,
				(errcode_for_file_access(),
				 errmsg("could not write statistics file \"%s\": %m",
						STAT_FILE)));
		(void) unlink(STAT_FILE ".tmp");
	}
}
