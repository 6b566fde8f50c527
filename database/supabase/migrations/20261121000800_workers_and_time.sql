-- What several machines need to work as one: a common clock, and the runs of a worker that is known to be gone.

-- The database's time in milliseconds since the epoch: the one clock by which leases, schedules and budgets are judged,
-- whatever the clocks of the machines say.
create function server_time() returns double precision
language sql volatile set search_path = public, pg_temp as $$
  select extract(epoch from clock_timestamp())::double precision * 1000
$$;

-- The workers that hold runs, as a list of names.
create function running_workers() returns jsonb
language sql stable set search_path = public, pg_temp as $$
  select coalesce(jsonb_agg(distinct claimed_by), '[]') from campaign_runs
  where status = 'running' and claimed_by is not null and lease_until_at is not null
$$;

-- Voids the leases of workers that are gone, so that others may take their runs at once; returns the ids of the runs.
create function release_workers(p_workers jsonb) returns jsonb
language sql set search_path = public, pg_temp as $$
  with held as (
    select id from campaign_runs
    where status = 'running' and claimed_by in (select value from jsonb_array_elements_text(p_workers))
    order by id for no key update
  ), freed as (
    update campaign_runs r set lease_until_at = null from held where r.id = held.id returning r.id
  )
  select coalesce(jsonb_agg(id), '[]') from freed
$$;

-- The time of a lease is no part of an index any more, so that renewing it needs no new index entry; and a cancel that is asked
-- for is found without looking at every run.
drop index campaign_runs_sweep;
create index campaign_runs_sweep on campaign_runs (status) where status in ('queued', 'running');
create index campaign_runs_cancel on campaign_runs (claimed_by) where cancel_requested_at is not null and status = 'running';

-- Renews the leases of one worker's runs, which come in the order of their ids; returns those that are not its own any more.
create function keep_runs(p_worker text, p_run_ids jsonb, p_now timestamptz, p_lease_ms bigint) returns jsonb
language plpgsql set search_path = public, pg_temp set enable_seqscan = off as $$
declare
  v_ids uuid[] := array(select value::uuid from jsonb_array_elements_text(p_run_ids));
  v_kept uuid[];
begin
  perform 1 from campaign_runs where id = any (v_ids) order by id for no key update;
  with kept as (
    update campaign_runs set lease_until_at = p_now + p_lease_ms * interval '1 millisecond'
    where id = any (v_ids) and claimed_by = p_worker and status || '' = 'running'
    returning id
  )
  select coalesce(array_agg(id), '{}') into v_kept from kept;
  if cardinality(v_kept) = cardinality(v_ids) then
    return '[]';
  end if;
  return (select coalesce(jsonb_agg(id), '[]') from (select unnest(v_ids) except select unnest(v_kept)) as lost (id));
end $$;

-- The runs of one worker that somebody asked to stop: [{run_id, reason}].
create function cancels_of(p_worker text) returns jsonb
language sql stable set search_path = public, pg_temp as $$
  select coalesce(jsonb_agg(jsonb_build_object('run_id', id, 'reason', cancel_reason)), '[]')
  from campaign_runs where claimed_by = p_worker and cancel_requested_at is not null and status = 'running'
$$;

-- As before, with less work a run: the active run is looked for in the campaign's own index.
create or replace function admit_run(p_campaign campaigns, p_run jsonb, p_at timestamptz) returns jsonb
language plpgsql set search_path = public, pg_temp as $$
declare
  v_policy text := coalesce(p_campaign.config ->> 'overlap', 'skip');
  v_active uuid;
  v_waiting integer;
begin
  -- In two steps, or a plan made for few runs would go through all of them in the order of their ids.
  select id into v_active from (
    select id from campaign_runs
    where campaign_id = p_campaign.id and status in ('queued', 'running', 'waiting') offset 0) r
  order by id limit 1;
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

-- As before, with less work a fire: its row is written once, when it is known what became of it.
create or replace function fire_campaign(p_campaign_id uuid, p_version integer, p_fires jsonb, p_next timestamptz,
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
    -- The lock on the campaign keeps others away between this look and the row.
    continue when exists (
      select from campaign_fires where campaign_id = c.id and scheduled_for = (f ->> 'scheduled_for')::timestamptz);
    if v_outcome in ('ran', 'caught_up') then
      v_answer := admit_run(c, f -> 'run', p_at);
      if not (v_answer ->> 'admitted')::boolean then
        v_outcome := 'skipped';
        v_reason := v_answer ->> 'reason';
        v_detail := case v_reason when 'queue_full' then max_waiting_runs() || ' runs were waiting already'
          else 'run ' || (v_answer ->> 'active_run_id') || ' was still active' end;
      end if;
    end if;
    insert into campaign_fires (id, campaign_id, scheduled_for, effective_for, outcome, reason, detail, missed_count,
      run_id, created_at)
    values ((f ->> 'id')::uuid, c.id, (f ->> 'scheduled_for')::timestamptz, (f ->> 'effective_for')::timestamptz,
      v_outcome, v_reason, v_detail, coalesce((f ->> 'missed_count')::integer, 1), (v_answer ->> 'run_id')::uuid, p_at);
    v_results := v_results || jsonb_build_object('id', f ->> 'id', 'scheduled_for', f ->> 'scheduled_for',
      'outcome', v_outcome, 'reason', v_reason, 'detail', v_detail, 'run_id', v_answer ->> 'run_id');
  end loop;
  update campaigns set next_run_at = p_next, due_at = p_due, version = version + 1 where id = c.id;
  return jsonb_build_object('stale', false, 'fires', v_results);
end $$;

-- fire_campaign for many campaigns: p_items is [{campaign_id, version, fires, next, due}]. All are locked first, in the order of
-- their ids. Those with one time that is to run and no other run in its way are written in sets, which is what happens when many
-- are due at once; the others one by one, where one that fails does not take the others along and is answered with
-- {error, state}.
create function fire_campaigns(p_items jsonb, p_at timestamptz) returns jsonb
language plpgsql set search_path = public, pg_temp as $$
declare
  i jsonb;
  v_ids uuid[] := array(select (value ->> 'campaign_id')::uuid from jsonb_array_elements(p_items));
  v_plain uuid[];
  v_answer jsonb;
  v_answers jsonb := '[]';
begin
  perform 1 from campaigns where id = any (v_ids) order by id for no key update;
  -- The runs that a new one of their campaign will cancel, before any of them is: as everywhere, in the order of their ids.
  perform 1 from campaign_runs r
    where r.campaign_id = any (array(select c.id from campaigns c where c.id = any (v_ids)
        and c.config ->> 'overlap' = 'cancel_previous'))
      and r.status in ('queued', 'running', 'waiting')
    order by r.id for no key update;
  v_plain := fire_plain(p_items, p_at);
  for i in select value from jsonb_array_elements(p_items) loop
    if (i ->> 'campaign_id')::uuid = any (v_plain) then
      v_answer := jsonb_build_object('stale', false, 'fires', jsonb_build_array(jsonb_build_object(
        'id', i #> '{fires,0,id}', 'scheduled_for', i #> '{fires,0,scheduled_for}', 'outcome', i #> '{fires,0,outcome}',
        'reason', i #> '{fires,0,reason}', 'detail', i #> '{fires,0,detail}', 'run_id', i #> '{fires,0,run,id}')));
    else
      begin
        v_answer := fire_campaign((i ->> 'campaign_id')::uuid, (i ->> 'version')::integer, i -> 'fires',
          (i ->> 'next')::timestamptz, (i ->> 'due')::timestamptz, p_at);
      exception
        -- The whole call is to be sent again for these, not one campaign given up.
        when serialization_failure or deadlock_detected or lock_not_available or insufficient_resources
          or operator_intervention or read_only_sql_transaction then raise;
        when others then v_answer := jsonb_build_object('error', sqlerrm, 'state', sqlstate);
      end;
    end if;
    v_answers := v_answers || jsonb_build_array(v_answer);
  end loop;
  return v_answers;
end $$;

-- Of locked campaigns, fires those that have one time which is to run and nothing in its way; returns their ids.
create function fire_plain(p_items jsonb, p_at timestamptz) returns uuid[]
language plpgsql set search_path = public, pg_temp set enable_seqscan = off as $$
declare
  i jsonb;
  v_plain uuid[];
begin
  select coalesce(array_agg(f.campaign_id), '{}') into v_plain
    from (
      select g.campaign_id, g.version, g.fires #> '{0}' as fire
      from jsonb_to_recordset(p_items) as g (campaign_id uuid, version integer, fires jsonb)
      where jsonb_array_length(g.fires) = 1 and g.fires #>> '{0,outcome}' in ('ran', 'caught_up')
    ) f
      cross join lateral (
        select c.config ->> 'overlap' as overlap from campaigns c
        where c.id = f.campaign_id and c.version = f.version and c.deleted_at is null limit 1) c
    where coalesce(c.overlap, 'skip') in ('skip', 'allow')
      and (select r.id from campaign_runs r
        where r.campaign_id = f.campaign_id and r.status in ('queued', 'running', 'waiting') limit 1) is null
      and (select o.id from campaign_fires o where o.campaign_id = f.campaign_id
        and o.scheduled_for = (f.fire ->> 'scheduled_for')::timestamptz limit 1) is null;
  if v_plain = '{}' then
    return v_plain;
  end if;
  insert into campaign_runs (id, campaign_id, trigger, scheduled_for, definition, created_at, steps_total, event_seq)
  select (g.fires #>> '{0,run,id}')::uuid, g.campaign_id, g.fires #>> '{0,run,trigger}',
    (g.fires #>> '{0,run,scheduled_for}')::timestamptz,
    (select c.config from campaigns c where c.id = g.campaign_id limit 1), p_at,
    coalesce((g.fires #>> '{0,run,steps_total}')::integer, 0), 1
  from jsonb_to_recordset(p_items) as g (campaign_id uuid, fires jsonb) where g.campaign_id = any (v_plain);
  insert into run_events (run_id, seq, type, occurred_at, data)
  select (g.fires #>> '{0,run,id}')::uuid, 1, 'run.queued', p_at, jsonb_build_object('trigger', g.fires #> '{0,run,trigger}',
    'campaign', (select c.name from campaigns c where c.id = g.campaign_id limit 1))
  from jsonb_to_recordset(p_items) as g (campaign_id uuid, fires jsonb) where g.campaign_id = any (v_plain);
  insert into campaign_fires (id, campaign_id, scheduled_for, effective_for, outcome, reason, detail, missed_count, run_id,
    created_at)
  select f.id, g.campaign_id, f.scheduled_for, f.effective_for, f.outcome, f.reason, f.detail, coalesce(f.missed_count, 1),
    (g.fires #>> '{0,run,id}')::uuid, p_at
  from jsonb_to_recordset(p_items) as g (campaign_id uuid, fires jsonb),
    jsonb_to_recordset(g.fires) as f (id uuid, scheduled_for timestamptz, effective_for timestamptz, outcome text,
      reason text, detail text, missed_count integer)
  where g.campaign_id = any (v_plain);
  for i in select value from jsonb_array_elements(p_items) where (value ->> 'campaign_id')::uuid = any (v_plain) loop
    update campaigns set next_run_at = (i ->> 'next')::timestamptz, due_at = (i ->> 'due')::timestamptz,
      version = version + 1, last_run_at = p_at
    where id = (i ->> 'campaign_id')::uuid;
  end loop;
  return v_plain;
end $$;

do $$
declare
  f regprocedure;
begin
  for f in
    select p.oid::regprocedure from pg_proc p join pg_namespace n on n.oid = p.pronamespace
    where n.nspname = 'public' and p.proname in ('server_time', 'running_workers', 'release_workers', 'fire_campaigns',
      'fire_plain', 'keep_runs', 'cancels_of')
  loop
    execute format('revoke all on function %s from public', f);
    if exists (select from pg_roles where rolname = 'service_role') then
      execute format('revoke all on function %s from anon, authenticated', f);
      execute format('grant execute on function %s to service_role', f);
    end if;
  end loop;
end $$;
