-- Everything atomic beyond one row. Called by both adapters by name with named arguments.
-- Arguments and results are jsonb, lists go in and come out in the same order.
-- Rows are locked campaigns first, then runs, each by id, so that no two calls ever wait for each other; and FOR NO KEY
-- UPDATE, which lets others insert rows that refer to them (budget entries, notifications).

-- The longest line of runs that the overlap policy "queue" lets wait for one campaign.
create function max_waiting_runs() returns integer language sql immutable set search_path = public, pg_temp
  as 'select 100';

-- Puts messages into the outbox. A row may carry episode_key (alert once an episode; again only after
-- repeat_after_ms) or closes_episodes (sent only when trouble was open, which it then ends).
create function outbox_put(p_rows jsonb, p_now timestamptz) returns integer
language plpgsql set search_path = public, pg_temp as $$
declare
  m jsonb;
  v_campaign uuid;
  v_send boolean;
  v_added integer := 0;
  -- One episode's alert may go to several recipients: decided once a call, for each campaign and episode.
  v_decided jsonb := '{}';
  v_about text;
begin
  for m in select value from jsonb_array_elements(p_rows) order by value ->> 'id' loop
    v_campaign := (m ->> 'campaign_id')::uuid;
    v_about := v_campaign || coalesce('/' || (m ->> 'episode_key'), '');
    v_send := true;
    if m ? 'episode_key' then
      if not v_decided ? v_about then
        -- Three statements, so that the answer does not hang on comparing times: two failures may share a millisecond.
        insert into alert_episodes (campaign_id, key, opened_at, notified_at)
        values (v_campaign, m ->> 'episode_key', p_now, p_now)
        on conflict (campaign_id, key) do nothing;
        v_send := found;
        if not v_send then
          update alert_episodes a set
            occurrences = case when a.closed_at is null then a.occurrences + 1 else 1 end,
            opened_at = case when a.closed_at is null then a.opened_at else p_now end,
            notified_at = p_now, closed_at = null
          where a.campaign_id = v_campaign and a.key = m ->> 'episode_key' and (a.closed_at is not null
            or a.notified_at <= p_now - (m ->> 'repeat_after_ms')::bigint * interval '1 millisecond');
          v_send := found;
        end if;
        if not v_send then
          update alert_episodes a set occurrences = a.occurrences + 1
          where a.campaign_id = v_campaign and a.key = m ->> 'episode_key';
        end if;
        v_decided := v_decided || jsonb_build_object(v_about, v_send);
      end if;
      v_send := (v_decided ->> v_about)::boolean;
    elsif coalesce((m ->> 'closes_episodes')::boolean, false) then
      if not v_decided ? v_about then
        update alert_episodes set closed_at = p_now where campaign_id = v_campaign and closed_at is null;
        v_decided := v_decided || jsonb_build_object(v_about, found);
      end if;
      v_send := (v_decided ->> v_about)::boolean;
    end if;
    if v_send then
      insert into notifications (id, dedupe_key, kind, notifier, recipient, campaign_id, run_id, facts,
        next_attempt_at, created_at)
      values ((m ->> 'id')::uuid, m ->> 'dedupe_key', m ->> 'kind', m ->> 'notifier', m ->> 'recipient',
        v_campaign, (m ->> 'run_id')::uuid, m -> 'facts', p_now, p_now)
      on conflict (dedupe_key) do nothing;
      if found then v_added := v_added + 1; end if;
    end if;
  end loop;
  return v_added;
end $$;

-- Leases up to p_limit due messages of one notifier to one sender, the longest due first. A lease that lapsed
-- (the sender died between sending and saying so) is taken over; attempts is the fencing token of the sender's later write.
create function outbox_claim(p_notifier text, p_now timestamptz, p_lease_ms bigint, p_limit integer) returns jsonb
language sql set search_path = public, pg_temp as $$
  with due as (
    select id from notifications
    where notifier = p_notifier
      and ((status = 'pending' and next_attempt_at <= p_now) or (status = 'sending' and lease_until_at <= p_now))
    order by next_attempt_at, id limit p_limit for update skip locked
  ), taken as (
    update notifications n set status = 'sending', attempts = n.attempts + 1,
      lease_until_at = p_now + p_lease_ms * interval '1 millisecond'
    from due where n.id = due.id returning n.*
  )
  select coalesce(jsonb_agg(to_jsonb(taken) order by next_attempt_at, id), '[]') from taken
$$;

-- Writes what happened in many runs at once: an entry is
-- {run_id, epoch, at, after_seq?, run?: {column: value}, steps?: [row], events?: [{type, data}], outbox?: [row],
--  decisions?: [row], pause?: {reason, resume_at}}. An entry whose epoch is not the run's present one writes
-- nothing (fenced). after_seq is the writer's last event number: an entry that is found written already, because the
-- answer to the first try was lost, is accepted without being written again. When an entry ends its run, the
-- campaign's totals follow; pause puts an active campaign to sleep for its budget. Returns [{run_id, accepted, event_seq}].
create function journal_commit(p_entries jsonb) returns jsonb
language plpgsql set search_path = public, pg_temp as $$
declare
  e jsonb;
  r campaign_runs;
  v_at timestamptz;
  v_results jsonb := '[]';
  v_ended boolean;
  v_known boolean;
  v_new_seq integer;
  v_ended_runs uuid[] := '{}';
  v_holds jsonb;
begin
  -- The campaigns of the entries that will change or alert them.
  perform 1 from campaigns
    where id in (
      select cr.campaign_id from campaign_runs cr join jsonb_array_elements(p_entries) v on cr.id = (v ->> 'run_id')::uuid
      where v ? 'pause' or v ? 'outbox'
        or v -> 'run' ->> 'status' in ('completed', 'partial', 'failed', 'aborted', 'cancelled'))
    order by id for no key update;
  perform 1 from campaign_runs
    where id in (select (value ->> 'run_id')::uuid from jsonb_array_elements(p_entries))
    order by id for no key update;
  for e in select value from jsonb_array_elements(p_entries) loop
    select * into r from campaign_runs where id = (e ->> 'run_id')::uuid and epoch = (e ->> 'epoch')::integer;
    v_known := found;
    v_new_seq := (e ->> 'after_seq')::integer + coalesce(jsonb_array_length(e -> 'events'), 0);
    if v_known and r.event_seq >= v_new_seq and v_new_seq > (e ->> 'after_seq')::integer then
      v_results := v_results || jsonb_build_object('run_id', r.id, 'accepted', true, 'event_seq', v_new_seq);
      continue;
    end if;
    if not v_known or r.status in ('completed', 'partial', 'failed', 'aborted', 'cancelled') then
      v_results := v_results || jsonb_build_object('run_id', e ->> 'run_id', 'accepted', false);
      continue;
    end if;
    v_at := (e ->> 'at')::timestamptz;
    if e ? 'steps' then
      insert into run_steps (run_id, name, position, kind, effect, status, attempts, started_at, completed_at,
        cost_micros, cost_unknown, counts, output, error, attempt_log, carried_from)
      select r.id, s.name, s.position, s.kind, s.effect, s.status, coalesce(s.attempts, 0), s.started_at,
        s.completed_at, coalesce(s.cost_micros, 0), coalesce(s.cost_unknown, false), coalesce(s.counts, '{}'),
        s.output, s.error, coalesce(s.attempt_log, '[]'), s.carried_from
      from jsonb_populate_recordset(null::run_steps, e -> 'steps') s
      on conflict (run_id, name) do update set
        position = excluded.position, kind = excluded.kind, effect = excluded.effect, status = excluded.status,
        attempts = excluded.attempts, started_at = excluded.started_at, completed_at = excluded.completed_at,
        cost_micros = excluded.cost_micros, cost_unknown = excluded.cost_unknown, counts = excluded.counts,
        output = excluded.output, error = excluded.error, attempt_log = excluded.attempt_log,
        carried_from = excluded.carried_from;
    end if;
    if e ? 'events' then
      insert into run_events (run_id, seq, type, occurred_at, data)
      select r.id, r.event_seq + v.ordinality, v.value ->> 'type', v_at, coalesce(v.value -> 'data', '{}')
      from jsonb_array_elements(e -> 'events') with ordinality v;
      r.event_seq := r.event_seq + jsonb_array_length(e -> 'events');
    end if;
    if e ? 'run' then
      r := jsonb_populate_record(r, (e -> 'run') - array['id', 'campaign_id', 'epoch', 'event_seq']);
    end if;
    v_ended := r.status in ('completed', 'partial', 'failed', 'aborted', 'cancelled');
    if v_ended then
      r.completed_at := coalesce(r.completed_at, v_at);
    end if;
    if v_ended or r.status = 'waiting' or r.status = 'queued' then
      r.claimed_by := null;
      r.lease_until_at := null;
    end if;
    update campaign_runs set
      status = r.status, status_reason = r.status_reason, started_at = r.started_at, completed_at = r.completed_at,
      steps_total = r.steps_total, steps_completed = r.steps_completed, steps_failed = r.steps_failed,
      prospects_generated = r.prospects_generated, leads_analyzed = r.leads_analyzed,
      emails_composed = r.emails_composed, emails_sent = r.emails_sent,
      total_cost_micros = r.total_cost_micros, cost_unknown = r.cost_unknown, dry_run = r.dry_run,
      results = r.results, errors = r.errors, event_seq = r.event_seq,
      claimed_by = r.claimed_by, lease_until_at = r.lease_until_at
    where id = r.id;
    if v_ended then
      v_ended_runs := v_ended_runs || r.id;
      update campaigns set total_runs = total_runs + 1, total_cost_micros = total_cost_micros + r.total_cost_micros,
        last_run_at = greatest(last_run_at, r.started_at, r.created_at)
      where id = r.campaign_id;
    end if;
    if e ? 'pause' then
      update campaigns set status = 'paused', paused_by = 'budget', status_reason = e -> 'pause' ->> 'reason',
        resume_at = (e -> 'pause' ->> 'resume_at')::timestamptz, version = version + 1
      where id = r.campaign_id and status = 'active';
    end if;
    if e ? 'outbox' then
      perform outbox_put(e -> 'outbox', v_at);
    end if;
    if e ? 'decisions' then
      insert into agent_decisions (id, agent, action, campaign_id, run_id, decided_at, reasoning, confidence,
        predicted, evidence)
      select d.id, d.agent, d.action, r.campaign_id, r.id, v_at, d.reasoning, d.confidence,
        coalesce(d.predicted, '{}'), coalesce(d.evidence, '{}')
      from jsonb_populate_recordset(null::agent_decisions, e -> 'decisions') d
      on conflict (id) do nothing;
    end if;
    v_results := v_results || jsonb_build_object('run_id', r.id, 'accepted', true, 'event_seq', r.event_seq);
  end loop;
  -- Whatever an ended run still holds, because a worker died or was cut short, is charged if its attempt had begun and given
  -- back if not; one call, so that the counters are locked in their one order.
  select jsonb_agg(jsonb_build_object('key', b.key, 'unknown', b.begun, 'at', b.at,
      'amount', case when b.begun then null else 0 end))
    into v_holds
    from (
      select h.key, coalesce(st.attempts, 0) >= substring(h.key from '[0-9]+$')::integer as begun, ru.completed_at as at
      from budget_entries h join campaign_runs ru on ru.id = h.run_id
        left join run_steps st on st.run_id = h.run_id and st.name = h.step_name
      where h.run_id = any (v_ended_runs) and h.state = 'held'
    ) b;
  if v_holds is not null then
    perform budget_settle(v_holds);
  end if;
  return v_results;
end $$;

-- Admits one run of a campaign by its overlap policy, inside the caller's lock on the campaign row.
-- Returns {admitted: true, run_id} or {admitted: false, active_run_id, reason}.
create function admit_run(p_campaign campaigns, p_run jsonb, p_at timestamptz) returns jsonb
language plpgsql set search_path = public, pg_temp as $$
declare
  v_policy text := coalesce(p_campaign.config ->> 'overlap', 'skip');
  v_active uuid;
  v_waiting integer;
begin
  select id into v_active from campaign_runs
    where campaign_id = p_campaign.id and status in ('queued', 'running', 'waiting') order by id limit 1;
  if v_active is not null and v_policy = 'skip' then
    return jsonb_build_object('admitted', false, 'reason', 'overlap', 'active_run_id', v_active);
  end if;
  if v_active is not null and v_policy = 'queue' then
    select count(*) into v_waiting from campaign_runs
      where campaign_id = p_campaign.id and status = 'queued' and waits_for_earlier;
    if v_waiting >= max_waiting_runs() then
      return jsonb_build_object('admitted', false, 'reason', 'queue_full', 'active_run_id', v_active);
    end if;
  end if;
  if v_active is not null and v_policy = 'cancel_previous' then
    -- Also the ones that wait for a person: nobody else would end them, and the new run waits for all of them.
    for v_active in select id from campaign_runs
      where campaign_id = p_campaign.id and status in ('queued', 'running', 'waiting') order by id
    loop
      perform cancel_run(v_active, 'replaced by a newer run', p_at);
    end loop;
  end if;
  insert into campaign_runs (id, campaign_id, trigger, scheduled_for, retry_of, definition, waits_for_earlier,
    created_at, steps_total, event_seq)
  values ((p_run ->> 'id')::uuid, p_campaign.id, p_run ->> 'trigger', (p_run ->> 'scheduled_for')::timestamptz,
    (p_run ->> 'retry_of')::uuid, coalesce(p_run -> 'definition', p_campaign.config), v_policy in ('queue', 'cancel_previous'),
    p_at, coalesce((p_run ->> 'steps_total')::integer, 0), 1);
  insert into run_events (run_id, seq, type, occurred_at, data)
  values ((p_run ->> 'id')::uuid, 1, 'run.queued', p_at,
    jsonb_build_object('trigger', p_run ->> 'trigger', 'campaign', p_campaign.name));
  if p_run ? 'carried_steps' then
    insert into run_steps (run_id, name, position, kind, effect, status, attempts, started_at, completed_at,
      cost_micros, cost_unknown, counts, output, error, attempt_log, carried_from)
    select (p_run ->> 'id')::uuid, s.name, s.position, s.kind, s.effect, s.status, s.attempts, s.started_at,
      s.completed_at, 0, false, s.counts, s.output, s.error, '[]', s.carried_from
    from jsonb_populate_recordset(null::run_steps, p_run -> 'carried_steps') s;
  end if;
  update campaigns set last_run_at = p_at where id = p_campaign.id;
  return jsonb_build_object('admitted', true, 'run_id', p_run ->> 'id');
end $$;

-- Starts a run by hand. Returns admit_run's answer, or {admitted: false, reason: 'not_found' | 'paused'}.
create function start_run(p_campaign_id uuid, p_run jsonb, p_force boolean, p_at timestamptz) returns jsonb
language plpgsql set search_path = public, pg_temp as $$
declare
  c campaigns;
begin
  select * into c from campaigns where id = p_campaign_id and deleted_at is null for no key update;
  if not found then
    return jsonb_build_object('admitted', false, 'reason', 'not_found');
  end if;
  if c.status = 'paused' and not p_force then
    return jsonb_build_object('admitted', false, 'reason', 'paused', 'detail', c.status_reason);
  end if;
  return admit_run(c, p_run, p_at);
end $$;

-- One pass of the schedule over one campaign: writes a row for every nominal time that has come and
-- starts the runs that the policies allow, all or nothing. p_fires is
-- [{id, scheduled_for, effective_for, outcome, reason?, detail?, missed_count?, run?}]. p_version is the campaign's
-- version as read; another replica that was first makes this answer {stale: true}.
create function fire_campaign(p_campaign_id uuid, p_version integer, p_fires jsonb, p_next timestamptz,
  p_due timestamptz, p_at timestamptz) returns jsonb
language plpgsql set search_path = public, pg_temp as $$
declare
  c campaigns;
  f jsonb;
  v_answer jsonb;
  v_outcome text;
  v_reason text;
  v_detail text;
  v_results jsonb := '[]';
begin
  select * into c from campaigns where id = p_campaign_id and version = p_version and deleted_at is null
    for no key update;
  if not found then
    return jsonb_build_object('stale', true, 'fires', '[]'::jsonb);
  end if;
  for f in select value from jsonb_array_elements(p_fires) loop
    v_outcome := f ->> 'outcome';
    v_reason := f ->> 'reason';
    v_detail := f ->> 'detail';
    v_answer := null;
    insert into campaign_fires (id, campaign_id, scheduled_for, effective_for, outcome, reason, detail, missed_count,
      created_at)
    values ((f ->> 'id')::uuid, c.id, (f ->> 'scheduled_for')::timestamptz, (f ->> 'effective_for')::timestamptz,
      v_outcome, v_reason, v_detail, coalesce((f ->> 'missed_count')::integer, 1), p_at)
    on conflict (campaign_id, scheduled_for) do nothing;
    continue when not found;
    if v_outcome in ('ran', 'caught_up') then
      v_answer := admit_run(c, f -> 'run', p_at);
      if (v_answer ->> 'admitted')::boolean then
        update campaign_fires set run_id = (v_answer ->> 'run_id')::uuid where id = (f ->> 'id')::uuid;
      else
        v_outcome := 'skipped';
        v_reason := v_answer ->> 'reason';
        v_detail := case v_reason when 'queue_full' then max_waiting_runs() || ' runs were waiting already'
          else 'run ' || (v_answer ->> 'active_run_id') || ' was still active' end;
        update campaign_fires set outcome = v_outcome, reason = v_reason, detail = v_detail where id = (f ->> 'id')::uuid;
      end if;
    end if;
    v_results := v_results || jsonb_build_object('id', f ->> 'id', 'scheduled_for', f ->> 'scheduled_for',
      'outcome', v_outcome, 'reason', v_reason, 'detail', v_detail, 'run_id', v_answer ->> 'run_id');
  end loop;
  update campaigns set next_run_at = p_next, due_at = p_due, version = version + 1 where id = c.id;
  return jsonb_build_object('stale', false, 'fires', v_results);
end $$;

-- Takes a run for one worker: queued runs, and running ones whose lease has passed. Raises the epoch.
-- Returns null when it is not to be had (finished, held by a live worker, or waiting for an earlier run).
create function claim_run(p_run_id uuid, p_worker text, p_now timestamptz, p_lease_ms bigint) returns jsonb
language plpgsql set search_path = public, pg_temp as $$
declare
  r campaign_runs;
begin
  select * into r from campaign_runs where id = p_run_id for no key update;
  if not found or not (r.status = 'queued' or (r.status = 'running' and coalesce(r.lease_until_at, p_now) <= p_now)) then
    return null;
  end if;
  if r.waits_for_earlier and r.status = 'queued' and exists (
    select 1 from campaign_runs o where o.campaign_id = r.campaign_id and o.id < r.id
      and o.status in ('queued', 'running', 'waiting')
  ) then
    return null;
  end if;
  update campaign_runs set status = 'running', epoch = epoch + 1, claimed_by = p_worker,
    started_at = coalesce(started_at, p_now), lease_until_at = p_now + p_lease_ms * interval '1 millisecond'
  where id = r.id returning * into r;
  return to_jsonb(r);
end $$;

-- Renews the leases of one worker's runs and tells which of them are to be cancelled.
create function renew_leases(p_worker text, p_run_ids jsonb, p_now timestamptz, p_lease_ms bigint) returns jsonb
language sql set search_path = public, pg_temp as $$
  with held as (
    select id from campaign_runs
    where claimed_by = p_worker and status = 'running'
      and id in (select value::uuid from jsonb_array_elements_text(p_run_ids))
    order by id for no key update
  ), mine as (
    update campaign_runs r set lease_until_at = p_now + p_lease_ms * interval '1 millisecond'
    from held where r.id = held.id
    returning r.id, r.cancel_requested_at, r.cancel_reason
  )
  select coalesce(jsonb_agg(jsonb_build_object('run_id', id, 'cancel', cancel_requested_at is not null,
    'reason', cancel_reason)), '[]') from mine
$$;

-- Asks a run to stop. One that no worker holds ends here and now; a running one is ended by its worker.
-- Returns {found, status}: the status after the call.
create function cancel_run(p_run_id uuid, p_reason text, p_at timestamptz) returns jsonb
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
    update run_steps set status = 'cancelled', completed_at = p_at where run_id = r.id and status = 'running';
    perform journal_commit(jsonb_build_array(jsonb_build_object('run_id', r.id, 'epoch', r.epoch, 'at', p_at,
      'run', jsonb_build_object('status', 'cancelled', 'status_reason', coalesce(r.cancel_reason, p_reason)),
      'events', jsonb_build_array(jsonb_build_object('type', 'run.finished',
        'data', jsonb_build_object('status', 'cancelled', 'reason', coalesce(r.cancel_reason, p_reason)))))));
    return jsonb_build_object('found', true, 'status', 'cancelled');
  end if;
  return jsonb_build_object('found', true, 'status', r.status);
end $$;

-- A person says what became of a step of which nobody knew: done, failed, or to be tried again (only while the run waits).
-- A waiting run goes back to the queue; an ended one gets its totals again and, when nothing failed is left, becomes
-- completed. Returns {found, state}: state is resolved, not_unknown, or ended (retry asked of an ended run).
create function resolve_step(p_run_id uuid, p_name text, p_outcome text, p_by text, p_note text, p_decision_id uuid,
  p_at timestamptz) returns jsonb
language plpgsql set search_path = public, pg_temp as $$
declare
  r campaign_runs;
  s run_steps;
begin
  select * into r from campaign_runs where id = p_run_id for no key update;
  if not found then
    return jsonb_build_object('found', false);
  end if;
  select * into s from run_steps where run_id = p_run_id and name = p_name for update;
  if not found then
    return jsonb_build_object('found', false);
  end if;
  if s.status <> 'unknown' then
    return jsonb_build_object('found', true, 'state', 'not_unknown', 'status', s.status);
  end if;
  if r.status not in ('waiting', 'running') and p_outcome = 'retry' then
    return jsonb_build_object('found', true, 'state', 'ended', 'status', r.status);
  end if;
  if r.status = 'running' then
    return jsonb_build_object('found', true, 'state', 'running', 'status', r.status);
  end if;
  update run_steps set
    status = case p_outcome when 'done' then 'completed' when 'failed' then 'failed' else 'running' end,
    error = case p_outcome
      when 'failed' then jsonb_build_object('code', 'STEP_DECLARED_FAILED', 'message', p_by || ': ' || p_note, 'retryable', false)
      else null end
  where run_id = p_run_id and name = p_name;
  insert into run_events (run_id, seq, type, occurred_at, data)
  values (p_run_id, r.event_seq + 1, 'step.resolved', p_at,
    jsonb_build_object('step', p_name, 'outcome', p_outcome, 'by', p_by, 'note', p_note));
  insert into agent_decisions (id, agent, action, campaign_id, run_id, decided_at, reasoning, confidence, evidence)
  values (p_decision_id, 'person:' || p_by, 'resolve_step_' || p_outcome, r.campaign_id, r.id, p_at, p_note, 1,
    jsonb_build_object('step', p_name));
  update campaign_runs set
    event_seq = event_seq + 1,
    status = case
      when r.status = 'waiting' then 'queued'
      when r.status = 'partial' and not exists (
        select 1 from run_steps where run_id = p_run_id and status in ('failed', 'unknown')) then 'completed'
      else r.status end,
    status_reason = case when r.status = 'waiting' then null else status_reason end,
    waits_for_earlier = false,
    errors = case when p_outcome = 'done'
      then (select coalesce(jsonb_agg(x), '[]') from jsonb_array_elements(errors) x where x ->> 'step' is distinct from p_name)
      else errors end,
    results = case when results ? p_name and p_outcome <> 'retry'
      then results || jsonb_build_object(p_name, (results -> p_name) - 'error' || jsonb_build_object(
        'status', case p_outcome when 'done' then 'completed' else 'failed' end, 'success', p_outcome = 'done'))
      else results end,
    steps_completed = (select count(*) from run_steps where run_id = p_run_id and status in ('completed', 'empty')),
    steps_failed = (select count(*) from run_steps where run_id = p_run_id and status in ('failed', 'unknown'))
  where id = p_run_id returning * into r;
  return jsonb_build_object('found', true, 'state', 'resolved', 'status', r.status);
end $$;

-- Runs that need a worker: queued ones older than p_queued_before that need not wait for an earlier run, running ones
-- with a lapsed lease.
create function runs_to_requeue(p_now timestamptz, p_queued_before timestamptz, p_limit integer) returns jsonb
language sql stable set search_path = public, pg_temp as $$
  select coalesce(jsonb_agg(id), '[]') from (
    select r.id from campaign_runs r
    where (r.status = 'queued' and r.created_at <= p_queued_before and not (r.waits_for_earlier and exists (
          select 1 from campaign_runs o where o.campaign_id = r.campaign_id and o.id < r.id
            and o.status in ('queued', 'running', 'waiting'))))
       or (r.status = 'running' and coalesce(r.lease_until_at, p_now) <= p_now)
    order by r.id limit p_limit
  ) s
$$;
