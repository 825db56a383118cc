#!/usr/bin/env python3
"""A worker in Python, with psycopg 3: worker.py QUEUE. Connects as the environment (PGHOST ...) says."""
import base64, itertools, json, os, random, signal, socket, sys, threading, time
import psycopg

IDENTITY = f"{os.getpid()}@{socket.gethostname()}"
REPEAT = ("08", "40", "53", "57")  # classes of SQLSTATEs: connection, conflict, resources, shutdown
POLL = """SELECT *, heartbeat_details::text AS details, least(10, extract(epoch FROM heartbeat_timeout) / 2)::float8 AS pause
            FROM taskq.poll(%s, %s)"""

# Activities are functions of the input and of the worker, whom they tell their progress.
def count(n, worker):
    for i in range(worker.checkpoint or 0, n):
        worker.progress(i)
        time.sleep(0.1)
    return n

def decode(text, worker):
    return base64.b64decode(text).decode()

def unknown(input, worker):
    raise LookupError("this worker has no such activity type")

ACTIVITIES = {"count": count, "decode": decode}
class Stop(BaseException): pass  # not an Exception, so that activities do not catch it by accident

class Worker:  # one task at a time, over one connection: start as many processes as you like
    conn, lock, stopping = None, threading.Lock(), False

    def call(self, sql, *args):  # again, over a new connection, until it is done or cannot be
        for tries in itertools.count():
            try:
                with self.lock:  # the work and its heartbeats take turns
                    if self.conn is None or self.conn.closed:
                        self.conn = psycopg.connect(autocommit=True, row_factory=psycopg.rows.dict_row)
                    cursor = self.conn.execute(sql, args)
                    return cursor.fetchone() if cursor.description else None
            except psycopg.Error as error:
                lost = isinstance(error, psycopg.OperationalError) and not error.sqlstate
                if not lost and (error.sqlstate or "")[:2] not in REPEAT or self.stopping and tries > 6:
                    raise
                print("trying again:", error, file=sys.stderr)
                self.conn and self.conn.close()
            time.sleep(0.1 * 2 ** min(tries, 7) * random.uniform(0.5, 1))

    def poll(self, queue):
        self.call("CALL taskq.wait_for_task(%s, '5 s')", queue)
        conn = self.conn
        self.call("BEGIN")  # if the connection goes before COMMIT, nothing was taken
        task = self.call(POLL, queue, IDENTITY)
        self.call("COMMIT")
        if task and self.conn is not conn:  # it went with it, perhaps: then this is TQ001
            self.call("SELECT taskq.heartbeat(%s, %s)", task["task_token"], task["details"])
        return task

    def progress(self, details):  # for activities to call; raises if they are to stop
        self.details = json.dumps(details)
        if self.stop or self.stopping:
            raise self.stop or Stop("shutdown")

    def beat(self, task, over):
        while not over.wait(task["pause"]):
            try:
                flags = self.call("SELECT * FROM taskq.heartbeat(%s, %s, %s)", task["task_token"], self.details, IDENTITY)
                self.stop = next((Stop(flag) for flag in flags if flags[flag]), None)
            except psycopg.Error as error:  # such as TQ001: the attempt is over
                self.stop = error

    def work(self, task):
        self.checkpoint, self.details, self.stop, over = task["heartbeat_details"], task["details"], None, threading.Event()
        heart = threading.Thread(target=self.beat, args=(task, over))
        heart.start()
        try:
            result = ACTIVITIES.get(task["activity_type"], unknown)(task["input"], self)
            report = "complete(%s, %s)", None if result is None else json.dumps(result)
        except Stop as stop:
            report = "report_canceled(%s, %s)" if str(stop) == "cancel_requested" else "release(%s, NULL, %s)", self.details
        except Exception as error:
            report = "fail(%s, %s, %s, last_heartbeat_details => %s)", str(error), type(error).__name__, self.details
        over.set()
        heart.join()
        try:
            self.call("SELECT taskq." + report[0], task["task_token"], *report[1:])
        except (psycopg.DataError, UnicodeError) as error:  # no JSON, or \u0000 in it: it would be so again
            self.call("SELECT taskq.fail(%s, %s, 'InvalidOutput', non_retryable => true)", task["task_token"], str(error))

    def run(self, queue):
        while not self.stopping:
            try:
                if task := self.poll(queue):
                    self.work(task)
            except psycopg.Error as error:
                if error.sqlstate != "TQ001":  # nothing that a worker could help: the end
                    raise
                print("not ours any more:", error, file=sys.stderr)

worker = Worker()
signal.signal(signal.SIGTERM, lambda *_: setattr(worker, "stopping", True))
worker.run(sys.argv[1])
