-- Retention. One function a kind removes what is older than p_before, at most p_limit rows (prune_runs: runs, with what
-- belongs to them) a call, and returns how many; null: nothing was left to look at. Rows are taken with SKIP LOCKED: any number
-- of replicas prune side by side, none waits for another or for live work. Where ids are made of the time (uuid version 7),
-- the primary key is the index by age, so that looking for old rows where there are none reads next to nothing. The
-- planner settings keep plans that were made while a table was small to the indexes.

-- A run that is old but still needed is looked at again only when its age, counted from here, has come up once more.
alter table campaign_runs add column ages_from_at timestamptz;
create index campaign_runs_age on campaign_runs (coalesce(ages_from_at, completed_at)) where completed_at is not null;
-- What refers to a run is looked for when the run goes.
-- Whether the events of an ended run have gone before it.
alter table campaign_runs add column events_pruned boolean not null default false;
create index campaign_runs_eventful on campaign_runs (completed_at) where completed_at is not null and not events_pruned;
create index campaign_fires_age on campaign_fires (scheduled_for);
create index notifications_age on notifications (created_at) where status in ('sent', 'failed', 'undeliverable');
create index campaign_runs_retries on campaign_runs (retry_of) where retry_of is not null;
create index campaign_fires_run on campaign_fires (run_id) where run_id is not null;
create index notifications_run on notifications (run_id) where run_id is not null;
create index agent_decisions_without_run on agent_decisions (decided_at) where run_id is null;
create index budget_periods_age on budget_periods (starts_on);
create index budget_alerts_age on budget_alerts (starts_on);
create index alert_episodes_closed on alert_episodes (closed_at) where closed_at is not null;

-- Events of runs that ended before p_before, the oldest runs first, of at most p_limit / 10 runs; returns how many events.
create function prune_run_events(p_before timestamptz, p_limit integer) returns integer
language plpgsql set search_path = public, pg_temp set enable_seqscan = off set enable_hashjoin = off
set enable_mergejoin = off as $$
declare
  v_runs uuid[];
  v_gone integer;
begin
  v_runs := array(
    select id from campaign_runs where completed_at < p_before and not events_pruned
    order by completed_at limit greatest(1, p_limit / 10) for update skip locked);
  if v_runs = '{}' then
    return null;
  end if;
  delete from run_events where run_id = any (v_runs);
  get diagnostics v_gone = row_count;
  update campaign_runs set events_pruned = true where id = any (v_runs);
  return v_gone;
end $$;

-- Runs that ended before p_before, with their steps, events, budget entries and decisions. Fires and messages outlive
-- their run by rules of their own and no longer name it. A run stays, and is looked at again after a day, while
-- somebody may still say what became of one of its steps, while a run that repeats it is there, while it holds money or a
-- message about it is to be sent, and while one of its costs is among the last 20 that the expected cost of a step is learned from.
create function prune_runs(p_before timestamptz, p_limit integer) returns integer
language plpgsql set search_path = public, pg_temp set enable_seqscan = off set enable_hashjoin = off
set enable_mergejoin = off as $$
declare
  v_old uuid[];
  v_needed uuid[];
begin
  v_old := array(
    select id from campaign_runs where completed_at is not null and coalesce(ages_from_at, completed_at) < p_before
    order by coalesce(ages_from_at, completed_at) limit p_limit for update skip locked);
  if v_old = '{}' then
    return null;
  end if;
  v_needed := array(
    select r.id from campaign_runs r join campaigns c on c.id = r.campaign_id
    where r.id = any (v_old) and (
      exists (select from run_steps s where s.run_id = r.id and s.status = 'unknown')
      or exists (select from campaign_runs o where o.retry_of = r.id)
      or exists (select from budget_entries e where e.run_id = r.id and e.state = 'held')
      or exists (select from notifications n where n.run_id = r.id and n.status in ('pending', 'sending'))
      or c.deleted_at is null and exists (
        select from budget_entries e
        where e.run_id = r.id and e.state = 'settled' and e.spent_micros > 0 and not e.cost_unknown
          and not exists (
            select from budget_entries n
            where n.campaign_id = e.campaign_id and n.step_name = e.step_name and n.created_at > e.created_at
              and n.state = 'settled' and n.spent_micros > 0 and not n.cost_unknown
            order by n.created_at desc offset 19 limit 1))));
  update campaign_runs set ages_from_at = p_before + interval '1 day' where id = any (v_needed);
  v_old := array(select unnest(v_old) except select unnest(v_needed));
  update campaign_fires set run_id = null where run_id = any (v_old);
  update notifications set run_id = null where run_id = any (v_old);
  delete from agent_decisions where run_id = any (v_old);
  delete from budget_entries where run_id = any (v_old);
  delete from run_events where run_id = any (v_old);
  delete from run_steps where run_id = any (v_old);
  delete from campaign_runs where id = any (v_old);
  return cardinality(v_old);
end $$;

-- Fires of nominal times before p_before, but for those whose run goes on.
create function prune_fires(p_before timestamptz, p_limit integer) returns integer
language plpgsql set search_path = public, pg_temp set enable_seqscan = off set enable_hashjoin = off
set enable_mergejoin = off as $$
declare
  v_gone integer;
begin
  with old as (
    select f.id from campaign_fires f
    where f.scheduled_for < p_before
      -- A scalar subquery, which is looked up row by row; an anti-join may read every run there is.
      and coalesce((select r.completed_at is not null from campaign_runs r where r.id = f.run_id), true)
    order by f.scheduled_for limit p_limit for update skip locked
  )
  delete from campaign_fires f using old where f.id = old.id;
  get diagnostics v_gone = row_count;
  return nullif(v_gone, 0);
end $$;

-- Decisions that concern no run, such as why a fire was skipped; those of runs go with their run.
create function prune_decisions(p_before timestamptz, p_limit integer) returns integer
language plpgsql set search_path = public, pg_temp set enable_seqscan = off set enable_hashjoin = off
set enable_mergejoin = off as $$
declare
  v_gone integer;
begin
  with old as (
    select id from agent_decisions where run_id is null and decided_at < p_before
    order by decided_at limit p_limit for update skip locked
  )
  delete from agent_decisions d using old where d.id = old.id;
  get diagnostics v_gone = row_count;
  return nullif(v_gone, 0);
end $$;

-- Messages that were sent, given up or could not be delivered at all.
create function prune_notifications(p_before timestamptz, p_limit integer) returns integer
language plpgsql set search_path = public, pg_temp set enable_seqscan = off set enable_hashjoin = off
set enable_mergejoin = off as $$
declare
  v_gone integer;
begin
  with old as (
    select id from notifications
    where created_at < p_before and status in ('sent', 'failed', 'undeliverable')
    order by created_at limit p_limit for update skip locked
  )
  delete from notifications n using old where n.id = old.id;
  get diagnostics v_gone = row_count;
  return nullif(v_gone, 0);
end $$;

-- Episodes of trouble that are over. Their campaigns are locked too, as by everybody who opens an episode anew: it cannot
-- vanish between being found and being opened.
create function prune_alert_episodes(p_before timestamptz, p_limit integer) returns integer
language plpgsql set search_path = public, pg_temp set enable_seqscan = off set enable_hashjoin = off
set enable_mergejoin = off as $$
declare
  v_gone integer;
begin
  with old as (
    select a.campaign_id, a.key from alert_episodes a join campaigns c on c.id = a.campaign_id
    where a.closed_at < p_before
    order by a.closed_at limit p_limit for no key update skip locked
  )
  delete from alert_episodes a using old where a.campaign_id = old.campaign_id and a.key = old.key and a.closed_at < p_before;
  get diagnostics v_gone = row_count;
  return nullif(v_gone, 0);
end $$;

-- Counters of periods that had ended by p_before (a month, the longest, has 31 days) and that no run may still
-- charge: nothing is held in them, and they ended before the oldest run that has not.
create function prune_budget_periods(p_before timestamptz, p_limit integer) returns integer
language plpgsql set search_path = public, pg_temp set enable_seqscan = off set enable_hashjoin = off
set enable_mergejoin = off as $$
declare
  v_before date;
  v_gone integer;
begin
  select least(p_before, min(created_at))::date - 33 into v_before
    from campaign_runs where status in ('queued', 'running', 'waiting');
  with old as (
    select scope, period, starts_on from budget_periods
    where starts_on < v_before and held_micros = 0
    order by starts_on limit p_limit for update skip locked
  )
  delete from budget_periods b using old where b.scope = old.scope and b.period = old.period and b.starts_on = old.starts_on;
  get diagnostics v_gone = row_count;
  return nullif(v_gone, 0);
end $$;

-- Which thresholds were told in periods that had ended by p_before.
create function prune_budget_alerts(p_before timestamptz, p_limit integer) returns integer
language plpgsql set search_path = public, pg_temp set enable_seqscan = off set enable_hashjoin = off
set enable_mergejoin = off as $$
declare
  v_before date;
  v_gone integer;
begin
  select least(p_before, min(created_at))::date - 33 into v_before
    from campaign_runs where status in ('queued', 'running', 'waiting');
  with old as (
    select scope, period, starts_on, percent from budget_alerts where starts_on < v_before
    order by starts_on limit p_limit for update skip locked
  )
  delete from budget_alerts a using old
  where a.scope = old.scope and a.period = old.period and a.starts_on = old.starts_on and a.percent = old.percent;
  get diagnostics v_gone = row_count;
  return nullif(v_gone, 0);
end $$;

-- Kept answers to requests.
create function prune_idempotency_keys(p_before timestamptz, p_limit integer) returns integer
language plpgsql set search_path = public, pg_temp set enable_seqscan = off set enable_hashjoin = off
set enable_mergejoin = off as $$
declare
  v_gone integer;
begin
  with old as (
    select key from idempotency_keys where created_at < p_before
    order by created_at limit p_limit for update skip locked
  )
  delete from idempotency_keys k using old where k.key = old.key and k.created_at < p_before;
  get diagnostics v_gone = row_count;
  return nullif(v_gone, 0);
end $$;

do $$
declare
  f regprocedure;
begin
  for f in
    select p.oid::regprocedure from pg_proc p join pg_namespace n on n.oid = p.pronamespace
    where n.nspname = 'public' and p.proname in ('prune_run_events', 'prune_runs', 'prune_fires',
      'prune_decisions', 'prune_notifications', 'prune_alert_episodes', 'prune_budget_periods', 'prune_budget_alerts',
      'prune_idempotency_keys')
  loop
    execute format('revoke all on function %s from public', f);
    if exists (select from pg_roles where rolname = 'service_role') then
      execute format('revoke all on function %s from anon, authenticated', f);
      execute format('grant execute on function %s to service_role', f);
    end if;
  end loop;
end $$;
