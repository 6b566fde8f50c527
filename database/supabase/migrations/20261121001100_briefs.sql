-- Briefs: runs of one campaign whose steps write, and one that audits.

-- How the runs of a campaign that were begun in a span of time have gone. Durations in milliseconds; rates from 0 to 1, null
-- where nothing counts. A run succeeds when it completed; cancelled ones count for nothing but the rate of cancelling.
-- Agents are the kinds of steps; one that was carried over from an earlier run is not counted again.
create function brief_metrics(p_campaign_id uuid, p_since timestamptz, p_until timestamptz) returns jsonb
language sql stable set search_path = public, pg_temp as $$
  with runs as (
    select r.id, r.status, r.created_at, 1000 * extract(epoch from r.completed_at - r.created_at) as ms,
      (select 1000 * extract(epoch from min(s.completed_at) - r.created_at) from run_steps s
        where s.run_id = r.id and s.kind <> 'audit' and s.status = 'completed' and s.carried_from is null) as first_ms,
      (select 1000 * extract(epoch from max(s.completed_at) - min(s.started_at)) from run_steps s
        where s.run_id = r.id and s.kind = 'audit' and s.completed_at is not null and s.carried_from is null) as audit_ms
    from campaign_runs r
    where r.campaign_id = p_campaign_id and r.created_at >= p_since and r.created_at < p_until
      and r.status in ('completed', 'partial', 'failed', 'aborted', 'cancelled')
  ), agents as (
    select s.kind, count(*) as ended, count(*) filter (where s.status = 'failed') as failed,
      sum(greatest(0, s.attempts - 1)) as retries,
      avg(1000 * extract(epoch from s.completed_at - s.started_at)) as mean_ms,
      percentile_cont(0.95) within group (order by 1000 * extract(epoch from s.completed_at - s.started_at)) as p95_ms,
      sum(s.cost_micros) as cost_micros
    from runs r join run_steps s on s.run_id = r.id
    where s.status in ('completed', 'failed') and s.carried_from is null
    group by s.kind
  )
  select jsonb_build_object(
    'runs', count(*),
    'completed', count(*) filter (where status = 'completed'),
    'partial', count(*) filter (where status = 'partial'),
    'failed', count(*) filter (where status in ('failed', 'aborted')),
    'cancelled', count(*) filter (where status = 'cancelled'),
    'success_rate', round(count(*) filter (where status = 'completed')::numeric
      / nullif(count(*) filter (where status <> 'cancelled'), 0), 4),
    'cancellation_rate', round(count(*) filter (where status = 'cancelled')::numeric / nullif(count(*), 0), 4),
    'mean_ms', round(avg(ms) filter (where status <> 'cancelled')),
    'p95_ms', round((percentile_cont(0.95) within group (order by ms) filter (where status <> 'cancelled'))::numeric),
    'first_artifact_mean_ms', round(avg(first_ms)),
    'first_artifact_p95_ms', round((percentile_cont(0.95) within group (order by first_ms))::numeric),
    'audit_mean_ms', round(avg(audit_ms)),
    'agents', coalesce((
      select jsonb_agg(jsonb_build_object('agent', kind, 'ended', ended, 'failed', failed, 'retries', retries,
        'failure_rate', round(failed::numeric / ended, 4), 'mean_ms', round(mean_ms), 'p95_ms', round(p95_ms::numeric),
        'cost_micros', cost_micros) order by kind)
      from agents), '[]'))
  from runs
$$;

-- How long the writing steps of a campaign's last runs took: the largest of each run, the newest first, in milliseconds.
create function brief_agent_times(p_campaign_id uuid, p_limit integer) returns jsonb
language sql stable set search_path = public, pg_temp as $$
  select coalesce(jsonb_agg(t.ms order by t.id desc), '[]')
  from (
    select r.id, max(1000 * extract(epoch from s.completed_at - s.started_at))::bigint as ms
    from (
      select c.id from campaign_runs c
      where c.campaign_id = p_campaign_id and c.status in ('completed', 'partial', 'failed')
      order by c.id desc limit p_limit) r
      join run_steps s on s.run_id = r.id
    where s.kind <> 'audit' and s.carried_from is null and s.completed_at is not null
    group by r.id
  ) t
$$;

-- The runs that belong together because each repairs the one before: from the first to the newest, as ids. Empty for a run
-- that is not of the campaign. Where one was repaired twice, the last of those that were repaired the most.
create function run_chain(p_run_id uuid, p_campaign_id uuid) returns jsonb
language sql stable set search_path = public, pg_temp as $$
  with recursive up as (
    select r.id, r.retry_of, 0 as depth from campaign_runs r where r.id = p_run_id and r.campaign_id = p_campaign_id
    union all
    select r.id, r.retry_of, up.depth + 1 from up join campaign_runs r on r.id = up.retry_of where up.depth < 1000
  ), down as (
    (select id, 0 as depth from up order by up.depth desc limit 1)
    union all
    select r.id, down.depth + 1 from down join campaign_runs r on r.retry_of = down.id where down.depth < 1000
  )
  select coalesce(jsonb_agg(id order by depth, id), '[]') from down
$$;

-- Runs of a campaign whose audit could not be made, which nobody has repaired, of briefs that came since p_since; no id before
-- p_from_id is of that time. The next try comes when as much time has gone by again as lay between the brief and the last try,
-- a minute at least.
create function briefs_without_audit(p_campaign_id uuid, p_now timestamptz, p_since timestamptz, p_from_id uuid,
  p_limit integer) returns jsonb
language sql stable set search_path = public, pg_temp as $$
  select coalesce(jsonb_agg(jsonb_build_object('run_id', d.id, 'completed_at', d.completed_at) order by d.id), '[]')
  from (
    select r.id, r.completed_at
    from campaign_runs r
    where r.campaign_id = p_campaign_id and r.status = 'partial' and r.id >= p_from_id
      and r.completed_at + greatest(interval '1 minute',
        r.completed_at - (r.definition #>> '{metadata,submittedAt}')::timestamptz) <= p_now
      and (r.definition #>> '{metadata,submittedAt}')::timestamptz >= p_since
      and not exists (select from campaign_runs n where n.retry_of = r.id)
      and exists (select from run_steps s where s.run_id = r.id and s.kind = 'audit' and s.status = 'failed'
        and s.error ->> 'code' = 'AUDIT_PENDING')
    order by r.id limit p_limit) d
$$;

-- Answers of models, by a hash of all that they depend on: the same question is not paid for twice.
create table model_answers (
  key text primary key check (key ~ '^[0-9a-f]{64}$'),
  json jsonb not null,
  model text not null,
  cost_micros bigint not null check (cost_micros >= 0),
  created_at timestamptz not null
);
create index model_answers_age on model_answers (created_at);
alter table model_answers enable row level security;

create function prune_model_answers(p_before timestamptz, p_limit integer) returns integer
language plpgsql set search_path = public, pg_temp set enable_seqscan = off set enable_hashjoin = off
set enable_mergejoin = off as $$
declare
  v_gone integer;
begin
  with old as (
    select key from model_answers where created_at < p_before order by created_at limit p_limit for update skip locked
  )
  delete from model_answers k using old where k.key = old.key and k.created_at < p_before;
  get diagnostics v_gone = row_count;
  return nullif(v_gone, 0);
end $$;

do $$
declare
  f regprocedure;
begin
  if exists (select from pg_roles where rolname = 'service_role') then
    revoke all on table model_answers from public, anon, authenticated;
    grant select, insert, update, delete on table model_answers to service_role;
  end if;
  for f in
    select p.oid::regprocedure from pg_proc p join pg_namespace n on n.oid = p.pronamespace
    where n.nspname = 'public' and p.proname in ('brief_metrics', 'brief_agent_times', 'run_chain', 'briefs_without_audit',
      'prune_model_answers')
  loop
    execute format('revoke all on function %s from public', f);
    if exists (select from pg_roles where rolname = 'service_role') then
      execute format('revoke all on function %s from anon, authenticated', f);
      execute format('grant execute on function %s to service_role', f);
    end if;
  end loop;
end $$;
