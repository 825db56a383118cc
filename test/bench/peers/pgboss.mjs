// pg-boss, by its batch interface: insert() of many, fetch() with a batch size,
// complete() of an array, a thousand each and several of them at a time: the larger
// the faster.
import { connection, connections, main, payload } from './common.mjs';
import { PgBoss } from 'pg-boss';

const perCall = 1000;
const queue = 'q';
let boss;

async function open() {
  boss = new PgBoss({ ...connection, max: connections, supervise: false, schedule: false });
  boss.on('error', (error) => {
    throw error;
  });
  await boss.start();
}

async function work() {
  for (;;) {
    const jobs = await boss.fetch(queue, { batchSize: perCall });

    if (jobs.length === 0) return;
    await boss.complete(queue, jobs.map((job) => job.id));
  }
}

await main({
  setup: {
    prepare: open,
    run: () => boss.createQueue(queue),
  },

  fill: {
    prepare: open,
    async run(n) {
      const jobs = Array.from({ length: perCall }, () => ({ data: payload }));

      for (let i = 0; i < n; i += perCall) {
        await boss.insert(queue, jobs);
      }
    },
  },

  drain: {
    prepare: open,
    run: () => Promise.all(Array.from({ length: connections }, work)),
  },
});
