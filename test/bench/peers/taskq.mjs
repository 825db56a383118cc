// taskq by the same driver as the peers: schedule_many, poll and complete_many.
import { batch, connection, connections, main, payload } from './common.mjs';
import pg from 'pg';

const perCall = 1000;
let clients;

async function open() {
  clients = await Promise.all(
    Array.from({ length: connections }, async () => {
      const client = new pg.Client(connection);

      await client.connect();
      return client;
    }),
  );
}

async function work(client) {
  for (;;) {
    const { rows } = await client.query({
      name: 'poll',
      text: 'SELECT task_token, run_id, activity_type, input, attempt FROM taskq.poll($1, max_tasks => $2)',
      values: ['q', batch],
    });

    if (rows.length === 0) return;
    await client.query({
      name: 'complete',
      text: 'SELECT task_token, ok FROM taskq.complete_many($1)',
      values: [rows.map((row) => row.task_token)],
    });
  }
}

await main({
  fill: {
    prepare: open,
    async run(n) {
      const inputs = Array.from({ length: perCall }, () => payload);

      for (let i = 0; i < n; i += perCall) {
        await clients[0].query({
          name: 'schedule',
          text: "SELECT run_id FROM taskq.schedule_many($1, $2, $3, start_to_close_timeout => '30 s')",
          values: ['q', 'email.send', inputs],
        });
      }
    },
  },

  drain: {
    prepare: open,
    run: () => Promise.all(clients.map(work)),
  },
});
