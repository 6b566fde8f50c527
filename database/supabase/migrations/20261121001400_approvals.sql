-- Questions to people that steps of runs wait for. A step that waits has the status `waiting`, and so has its run, which no worker
-- holds meanwhile; a decision puts the run back into the queue.

-- A superset of what held before, so no row need be looked at.
alter table run_steps drop constraint run_steps_status_check,
  add constraint run_steps_status_check check (status in
    ('running', 'waiting', 'completed', 'empty', 'failed', 'unknown', 'skipped', 'cancelled')) not valid;

create table approvals (
  id uuid primary key,
  campaign_id uuid not null,
  run_id uuid not null,
  step_name text not null,
  plan_id uuid,
  kind text not null,
  title text not null,
  summary text not null,
  subject jsonb not null,
  context jsonb not null default '{}',
  groups jsonb not null default '[]',
  requested_by text,
  allow_self boolean not null default false,
  state text not null default 'pending' check (state in ('pending', 'approved', 'rejected', 'expired', 'withdrawn')),
  on_expiry text not null default 'rejected' check (on_expiry in ('approved', 'rejected')),
  created_at timestamptz not null,
  expires_at timestamptz not null,
  remind_at timestamptz,
  reminders integer not null default 0,
  decided_at timestamptz,
  decided_by text,
  reason text,
  edited_subject jsonb,
  diff jsonb,
  applied_at timestamptz
);
create index approvals_list on approvals (state, id desc);
create index approvals_run on approvals (run_id);
create index approvals_plan on approvals (plan_id, id desc) where plan_id is not null;
create index approvals_expiry on approvals (expires_at) where state = 'pending';
create index approvals_reminders on approvals (remind_at) where state = 'pending' and remind_at is not null;
create index approvals_unapplied on approvals (run_id) where state in ('approved', 'rejected', 'expired') and applied_at is null;
create index approvals_age on approvals (decided_at) where state <> 'pending';

-- As before, but for a step that waits for people: it is shown as running, whose last attempt has ended. A worker of the version
-- before, which knows of no waiting, would else take it for done and go on without the answer; so it fails the step.
create or replace function claim_runs(p_run_ids jsonb, p_worker text, p_now timestamptz, p_lease_ms bigint) returns json
language plpgsql set search_path = public, pg_temp set enable_seqscan = off set enable_hashjoin = off
set enable_mergejoin = off as $$
declare
  v_ids uuid[] := array(select value::uuid from jsonb_array_elements_text(p_run_ids));
  v_answer json;
begin
  perform 1 from campaign_runs where id = any (v_ids) order by id for no key update;
  with taken as (
    update campaign_runs r set status = 'running', epoch = r.epoch + 1, claimed_by = p_worker,
      started_at = coalesce(r.started_at, p_now), lease_until_at = p_now + p_lease_ms * interval '1 millisecond',
      event_seq = 1 + case when r.epoch = 0 then r.event_seq
        else greatest(r.event_seq, (select max(e.seq) from run_events e where e.run_id = r.id)) end
    where r.id = any (v_ids)
      -- Written so that no index on the status fits.
      and (r.status || '' = 'queued' or (r.status || '' = 'running' and coalesce(r.lease_until_at, p_now) <= p_now))
      and not (r.waits_for_earlier and r.status || '' = 'queued' and exists (
        select 1 from campaign_runs o where o.campaign_id = r.campaign_id and o.id < r.id
          and o.status in ('queued', 'running', 'waiting')))
    returning r.*
  ), told as (
    insert into run_events (run_id, seq, type, occurred_at, data)
    select t.id, t.event_seq, case when t.epoch > 1 then 'run.resumed' else 'run.started' end, p_now,
      case when t.epoch > 1 then jsonb_build_object('epoch', t.epoch)
        else jsonb_build_object('trigger', t.trigger, 'steps', t.steps_total) end
    from taken t
  )
  select json_agg(json_build_object(
      'run', row_to_json(t),
      'steps', case when t.epoch = 1 and t.retry_of is null then '[]' else coalesce(
        (select json_agg(case s.status when 'waiting' then (to_jsonb(s) || '{"status": "running"}')::json else row_to_json(s) end
          order by s.position) from run_steps s where s.run_id = t.id), '[]') end,
      'campaign', (select json_build_object('version', c.version, 'timezone', c.schedule_timezone,
        'budget', coalesce(c.config -> 'budget', '{}')) from campaigns c where c.id = t.campaign_id),
      'history', case when exists (select from budget_entries e where e.campaign_id = t.campaign_id
          and e.state = 'settled' and e.spent_micros > 0 and not e.cost_unknown)
        then step_history(t.campaign_id, t.definition) else '{}' end))
    into v_answer
    from taken t;
  return coalesce(v_answer, '[]');
end $$;

-- Asks, unless it has been asked already, and returns the row as it stands, with `asked`: whether it was asked just now. Then the
-- messages to people go into the outbox with it. An answer that is there counts as given to the step.
create function ask_approval(p_approval jsonb, p_messages jsonb, p_at timestamptz) returns jsonb
language plpgsql set search_path = public, pg_temp as $$
declare
  a approvals;
  v_asked boolean;
begin
  insert into approvals (id, campaign_id, run_id, step_name, plan_id, kind, title, summary, subject, context, groups, requested_by,
    allow_self, on_expiry, created_at, expires_at, remind_at)
  select n.id, n.campaign_id, n.run_id, n.step_name, n.plan_id, n.kind, n.title, n.summary, n.subject, n.context, n.groups,
    n.requested_by, n.allow_self, n.on_expiry, n.created_at, n.expires_at, n.remind_at
  from jsonb_populate_record(null::approvals, p_approval) n
  on conflict (id) do nothing;
  v_asked := found;
  if v_asked then
    perform outbox_put(p_messages, p_at);
  else
    update approvals set applied_at = p_at
    where id = (p_approval ->> 'id')::uuid and state <> 'pending' and applied_at is null;
  end if;
  select * into a from approvals where id = (p_approval ->> 'id')::uuid;
  return to_jsonb(a) || jsonb_build_object('asked', v_asked);
end $$;

-- Puts a run that waits for people back into the queue, with an event. It will ask again, and hear every answer that is there by
-- now, so none of them wakes it once more. The run is locked by the caller.
create function resume_after_approval(p_run_id uuid, p_at timestamptz, p_data jsonb) returns boolean
language plpgsql set search_path = public, pg_temp as $$
declare
  v_seq integer;
begin
  update campaign_runs set status = 'queued', status_reason = null, waits_for_earlier = false, event_seq = event_seq + 1
  where id = p_run_id and status = 'waiting'
    and exists (select from run_steps s where s.run_id = p_run_id and s.status = 'waiting')
  returning event_seq into v_seq;
  if not found then
    return false;
  end if;
  update approvals set applied_at = p_at
  where run_id = p_run_id and state in ('approved', 'rejected', 'expired') and applied_at is null;
  insert into run_events (run_id, seq, type, occurred_at, data)
  values (p_run_id, v_seq, 'approval.decided', p_at, p_data);
  return true;
end $$;

-- A person's decision. Returns {found, state, resumed, decided_by}: state is `decided`, or what it was before, and then nothing
-- was changed. p_state is approved or rejected.
create function decide_approval(p_id uuid, p_state text, p_by text, p_reason text, p_edited jsonb, p_diff jsonb,
  p_at timestamptz) returns jsonb
language plpgsql set search_path = public, pg_temp as $$
declare
  a approvals;
  v_run_status text;
  v_resumed boolean;
begin
  select * into a from approvals where id = p_id;
  if not found then
    return jsonb_build_object('found', false);
  end if;
  -- Runs come before approvals wherever both are locked.
  select status into v_run_status from campaign_runs where id = a.run_id and cancel_requested_at is null for no key update;
  select * into a from approvals where id = p_id for update;
  if a.state <> 'pending' then
    return jsonb_build_object('found', true, 'state', a.state, 'decided_by', a.decided_by);
  end if;
  if v_run_status is null or v_run_status not in ('queued', 'running', 'waiting') then
    update approvals set state = 'withdrawn', remind_at = null, decided_at = p_at, applied_at = p_at where id = p_id;
    return jsonb_build_object('found', true, 'state', 'withdrawn');
  end if;
  if a.expires_at <= p_at then
    return jsonb_build_object('found', true, 'state', 'expired');
  end if;
  update approvals set state = p_state, decided_at = p_at, decided_by = p_by, reason = p_reason, edited_subject = p_edited,
    diff = p_diff, remind_at = null where id = p_id;
  v_resumed := resume_after_approval(a.run_id, p_at, jsonb_build_object('approvalId', p_id, 'step', a.step_name,
    'decision', p_state, 'by', p_by, 'reason', p_reason, 'edited', p_edited is not null));
  return jsonb_build_object('found', true, 'state', 'decided', 'resumed', v_resumed, 'run_id', a.run_id);
end $$;

-- Of the runs given, which the caller has locked: decides what nobody has decided in time, as the approval says. Returns
-- [{id, run_id, campaign_id, step, state, resumed}].
create function expire_approvals(p_run_ids uuid[], p_at timestamptz) returns jsonb
language plpgsql set search_path = public, pg_temp as $$
declare
  a approvals;
  v_resumed boolean;
  v_done jsonb := '[]';
begin
  for a in
    update approvals set state = case on_expiry when 'approved' then 'approved' else 'expired' end, decided_at = p_at,
      reason = 'nobody decided in time', remind_at = null
    where run_id = any (p_run_ids) and state = 'pending' and expires_at <= p_at returning *
  loop
    v_resumed := resume_after_approval(a.run_id, p_at, jsonb_build_object('approvalId', a.id, 'step', a.step_name,
      'decision', a.state, 'by', null, 'reason', a.reason, 'edited', false));
    v_done := v_done || jsonb_build_object('id', a.id, 'run_id', a.run_id, 'campaign_id', a.campaign_id, 'step', a.step_name,
      'state', a.state, 'resumed', v_resumed);
  end loop;
  return v_done;
end $$;

-- Of the runs given, which the caller has locked: those that wait for an answer that is there, because it came before the run had
-- begun to wait, go on. Returns their ids.
create function resume_decided_runs(p_run_ids uuid[], p_at timestamptz) returns jsonb
language plpgsql set search_path = public, pg_temp as $$
declare
  a approvals;
  v_ids jsonb := '[]';
begin
  for a in
    select distinct on (p.run_id) p.* from approvals p
    where p.run_id = any (p_run_ids) and p.state in ('approved', 'rejected', 'expired') and p.applied_at is null
    order by p.run_id, p.decided_at
  loop
    if resume_after_approval(a.run_id, p_at, jsonb_build_object('approvalId', a.id, 'step', a.step_name,
      'decision', a.state, 'by', a.decided_by, 'reason', a.reason, 'edited', a.edited_subject is not null)) then
      v_ids := v_ids || to_jsonb(a.run_id);
    end if;
  end loop;
  return v_ids;
end $$;

-- Questions and answers that nobody waits for any more, since their run has ended.
create function withdraw_approvals(p_at timestamptz, p_limit integer) returns void
language sql set search_path = public, pg_temp as $$
  with over as (
    select a.id from approvals a left join campaign_runs r on r.id = a.run_id
    where (a.state = 'pending' or (a.state in ('approved', 'rejected', 'expired') and a.applied_at is null))
      and (r.id is null or r.status not in ('queued', 'running', 'waiting'))
    limit p_limit for update of a skip locked
  )
  update approvals a set applied_at = p_at, remind_at = null, decided_at = coalesce(a.decided_at, p_at),
    state = case a.state when 'pending' then 'withdrawn' else a.state end
  from over where a.id = over.id
$$;

-- One look at everything: {expired: as expire_approvals, resumed: as resume_decided_runs, due: ids of those of which people are to
-- be reminded}.
create function tend_approvals(p_at timestamptz, p_limit integer) returns jsonb
language plpgsql set search_path = public, pg_temp as $$
declare
  v_runs uuid[];
  v_expired jsonb;
  v_resumed jsonb;
begin
  if not exists (select from approvals where state = 'pending')
    and not exists (select from approvals where state in ('approved', 'rejected', 'expired') and applied_at is null) then
    return jsonb_build_object('expired', '[]'::jsonb, 'resumed', '[]'::jsonb, 'due', '[]'::jsonb);
  end if;
  perform withdraw_approvals(p_at, p_limit);
  v_runs := array(
    (select run_id from approvals where state = 'pending' and expires_at <= p_at order by expires_at limit p_limit)
    union
    (select a.run_id from approvals a join campaign_runs r on r.id = a.run_id
      where a.state in ('approved', 'rejected', 'expired') and a.applied_at is null and r.status = 'waiting'
        and exists (select from run_steps s where s.run_id = r.id and s.status = 'waiting')
      order by a.decided_at limit p_limit));
  -- Runs come before approvals wherever both are locked, and by id.
  perform 1 from campaign_runs where id = any (v_runs) order by id for no key update;
  v_expired := expire_approvals(v_runs, p_at);
  v_resumed := resume_decided_runs(v_runs, p_at);
  return jsonb_build_object('expired', v_expired, 'resumed', v_resumed, 'due', coalesce((
    select jsonb_agg(d.id) from (
      select id from approvals where state = 'pending' and remind_at <= p_at order by remind_at limit p_limit) d), '[]'));
end $$;

-- Puts the messages of a reminder into the outbox and sets the next one, unless it is answered, or has been reminded of since
-- p_reminders was read: the first comes at half of the time, the second and last at nine tenths. Returns whether it did.
create function remind_approval(p_id uuid, p_reminders integer, p_messages jsonb, p_at timestamptz) returns boolean
language plpgsql set search_path = public, pg_temp as $$
begin
  update approvals a set reminders = a.reminders + 1,
    remind_at = case when a.reminders = 0 and a.created_at + 0.9 * (a.expires_at - a.created_at) > p_at
      then a.created_at + 0.9 * (a.expires_at - a.created_at) end
  where a.id = p_id and a.state = 'pending' and a.reminders = p_reminders and a.remind_at <= p_at;
  if not found then
    return false;
  end if;
  perform outbox_put(p_messages, p_at);
  return true;
end $$;

-- Answered approvals that are as old as p_before and whose run has gone; as the other functions of retention.
create function prune_approvals(p_before timestamptz, p_limit integer) returns integer
language plpgsql set search_path = public, pg_temp set enable_seqscan = off set enable_hashjoin = off
set enable_mergejoin = off as $$
declare
  v_gone integer;
begin
  with old as (
    select a.id from approvals a
    where a.decided_at < p_before and a.state <> 'pending'
      and (select true from campaign_runs r where r.id = a.run_id) is null
    order by a.decided_at limit p_limit for update skip locked
  )
  delete from approvals a using old where a.id = old.id;
  get diagnostics v_gone = row_count;
  return nullif(v_gone, 0);
end $$;

-- As before; a step that waits for a person is cancelled too, and nobody is asked any more.
create or replace function cancel_run(p_run_id uuid, p_reason text, p_at timestamptz) returns jsonb
language plpgsql set search_path = public, pg_temp as $$
declare
  r campaign_runs;
begin
  perform 1 from campaigns where id = (select campaign_id from campaign_runs where id = p_run_id) for no key update;
  select * into r from campaign_runs where id = p_run_id for no key update;
  if not found then
    return jsonb_build_object('found', false);
  end if;
  if r.status in ('queued', 'waiting', 'running') then
    update campaign_runs set cancel_requested_at = coalesce(cancel_requested_at, p_at),
      cancel_reason = coalesce(cancel_reason, p_reason) where id = r.id;
  end if;
  if r.status in ('queued', 'waiting') then
    update run_steps set status = 'cancelled', completed_at = p_at where run_id = r.id and status in ('running', 'waiting');
    update approvals set state = 'withdrawn', remind_at = null, decided_at = p_at, applied_at = p_at
    where run_id = r.id and state = 'pending';
    perform journal_commit(jsonb_build_array(jsonb_build_object('run_id', r.id, 'epoch', r.epoch, 'at', p_at,
      'run', jsonb_build_object('status', 'cancelled', 'status_reason', coalesce(r.cancel_reason, p_reason)),
      'events', jsonb_build_array(jsonb_build_object('type', 'run.finished',
        'data', jsonb_build_object('status', 'cancelled', 'reason', coalesce(r.cancel_reason, p_reason)))))));
    return jsonb_build_object('found', true, 'status', 'cancelled');
  end if;
  return jsonb_build_object('found', true, 'status', r.status);
end $$;

alter table approvals enable row level security;
do $$
declare
  f regprocedure;
begin
  if exists (select from pg_roles where rolname = 'service_role') then
    revoke all on table approvals from public, anon, authenticated;
    grant select, insert, update, delete on table approvals to service_role;
  end if;
  for f in
    select p.oid::regprocedure from pg_proc p join pg_namespace n on n.oid = p.pronamespace
    where n.nspname = 'public' and p.proname in ('ask_approval', 'resume_after_approval', 'decide_approval',
      'expire_approvals', 'resume_decided_runs', 'remind_approval', 'withdraw_approvals', 'tend_approvals', 'prune_approvals')
  loop
    execute format('revoke all on function %s from public', f);
    if exists (select from pg_roles where rolname = 'service_role') then
      execute format('revoke all on function %s from anon, authenticated', f);
      execute format('grant execute on function %s to service_role', f);
    end if;
  end loop;
end $$;
