// A worker in Go, with pgx: worker QUEUE. One task at a time; connects as the environment (PGHOST ...) says.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log"
	"os"
	"os/signal"
	"strings"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"
)

const poll = `SELECT task_token::text, activity_type, coalesce(input, 'null'),
	coalesce(heartbeat_details, 'null'), least(heartbeat_timeout / 2, '10 s') FROM taskq.poll($1)`
const heartbeat = `SELECT cancel_requested OR activity_paused OR activity_reset FROM taskq.heartbeat($1, nullif($2::jsonb, 'null'))`
const report = `SELECT CASE WHEN $2 THEN taskq.complete($1, $3)::text
	WHEN NOT $4 THEN taskq.fail($1, $5, last_heartbeat_details => details)::text
	WHEN (SELECT cancel_requested FROM taskq.heartbeat($1, details)) THEN taskq.report_canceled($1, details)::text
	ELSE taskq.release($1, NULL, details)::text END FROM nullif($6::jsonb, 'null') AS details`

var stopping, _ = signal.NotifyContext(context.Background(), syscall.SIGTERM)
var pool, _ = pgxpool.New(context.Background(), "")

// run does an activity; to end soon when ctx does. The progress begins as the last attempt left it. All is JSON.
func run(ctx context.Context, kind, input string, progress *atomic.Value) (any, error) {
	switch kind {
	case "count":
		var n, i int
		err := errors.Join(json.Unmarshal([]byte(input), &n), json.Unmarshal([]byte(progress.Load().(string)), &i))
		for ; i < n && err == nil && ctx.Err() == nil; i++ {
			progress.Store(fmt.Sprint(i))
			time.Sleep(100 * time.Millisecond)
		}
		return input, errors.Join(err, ctx.Err())
	case "decode":
		var text []byte // base64, in JSON
		json.Unmarshal([]byte(input), &text)
		return json.Marshal(string(text))
	}
	return nil, errors.New("this worker has no such activity type")
}

// call returns the answer, or how it is refused. No connection, conflict, overload, shutdown: it does it again.
func call(sql string, values ...any) (answer any) {
	var e *pgconn.PgError
	for n := 0; ; n++ {
		err := pool.QueryRow(context.Background(), sql, values...).Scan(&answer)
		if err == nil {
			return answer
		} else if n > 6 && stopping.Err() != nil || errors.As(err, &e) && !strings.Contains("40 53 57", e.Code[:2]) {
			return err
		}
		log.Print("trying again: ", err)
		time.Sleep(100 * time.Millisecond << min(n, 7))
	}
}

func main() {
	for stopping.Err() == nil {
		var token, kind, input, before string
		var pause time.Duration
		var progress, over atomic.Value
		lost := pgx.BeginFunc(stopping, pool, func(tx pgx.Tx) error { // it has been read before COMMIT
			return tx.QueryRow(stopping, poll, os.Args[1]).Scan(&token, &kind, &input, &before, &pause)
		})
		if token == "" || lost != nil && call(heartbeat, token, before) != false {
			if err, refused := call("CALL taskq.wait_for_task($1, '5 s')", os.Args[1]).(error); refused {
				log.Fatal(err)
			} else if lost != pgx.ErrNoRows {
				time.Sleep(time.Second)
			}
			continue
		}
		progress.Store(before)
		ctx, stop := context.WithCancel(stopping)
		go func() { // heartbeats, until the activity is over or has to stop
			for time.Sleep(pause); over.Load() == nil && call(heartbeat, token, progress.Load()) == false; {
				time.Sleep(pause)
			}
			stop()
		}()
		result, err := run(ctx, kind, input, &progress)
		answer := call(report, token, err == nil, result, ctx.Err() != nil, fmt.Sprint(err), progress.Load())
		over.Store(true)
		if err, refused := answer.(error); refused { // TQ001: not ours any more. Or no JSON: it would be so again
			log.Print(err)
			call("SELECT taskq.fail($1, $2, 'InvalidOutput', non_retryable => true)::text", token, err.Error())
		}
	}
}
