// A worker in Go, with pgx: worker QUEUE. One task at a time; connects as the environment (PGHOST ...) says.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"log"
	"os"
	"os/signal"
	"strconv"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"
)

var all = context.Background()
var stopping, _ = signal.NotifyContext(all, syscall.SIGTERM)
var pool, _ = pgxpool.New(all, "")
var repeat = map[string]bool{"08": true, "40": true, "53": true, "57": true} // SQLSTATEs: connection, conflict, resources, shutdown

const poll = `SELECT task_token::text, activity_type, input, heartbeat_details,
	least(10, extract(epoch FROM heartbeat_timeout) / 2)::float8 FROM taskq.poll($1)`
const beat = `CASE WHEN cancel_requested THEN 'cancel' WHEN activity_paused OR activity_reset THEN 'stop' ELSE 'go on' END
	FROM taskq.heartbeat($1, $2)`

type task struct {
	token, kind   string
	input, before []byte       // JSON, as is the progress of the attempt before
	details       atomic.Value // and of this one
	pause         float64
}

// Activities end as soon as they can when their context does.
var activities = map[string]func(ctx context.Context, t *task) (any, error){"count": count, "decode": decode}

func count(ctx context.Context, t *task) (any, error) {
	var n, i int
	json.Unmarshal(t.before, &i)
	err := json.Unmarshal(t.input, &n)
	for ; i < n && ctx.Err() == nil; i++ {
		t.details.Store([]byte(strconv.Itoa(i)))
		time.Sleep(100 * time.Millisecond)
	}
	return n, errors.Join(err, ctx.Err())
}

func decode(ctx context.Context, t *task) (any, error) {
	var text []byte // base64, in JSON
	err := json.Unmarshal(t.input, &text)
	return string(text), err
}

func code(err error) string {
	var e *pgconn.PgError
	if errors.As(err, &e) {
		return e.Code
	}
	return "08000" // lost, or not connected
}

// call does it again, over a new connection, until it is done or cannot be.
func call(f func(c *pgxpool.Conn) error) error {
	for tries := 0; ; tries++ {
		err := pool.AcquireFunc(all, f)
		if err == nil || err == pgx.ErrNoRows || !repeat[code(err)[:2]] || stopping.Err() != nil && tries > 6 {
			return err
		}
		log.Print("trying again: ", err)
		time.Sleep(100 * time.Millisecond << min(tries, 7))
	}
}

// say calls a function of taskq for the task, and gets its answer as text.
func (t *task) say(sql string, values ...any) (answer string, err error) {
	return answer, call(func(c *pgxpool.Conn) error {
		return c.QueryRow(all, "SELECT "+sql, append([]any{t.token}, values...)...).Scan(&answer)
	})
}

func (t *task) take(c *pgxpool.Conn) error {
	if t.token != "" { // the connection went, with COMMIT perhaps: then this is TQ001
		_, err := c.Exec(all, "SELECT taskq.heartbeat($1, $2)", t.token, t.before)
		return err
	} else if _, err := c.Exec(all, "CALL taskq.wait_for_task($1, '5 s')", os.Args[1]); err != nil {
		return err
	}
	return pgx.BeginFunc(all, c, func(tx pgx.Tx) error { // goes before COMMIT: nothing was taken
		return tx.QueryRow(all, poll, os.Args[1]).Scan(&t.token, &t.kind, &t.input, &t.before, &t.pause)
	})
}

// beat heartbeats until it is over, and tells the activity what it hears.
func (t *task) beat(stop context.CancelCauseFunc, over chan bool) {
	for {
		select {
		case <-time.After(time.Duration(t.pause * float64(time.Second))):
			if heard, err := t.say(beat, t.details.Load()); err != nil || heard != "go on" {
				stop(errors.Join(err, errors.New(heard))) // TQ001, for example: the attempt is over
			}
		case <-over:
			return
		}
	}
}

func (t *task) work() error {
	ctx, stop := context.WithCancelCause(stopping)
	over := make(chan bool)
	t.details.Store(t.before)
	go t.beat(stop, over)
	var result any
	err := errors.New("this worker has no such activity type")
	if activity, known := activities[t.kind]; known {
		result, err = activity(ctx, t)
	}
	over <- true
	text, invalid := json.Marshal(result)
	switch details := t.details.Load(); {
	case err == nil && invalid == nil:
		_, err = t.say("taskq.complete($1, $2)::text", text)
	case ctx.Err() == nil:
		_, err = t.say("taskq.fail($1, $2, last_heartbeat_details => $3)::text", errors.Join(err, invalid).Error(), details)
	case context.Cause(ctx).Error() == "cancel":
		_, err = t.say("taskq.report_canceled($1, $2)::text", details)
	default:
		_, err = t.say("taskq.release($1, NULL, $2)::text", details)
	}
	if code(err)[:2] == "22" { // no JSON, or \u0000 in it: it would be so again
		_, err = t.say("taskq.fail($1, $2, 'InvalidOutput', non_retryable => true)::text", err.Error())
	}
	return err
}

func main() {
	for stopping.Err() == nil {
		var t task
		err := call(t.take)
		if err == nil {
			err = t.work()
		}
		if code(err) == "TQ001" {
			log.Print("not ours any more: ", err)
		} else if err != nil && err != pgx.ErrNoRows {
			log.Fatal(err)
		}
	}
}
