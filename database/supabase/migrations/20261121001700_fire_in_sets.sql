-- Campaigns that are due together, in half the time: one statement writes what becomes of all that have nothing in their way, one
-- moves them on, and the answers are put together in one pass.

-- Of locked campaigns, fires those that have one time which is to run and nothing in its way; returns their ids.
create or replace function fire_plain(p_items jsonb, p_at timestamptz) returns uuid[]
language plpgsql set search_path = public, pg_temp set enable_seqscan = off set enable_hashjoin = off
set enable_mergejoin = off set plan_cache_mode = force_generic_plan as $$
declare
  v_plain uuid[];
  v_next timestamptz[];
  v_due timestamptz[];
begin
  with plain as materialized (
    select g.campaign_id, g.next, g.due, g.fire, g.fire -> 'run' as run, (g.fire #>> '{run,id}')::uuid as run_id,
      (g.fire ->> 'scheduled_for')::timestamptz as scheduled_for, c.name, c.config
    from (
      select (value ->> 'campaign_id')::uuid as campaign_id, (value ->> 'version')::integer as version,
        (value ->> 'next')::timestamptz as next, (value ->> 'due')::timestamptz as due, value #> '{fires,0}' as fire
      from jsonb_array_elements(p_items)
      where jsonb_array_length(value -> 'fires') = 1 and value #>> '{fires,0,outcome}' in ('ran', 'caught_up')
    ) g
      cross join lateral (
        -- By the id alone: with more, a plan made for a small table may go through another index from end to end.
        select n.name, n.config, n.version, n.deleted_at from campaigns n where n.id = g.campaign_id limit 1) c
    where c.version = g.version and c.deleted_at is null and coalesce(c.config ->> 'overlap', 'skip') in ('skip', 'allow')
      and (select r.id from campaign_runs r
        where r.campaign_id = g.campaign_id and r.status in ('queued', 'running', 'waiting') limit 1) is null
      and (select o.id from campaign_fires o where o.campaign_id = g.campaign_id
        and o.scheduled_for = (g.fire ->> 'scheduled_for')::timestamptz limit 1) is null
  ), started as (
    insert into campaign_runs (id, campaign_id, trigger, scheduled_for, definition, created_at, steps_total, event_seq)
    select run_id, campaign_id, run ->> 'trigger', (run ->> 'scheduled_for')::timestamptz, config, p_at,
      coalesce((run ->> 'steps_total')::integer, 0), 1 from plain
  ), told as (
    insert into run_events (run_id, seq, type, occurred_at, data)
    select run_id, 1, 'run.queued', p_at, jsonb_build_object('trigger', run -> 'trigger', 'campaign', name) from plain
  ), written as (
    insert into campaign_fires (id, campaign_id, scheduled_for, effective_for, outcome, reason, detail, missed_count, run_id,
      created_at)
    select (fire ->> 'id')::uuid, campaign_id, scheduled_for, (fire ->> 'effective_for')::timestamptz,
      fire ->> 'outcome', fire ->> 'reason', fire ->> 'detail', coalesce((fire ->> 'missed_count')::integer, 1), run_id, p_at
    from plain
  )
  select array_agg(campaign_id), array_agg(next), array_agg(due) into v_plain, v_next, v_due from plain;
  -- By a list of ids, which is looked up in the index whatever a plan made for small tables would rather do.
  update campaigns set next_run_at = v_next[array_position(v_plain, id)], due_at = v_due[array_position(v_plain, id)],
    version = version + 1, last_run_at = p_at
  where id = any (v_plain);
  return coalesce(v_plain, '{}');
end $$;

-- Decides what becomes of the nominal times of one campaign, as in 20261121000800.
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
  -- By the id alone: with more, a plan made for a small table may go through another index from end to end.
  select * into c from campaigns where id = p_campaign_id for no key update;
  if c.id is null or c.version <> p_version or c.deleted_at is not null then
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
-- {error, state}. Answers in the order of p_items.
create or replace function fire_campaigns(p_items jsonb, p_at timestamptz) returns jsonb
language plpgsql set search_path = public, pg_temp set enable_seqscan = off
set plan_cache_mode = force_generic_plan as $$
declare
  v_ids uuid[] := array(select (value ->> 'campaign_id')::uuid from jsonb_array_elements(p_items));
  v_plain uuid[];
  v_item jsonb;
  v_place integer;
  v_others jsonb[];
begin
  perform 1 from campaigns where id = any (v_ids) order by id for no key update;
  -- The runs that a new one of their campaign will cancel, before any of them is: as everywhere, in the order of their ids.
  perform 1 from campaign_runs r
    where r.campaign_id = any (array(select c.id from campaigns c where c.id = any (v_ids)
        and c.config ->> 'overlap' = 'cancel_previous'))
      and r.status in ('queued', 'running', 'waiting')
    order by r.id for no key update;
  v_plain := fire_plain(p_items, p_at);
  for v_item, v_place in
    select value, place from jsonb_array_elements(p_items) with ordinality as i (value, place)
    where (value ->> 'campaign_id')::uuid <> all (v_plain)
  loop
    begin
      v_others[v_place] := fire_campaign((v_item ->> 'campaign_id')::uuid, (v_item ->> 'version')::integer, v_item -> 'fires',
        (v_item ->> 'next')::timestamptz, (v_item ->> 'due')::timestamptz, p_at);
    exception
      -- The whole call is to be sent again for these, not one campaign given up.
      when serialization_failure or deadlock_detected or lock_not_available or insufficient_resources
        or operator_intervention or read_only_sql_transaction then raise;
      when others then v_others[v_place] := jsonb_build_object('error', sqlerrm, 'state', sqlstate);
    end;
  end loop;
  return (
    select coalesce(jsonb_agg(coalesce(v_others[place], jsonb_build_object('stale', false, 'fires', jsonb_build_array(jsonb_build_object(
      'id', value #> '{fires,0,id}', 'scheduled_for', value #> '{fires,0,scheduled_for}',
      'outcome', value #> '{fires,0,outcome}', 'reason', value #> '{fires,0,reason}', 'detail', value #> '{fires,0,detail}',
      'run_id', value #> '{fires,0,run,id}')))) order by place), '[]')
    from jsonb_array_elements(p_items) with ordinality as i (value, place));
end $$;

-- fire_campaigns for what is due: a campaign that somebody else holds is left to them, and answered with {held: true}. Replicas that
-- find the same campaigns due so share them out instead of waiting for each other.
create function fire_due(p_items jsonb, p_at timestamptz) returns jsonb
language plpgsql set search_path = public, pg_temp set enable_seqscan = off
set plan_cache_mode = force_generic_plan as $$
declare
  v_ids uuid[] := array(select (value ->> 'campaign_id')::uuid from jsonb_array_elements(p_items));
  v_free uuid[] := array(select id from campaigns where id = any (v_ids) order by id for no key update skip locked);
  v_items jsonb;
  v_places integer[];
  v_answers jsonb;
begin
  select coalesce(jsonb_agg(value order by place), '[]'), array_agg(place order by place) into v_items, v_places
    from jsonb_array_elements(p_items) with ordinality as i (value, place)
    where (value ->> 'campaign_id')::uuid = any (v_free);
  v_answers := case when v_items = '[]' then '[]' else fire_campaigns(v_items, p_at) end;
  return (
    select coalesce(jsonb_agg(coalesce(v_answers -> (array_position(v_places, place::integer) - 1), '{"held": true}')
      order by place), '[]')
    from jsonb_array_elements(p_items) with ordinality as i (value, place));
end $$;

do $$
declare
  f regprocedure;
begin
  for f in
    select p.oid::regprocedure from pg_proc p join pg_namespace n on n.oid = p.pronamespace
    where n.nspname = 'public' and p.proname in ('fire_due')
  loop
    execute format('revoke all on function %s from public', f);
    if exists (select from pg_roles where rolname = 'service_role') then
      execute format('revoke all on function %s from anon, authenticated', f);
      execute format('grant execute on function %s to service_role', f);
    end if;
  end loop;
end $$;
