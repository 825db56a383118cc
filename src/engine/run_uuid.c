/*
 * run_uuid.c
 *		Runs as uuids, for programs that know runs by uuids only.
 *
 * A uuid of version 8: eight bytes that are drawn at installation, the same for
 * all runs of it, but for the version; then the run_id, below the two bits of
 * the variant.  So it can be turned back without a table, and is of one
 * installation and its dumps.  Nothing in it is secret.
 */
#include "postgres.h"

#include "engine/run_uuid.h"
#include "store/instance.h"
#include "store/open.h"

/* of the first half: the version */
#define VERSION_MASK	UINT64CONST(0x000000000000F000)
#define VERSION_8		UINT64CONST(0x0000000000008000)

/* of the second half: the variant, above all run_ids that can be */
#define VARIANT_MASK	(UINT64CONST(3) << RUN_ID_BITS)
#define VARIANT			(UINT64CONST(2) << RUN_ID_BITS)

StaticAssertDecl(RUN_ID_BITS == 62, "run_id and variant are 64 bits");

static void
put_half(pg_uuid_t *uuid, int from, uint64 bits)
{
	for (int i = 0; i < 8; i++)
		uuid->data[from + i] = (unsigned char) (bits >> (56 - 8 * i));
}

static uint64
get_half(const pg_uuid_t *uuid, int from)
{
	uint64		bits = 0;

	for (int i = 0; i < 8; i++)
		bits = bits << 8 | uuid->data[from + i];
	return bits;
}

static uint64
first_half(const InstanceKeys *keys)
{
	return (keys->run_prefix & ~VERSION_MASK) | VERSION_8;
}

/* run_uuid_fits: is that a number that a run can have? */
bool
run_uuid_fits(int64 run_id)
{
	return run_id > 0 && (uint64) run_id >> RUN_ID_BITS == 0;
}

/*
 * run_uuid_make: the uuid of a run, palloc'd.  Raises 22023 for a number that
 * no run can have.  May write: the row of the installation is made when it is
 * not there yet.
 */
pg_uuid_t *
run_uuid_make(int64 run_id)
{
	pg_uuid_t  *uuid = palloc(sizeof(pg_uuid_t));
	InstanceKeys keys;

	if (!run_uuid_fits(run_id))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("run_id is out of range")));
	(void) instance_keys(&keys, true);
	put_half(uuid, 0, first_half(&keys));
	put_half(uuid, 8, VARIANT | (uint64) run_id);
	return uuid;
}

/*
 * run_uuid_read: the run of a uuid, whether there is one or not; false when the
 * uuid is none that this installation has made.
 */
bool
run_uuid_read(const pg_uuid_t *uuid, int64 *run_id)
{
	InstanceKeys keys;
	uint64		second = get_half(uuid, 8);

	if (!instance_keys(&keys, false) ||
		get_half(uuid, 0) != first_half(&keys) ||
		(second & VARIANT_MASK) != VARIANT)
		return false;
	*run_id = (int64) (second & ~VARIANT_MASK);
	return *run_id != 0;		/* which run_uuid_make() refuses */
}
