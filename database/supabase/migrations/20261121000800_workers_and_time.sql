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

-- fire_campaign for many campaigns: p_items is [{campaign_id, version, fires, next, due}]. All are locked first, in the order of
-- their ids; one that fails does not take the others along and is answered with {error, state}.
create function fire_campaigns(p_items jsonb, p_at timestamptz) returns jsonb
language plpgsql set search_path = public, pg_temp as $$
declare
  i jsonb;
  v_answer jsonb;
  v_answers jsonb := '[]';
begin
  perform 1 from campaigns where id in (select (value ->> 'campaign_id')::uuid from jsonb_array_elements(p_items))
    order by id for no key update;
  for i in select value from jsonb_array_elements(p_items) loop
    begin
      v_answer := fire_campaign((i ->> 'campaign_id')::uuid, (i ->> 'version')::integer, i -> 'fires',
        (i ->> 'next')::timestamptz, (i ->> 'due')::timestamptz, p_at);
    exception
      -- The whole call is to be sent again for these, not one campaign given up.
      when serialization_failure or deadlock_detected or lock_not_available or query_canceled then raise;
      when others then v_answer := jsonb_build_object('error', sqlerrm, 'state', sqlstate);
    end;
    v_answers := v_answers || jsonb_build_array(v_answer);
  end loop;
  return v_answers;
end $$;

do $$
declare
  f regprocedure;
begin
  for f in
    select p.oid::regprocedure from pg_proc p join pg_namespace n on n.oid = p.pronamespace
    where n.nspname = 'public' and p.proname in ('server_time', 'running_workers', 'release_workers', 'fire_campaigns')
  loop
    execute format('revoke all on function %s from public', f);
    if exists (select from pg_roles where rolname = 'service_role') then
      execute format('revoke all on function %s from anon, authenticated', f);
      execute format('grant execute on function %s to service_role', f);
    end if;
  end loop;
end $$;
