// graphile-worker, as fast as its documentation says it can be made: a local
// queue and batched completion, https://worker.graphile.org/docs/performance
import { Logger, makeWorkerUtils, run } from 'graphile-worker';
import { connection, main, payload } from './common.mjs';
import pg from 'pg';

const logger = new Logger(() => () => {});
const perCall = 1000;
let pool, utils;

async function open() {
  pool = new pg.Pool({ ...connection, max: 25 });
  utils = await makeWorkerUtils({ preset: { worker: { pgPool: pool, logger } } });
}

await main({
  setup: {
    prepare: open,
    run: () => utils.migrate(),
  },

  // add_jobs, 1,000 per call
  fill: {
    prepare: open,
    async run(n) {
      const jobs = Array.from({ length: perCall }, () => ({ identifier: 'email.send', payload }));

      for (let i = 0; i < n; i += perCall) {
        await utils.addJobs(jobs);
      }
    },
  },

  drain: {
    prepare: open,
    async run(n) {
      let left = n;
      let none;
      const noneLeft = new Promise((resolve) => (none = resolve));
      const runner = await run({
        preset: {
          worker: {
            pgPool: pool,
            logger,
            concurrentJobs: 24,
            maxPoolSize: 25,
            localQueue: { size: 500 },
            completeJobBatchDelay: 0,
            failJobBatchDelay: 0,
          },
        },
        noHandleSignals: true,
        taskList: {
          'email.send': async () => {
            if (--left === 0) none();
          },
        },
      });

      await noneLeft;
      await runner.stop();
    },
  },
});
