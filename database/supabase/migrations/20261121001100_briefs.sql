-- Briefs: runs of one campaign whose steps write, and one that audits.

-- As start_run, for a run that repeats another one (retry_of), which nobody else may have repeated: so that the runs of a brief
-- are a list and not a tree. Returns its answer, or {admitted: false, reason: 'retry_exists'}.
create function start_only_retry(p_campaign_id uuid, p_run jsonb, p_force boolean, p_at timestamptz) returns jsonb
language plpgsql set search_path = public, pg_temp as $$
begin
  perform 1 from campaigns where id = p_campaign_id for no key update;
  if exists (select from campaign_runs where retry_of = (p_run ->> 'retry_of')::uuid) then
    return jsonb_build_object('admitted', false, 'reason', 'retry_exists');
  end if;
  return start_run(p_campaign_id, p_run, p_force, p_at);
end $$;

-- How the briefs that came in a span of time have gone. A brief is counted once, by the newest of its runs: the first, and
-- those that repaired it. Durations in milliseconds, of runs that repair nothing; rates from 0 to 1, null where nothing counts.
-- A brief succeeds when it completed; cancelled ones count for nothing but the rate of cancelling. Agents are the kinds of
-- steps; one that was carried over from an earlier run is not counted again. No id before p_from_id is of that time.
create function brief_metrics(p_campaign_id uuid, p_since timestamptz, p_until timestamptz, p_from_id uuid) returns jsonb
language sql stable set search_path = public, pg_temp as $$
  with recursive runs as (
    select r.id, r.retry_of, r.status, r.created_at, r.completed_at
    from campaign_runs r
    where r.campaign_id = p_campaign_id and r.id >= p_from_id and r.created_at >= p_since and r.created_at < p_until
      and r.definition -> 'metadata' ? 'brief'
  ), chains as (
    select r.id as first_id, r.id, r.status, 0 as repairs from runs r where r.retry_of is null
    union all
    select c.first_id, n.id, n.status, c.repairs + 1
    from chains c join campaign_runs n on n.retry_of = c.id and n.campaign_id = p_campaign_id
    where c.repairs < 1000
  ), briefs as (
    select c.first_id, c.status, c.repairs
    from (select distinct on (first_id) first_id, status, repairs from chains order by first_id, repairs desc) c
    where c.status in ('completed', 'partial', 'failed', 'aborted', 'cancelled')
  ), times as (
    select b.status, 1000 * extract(epoch from r.completed_at - r.created_at) as ms,
      (select 1000 * extract(epoch from min(s.completed_at) - r.created_at) from run_steps s
        where s.run_id = r.id and s.kind <> 'audit' and s.status = 'completed') as first_ms,
      (select 1000 * extract(epoch from max(s.completed_at) - min(s.started_at)) from run_steps s
        where s.run_id = r.id and s.kind = 'audit' and s.completed_at is not null) as audit_ms
    from briefs b join runs r on r.id = b.first_id where r.status <> 'cancelled'
  ), agents as (
    select s.kind, count(*) as ended, count(*) filter (where s.status = 'failed') as failed,
      sum(greatest(0, s.attempts - 1)) as retries,
      avg(1000 * extract(epoch from s.completed_at - s.started_at)) as mean_ms,
      percentile_cont(0.95) within group (order by 1000 * extract(epoch from s.completed_at - s.started_at)) as p95_ms,
      sum(s.cost_micros) as cost_micros
    from runs r join run_steps s on s.run_id = r.id
    where r.completed_at is not null and s.status in ('completed', 'failed') and s.carried_from is null
    group by s.kind
  )
  select jsonb_build_object(
    'runs', count(*),
    'repairs', coalesce(sum(repairs), 0),
    'completed', count(*) filter (where status = 'completed'),
    'partial', count(*) filter (where status = 'partial'),
    'failed', count(*) filter (where status in ('failed', 'aborted')),
    'cancelled', count(*) filter (where status = 'cancelled'),
    'success_rate', round(count(*) filter (where status = 'completed')::numeric
      / nullif(count(*) filter (where status <> 'cancelled'), 0), 4),
    'cancellation_rate', round(count(*) filter (where status = 'cancelled')::numeric / nullif(count(*), 0), 4),
    'mean_ms', (select round(avg(ms)) from times),
    'p95_ms', (select round((percentile_cont(0.95) within group (order by ms))::numeric) from times),
    'first_artifact_mean_ms', (select round(avg(first_ms)) from times),
    'first_artifact_p95_ms', (select round((percentile_cont(0.95) within group (order by first_ms))::numeric) from times),
    'audit_mean_ms', (select round(avg(audit_ms)) from times),
    'agents', coalesce((
      select jsonb_agg(jsonb_build_object('agent', kind, 'ended', ended, 'failed', failed, 'retries', retries,
        'failure_rate', round(failed::numeric / ended, 4), 'mean_ms', round(mean_ms), 'p95_ms', round(p95_ms::numeric),
        'cost_micros', cost_micros) order by kind)
      from agents), '[]'))
  from briefs
$$;

-- How long the writing steps of a campaign's last runs took: the largest of each run, the newest first, in milliseconds.
-- p_from_id is the first id of the time that counts.
create function brief_agent_times(p_campaign_id uuid, p_from_id uuid, p_limit integer) returns jsonb
language sql stable set search_path = public, pg_temp as $$
  select coalesce(jsonb_agg(t.ms order by t.id desc), '[]')
  from (
    select r.id, max(1000 * extract(epoch from s.completed_at - s.started_at))::bigint as ms
    from (
      select c.id from campaign_runs c
      where c.campaign_id = p_campaign_id and c.id >= p_from_id and c.status in ('completed', 'partial', 'failed')
      order by c.id desc limit p_limit) r
      join run_steps s on s.run_id = r.id
    where s.kind <> 'audit' and s.carried_from is null and s.completed_at is not null
    group by r.id
  ) t
$$;

-- The runs that belong together because each repairs the one before: from the first to the newest, as ids. Empty for a run
-- that is not of the campaign.
create function run_chain(p_run_id uuid, p_campaign_id uuid) returns jsonb
language sql stable set search_path = public, pg_temp as $$
  with recursive up as (
    select r.id, r.retry_of, 0 as depth from campaign_runs r where r.id = p_run_id and r.campaign_id = p_campaign_id
    union all
    select r.id, r.retry_of, up.depth + 1 from up join campaign_runs r on r.id = up.retry_of
    where r.campaign_id = p_campaign_id and up.depth < 1000
  ), down as (
    (select id, 0 as depth from up order by up.depth desc limit 1)
    union all
    select r.id, down.depth + 1 from down join campaign_runs r on r.retry_of = down.id
    where r.campaign_id = p_campaign_id and down.depth < 1000
  )
  select coalesce(jsonb_agg(id order by depth, id), '[]') from down
$$;

-- Briefs whose audit could not be made, by the newest run of each: those that came since p_since, unless the campaign is paused
-- or removed. Also those where the next try ended before its audit was begun. No id before p_from_id is of that time. A try
-- comes when as much time has gone by again as lay between the brief and the last try, a minute at least.
create function briefs_without_audit(p_campaign_id uuid, p_now timestamptz, p_since timestamptz, p_from_id uuid,
  p_limit integer) returns jsonb
language sql stable set search_path = public, pg_temp as $$
  with recursive newest as (
    select r.id, r.retry_of, r.status, r.completed_at, r.created_at
    from campaign_runs r
    where r.campaign_id = p_campaign_id and r.id >= p_from_id and r.status in ('partial', 'aborted')
      and r.definition -> 'metadata' ? 'brief'
      and exists (select from campaigns c where c.id = p_campaign_id and c.deleted_at is null and c.status <> 'paused')
      and not exists (select from campaign_runs n where n.retry_of = r.id and n.campaign_id = p_campaign_id)
  ), earlier as (
    select n.id, n.retry_of, n.created_at, n.id as at, 0 as depth from newest n
    union all
    select e.id, r.retry_of, r.created_at, r.id, e.depth + 1
    from earlier e join campaign_runs r on r.id = e.retry_of
    where e.depth < 1000
  ), due as (
    select n.id, n.completed_at, (select min(e.created_at) from earlier e where e.id = n.id) as submitted_at,
      -- The last word on the audit in the chain.
      (select s.error ->> 'code' from earlier e join run_steps s on s.run_id = e.at
        where e.id = n.id and s.kind = 'audit' and s.status in ('completed', 'empty', 'failed')
        order by e.depth limit 1) as last_word
    from newest n
  )
  select coalesce(jsonb_agg(jsonb_build_object('run_id', d.id, 'completed_at', d.completed_at) order by d.id), '[]')
  from (
    select id, completed_at from due
    where last_word = 'AUDIT_PENDING' and submitted_at >= p_since
      and completed_at + greatest(interval '1 minute', completed_at - submitted_at) <= p_now
    order by id limit p_limit) d
$$;

-- Waits no longer for the audit of a brief: true, unless the run is being repaired by then, or waits for none.
create function cancel_pending_audit(p_run_id uuid, p_reason text) returns boolean
language plpgsql set search_path = public, pg_temp as $$
declare
  v_campaign uuid;
begin
  select campaign_id into v_campaign from campaign_runs where id = p_run_id;
  -- The lock under which runs are admitted.
  perform 1 from campaigns where id = v_campaign for no key update;
  if exists (select from campaign_runs where retry_of = p_run_id) then
    return false;
  end if;
  update run_steps set error = jsonb_build_object('code', 'AUDIT_CANCELLED', 'message', p_reason, 'retryable', false)
  where run_id = p_run_id and kind = 'audit' and status = 'failed' and error ->> 'code' = 'AUDIT_PENDING';
  return found;
end $$;

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
      'start_only_retry', 'cancel_pending_audit', 'prune_model_answers')
  loop
    execute format('revoke all on function %s from public', f);
    if exists (select from pg_roles where rolname = 'service_role') then
      execute format('revoke all on function %s from anon, authenticated', f);
      execute format('grant execute on function %s to service_role', f);
    end if;
  end loop;
end $$;
