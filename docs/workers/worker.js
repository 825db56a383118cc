// A worker in JavaScript for Node, with pg: node worker.js QUEUE [AT_A_TIME]. Connects as the environment (PGHOST ...) says.
const { setTimeout: sleep } = require('timers/promises')
const { Client } = require('pg')

const IDENTITY = `${process.pid}@${require('os').hostname()}`
const REPEAT = /^(08|40|53|57)/ // classes of SQLSTATEs: connection, conflict, resources, shutdown
const POLL = `SELECT *, heartbeat_details::text AS details, least(10, extract(epoch FROM heartbeat_timeout) / 2)::float8 AS pause
                FROM taskq.poll($1, $2)`
let stopping = false
class Stop extends Error {}

// Activities: functions of the input and of the attempt, to which they tell their progress. They must not block for long.
const activities = {
  async count(n, attempt) {
    for (let i = attempt.heartbeat_details ?? 0; i < n; i++, await sleep(100)) attempt.progress(i)
    return n
  },
  async decode(text) { return Buffer.from(text, 'base64').toString() },
}

async function connect() {
  const client = new Client().on('error', () => {}) // lost while idle: the next query will say so
  await client.connect()
  return client
}

class Worker { // one task at a time, over one connection
  async call(sql, ...values) { // again, over a new connection, until it is done or cannot be
    for (let tries = 0; ; tries++) {
      const connection = this.connection ??= connect()
      try {
        return (await (await connection).query(sql, values)).rows[0]
      } catch (error) { // without a severity it is one of the socket or of pg
        if ((error.severity && !REPEAT.test(error.code)) || (stopping && tries > 6)) throw error
        console.error('trying again:', error.message || error.code)
        if (this.connection === connection) this.connection = null
        connection.then((client) => client.end()).catch(() => {})
      }
      await sleep(100 * 2 ** Math.min(tries, 7) * (0.5 + Math.random() / 2))
    }
  }

  async poll(queue) {
    await this.call("CALL taskq.wait_for_task($1, '5 s')", queue)
    const connection = this.connection
    await this.call('BEGIN') // if the connection goes before COMMIT, nothing was taken
    const task = await this.call(POLL, queue, IDENTITY)
    await this.call('COMMIT')
    if (task && this.connection !== connection) // it went with it, perhaps: then this is TQ001
      await this.call('SELECT taskq.heartbeat($1, $2)', task.task_token, task.details)
    return task
  }

  async beat(attempt, over) {
    while (await sleep(1000 * attempt.pause, true, { signal: over }).catch(() => false)) {
      await this.call('SELECT * FROM taskq.heartbeat($1, $2, $3)', attempt.task_token, attempt.details, IDENTITY).then(
        (flags) => { const flag = Object.keys(flags).find((name) => flags[name]); attempt.stop = flag && new Stop(flag) },
        (error) => { attempt.stop = error }) // such as TQ001: the attempt is over
    }
  }

  async work(task) {
    const over = new AbortController()
    const attempt = { ...task, progress(details) { // throws if the activity is to stop
      this.details = JSON.stringify(details)
      if (this.stop || stopping) throw this.stop ?? new Stop('shutdown')
    } }
    const heart = this.beat(attempt, over.signal)
    let report
    try {
      if (!Object.hasOwn(activities, task.activity_type)) throw new Error('this worker has no such activity type')
      report = ['complete($1, $2)', JSON.stringify(await activities[task.activity_type](task.input, attempt))]
    } catch (error) {
      if (!(error instanceof Stop)) report = ['fail($1, $3, $4, last_heartbeat_details => $2)', attempt.details, `${error.message}`, error.name]
      else report = [error.message === 'cancel_requested' ? 'report_canceled($1, $2)' : 'release($1, NULL, $2)', attempt.details]
    }
    await (over.abort(), heart)
    await this.call('SELECT taskq.' + report[0], task.task_token, ...report.slice(1)).catch((error) => {
      if (!error.code?.startsWith('22')) throw error // else it has \u0000 or is no JSON, and would again
      return this.call("SELECT taskq.fail($1, $2, 'InvalidOutput', non_retryable => true)", task.task_token, error.message)
    })
  }

  async run(queue) {
    while (!stopping) {
      try {
        const task = await this.poll(queue)
        if (task) await this.work(task)
      } catch (error) {
        if (error.code !== 'TQ001') throw error // nothing that a worker could help: the end
        console.error('not ours any more:', error.message)
      }
    }
    (await this.connection)?.end()
  }
}

process.once('SIGTERM', () => { stopping = true })
for (let i = 0; i < (process.argv[3] ?? 1); i++) new Worker().run(process.argv[2])
