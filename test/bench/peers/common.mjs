// What the programs of the peers share.  Each is called with what to do and how
// many tasks, connects as libpq would, says "ready", waits for a line, does it,
// and says "done": whoever reads that takes the time.

export const payload = {"kind": "email.send", "user_id": 48213, "to": "someone@example.com", "template": "welcome-v2", "body": "Lorem ipsum dolor sit amet, consectetur adipiscing elit, sed do eiusmod tempor incididunt ut labore et dolor"};

export const connections = 4;
export const batch = 50;

export const connection = {
  host: process.env.PGHOST,
  port: Number(process.env.PGPORT),
  user: process.env.PGUSER,
  database: process.env.PGDATABASE,
};

// To where libpq connects, as a URL for those who want one.
export const url = `postgres://${connection.user}@/${connection.database}?host=${encodeURIComponent(connection.host)}&port=${connection.port}`;

function said() {
  return new Promise((resolve) => process.stdin.once('data', resolve));
}

// Run one of the actions: { name: { prepare, run, end } }.
export async function main(actions) {
  const [name, count] = process.argv.slice(2);
  const action = actions[name];
  const n = Number(count);

  await action.prepare?.(n);
  process.stdout.write('ready\n');
  await said();
  await action.run(n);
  process.stdout.write('done\n');
  await action.end?.();
  process.exit(0);
}
