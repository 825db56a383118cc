package main

import (
	"context"
	"fmt"
	"time"

	"go.temporal.io/api/enums/v1"
	"go.temporal.io/sdk/activity"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/temporal"
)

var activities = []scenario{
	{"saa_hello", hello},
	{"saa_fail_retry", failRetry},
	{"saa_cancel_running", cancelRunning},
	{"saa_cancel_queued", cancelQueued},
	{"saa_terminate", terminate},
	{"saa_conflict", conflict},
	{"saa_pause", pause},
}

func hello(ctx context.Context, p *probe) {
	defer p.work(func(ctx context.Context, s string) (string, error) {
		info := activity.GetInfo(ctx)
		return fmt.Sprint("hello ", s, " wf=", info.WorkflowExecution.ID, " att=", info.Attempt), nil
	})()
	handle := p.start(ctx, "saa_hello", client.StartActivityOptions{Summary: "sum"})
	p.result(ctx, handle)
	p.describe(ctx, handle)
	query := "TaskQueue = '" + p.queue + "'"
	// lists may be a little behind
	until("the count", func() bool {
		count, err := p.client.CountActivities(ctx, client.CountActivitiesOptions{Query: query})
		return err == nil && count.Count == 1
	})
	list, err := p.client.ListActivities(ctx, client.ListActivitiesOptions{Query: query})
	if err != nil {
		p.say("list: %v", err)
		return
	}
	for info, err := range list.Results {
		if err != nil {
			p.say("list: %v", err)
			break
		}
		p.say("list: %v %v %v", info.ActivityID, info.ActivityType, info.Status)
	}
	count, err := p.client.CountActivities(ctx, client.CountActivitiesOptions{Query: query})
	if err != nil {
		p.say("count err %v", err)
	} else {
		p.say("count %d", count.Count)
	}
}

func failRetry(ctx context.Context, p *probe) {
	defer p.work(func(ctx context.Context, s string) (string, error) {
		return "", fmt.Errorf("boom %d", activity.GetInfo(ctx).Attempt)
	})()
	handle := p.start(ctx, "saa_fail_retry", client.StartActivityOptions{
		RetryPolicy: &temporal.RetryPolicy{InitialInterval: 100 * time.Millisecond, MaximumAttempts: 3}})
	p.result(ctx, handle)
	p.describe(ctx, handle)
}

func cancelRunning(ctx context.Context, p *probe) {
	defer p.work(func(ctx context.Context, s string) (string, error) { return beatUntilCanceled(ctx) })()
	handle := p.start(ctx, "saa_cancel_running", client.StartActivityOptions{HeartbeatTimeout: 5 * time.Second})
	until("the start", func() bool {
		d, err := handle.Describe(ctx, client.DescribeActivityOptions{})
		return err == nil && d.RunState == enums.PENDING_ACTIVITY_STATE_STARTED
	})
	p.say("cancel: %v", handle.Cancel(ctx, client.CancelActivityOptions{Reason: "why not"}))
	p.say("cancel again: %v", handle.Cancel(ctx, client.CancelActivityOptions{Reason: "again"}))
	p.result(ctx, handle)
	p.describe(ctx, handle)
	p.say("cancel closed: %v", handle.Cancel(ctx, client.CancelActivityOptions{Reason: "late"}))
}

func cancelQueued(ctx context.Context, p *probe) {
	handle := p.start(ctx, "saa_cancel_queued", client.StartActivityOptions{})
	p.say("cancel: %v", handle.Cancel(ctx, client.CancelActivityOptions{Reason: "why not"}))
	p.result(ctx, handle)
	p.describe(ctx, handle)
}

func terminate(ctx context.Context, p *probe) {
	handle := p.start(ctx, "saa_terminate", client.StartActivityOptions{})
	p.say("terminate: %v", handle.Terminate(ctx, client.TerminateActivityOptions{Reason: "stop it"}))
	p.result(ctx, handle)
	p.describe(ctx, handle)
	p.say("terminate closed: %v", handle.Terminate(ctx, client.TerminateActivityOptions{Reason: "late"}))
}

func conflict(ctx context.Context, p *probe) {
	first := p.start(ctx, "saa_conflict", client.StartActivityOptions{})
	p.start(ctx, "saa_conflict", client.StartActivityOptions{})
	same := p.start(ctx, "saa_conflict", client.StartActivityOptions{
		ActivityIDConflictPolicy: enums.ACTIVITY_ID_CONFLICT_POLICY_USE_EXISTING})
	p.say("same %v", same != nil && same.GetRunID() == first.GetRunID())
	first.Terminate(ctx, client.TerminateActivityOptions{})
	p.start(ctx, "saa_conflict", client.StartActivityOptions{
		ActivityIDReusePolicy: enums.ACTIVITY_ID_REUSE_POLICY_REJECT_DUPLICATE})
	anew := p.start(ctx, "saa_conflict", client.StartActivityOptions{
		ActivityIDReusePolicy: enums.ACTIVITY_ID_REUSE_POLICY_ALLOW_DUPLICATE_FAILED_ONLY})
	p.say("new run %v", anew != nil && anew.GetRunID() != first.GetRunID())
	if anew != nil {
		anew.Terminate(ctx, client.TerminateActivityOptions{})
	}
}

func pause(ctx context.Context, p *probe) {
	defer p.work(func(ctx context.Context, s string) (string, error) { return "ran", nil })()
	handle := p.start(ctx, "saa_pause", client.StartActivityOptions{StartDelay: time.Second})
	p.say("unpause unpaused: %v", handle.Unpause(ctx, client.UnpauseActivityOptions{}))
	p.say("pause: %v", handle.Pause(ctx, client.PauseActivityOptions{Reason: "p"}))
	p.say("pause again: %v", handle.Pause(ctx, client.PauseActivityOptions{Reason: "p"}))
	p.describe(ctx, handle)
	// its delay passes meanwhile
	time.Sleep(1500 * time.Millisecond)
	p.describe(ctx, handle)
	p.say("unpause: %v", handle.Unpause(ctx, client.UnpauseActivityOptions{}))
	p.result(ctx, handle)
}
