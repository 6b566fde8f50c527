-- Decisions about the plans of a workspace form a chain: each holds the SHA-256 of the one before, so that none can be changed, removed
-- or slipped in unnoticed. They are kept for ever, longer than the runs that they were taken in. Decisions without a workspace, which the
-- service takes about fires and runs, stay as they were: in no chain, and pruned with what they explain.

alter table agent_decisions
  add column workspace text,
  add column plan_id uuid,
  add column chain_seq bigint,
  add column prev_hash text,
  add column hash text,
  drop constraint agent_decisions_run_id_fkey,
  -- Every row that there is fulfils it, so none need be looked at.
  add constraint agent_decisions_chained check (num_nulls(workspace, chain_seq, prev_hash, hash) in (0, 4)) not valid;
create unique index agent_decisions_chain on agent_decisions (workspace, chain_seq) where workspace is not null;

-- Lists are ordered by time; entries of one time in the order of their chain.
create index agent_decisions_list on agent_decisions (decided_at, (coalesce(chain_seq, 0)), id);
create index agent_decisions_workspace on agent_decisions (workspace, decided_at, (coalesce(chain_seq, 0)), id)
  where workspace is not null;
create index agent_decisions_plan on agent_decisions (plan_id, decided_at, (coalesce(chain_seq, 0)), id)
  where plan_id is not null;
create index agent_decisions_campaign on agent_decisions (campaign_id, decided_at, (coalesce(chain_seq, 0)), id)
  where campaign_id is not null;
drop index agent_decisions_without_run;
create index agent_decisions_without_run on agent_decisions (decided_at) where run_id is null and workspace is null;

-- Where the chain of each workspace ends. Whoever appends holds this row, and no other.
create table decision_chains (
  workspace text primary key,
  seq bigint not null,
  head_hash text not null
);

-- What a decision's hash is taken of: the text of a JSON array of strings and nulls, without spaces, exactly as JSON.stringify writes
-- it. Its strings are, in this order: the name of this formula, workspace, chain_seq, prev_hash, id, agent, action, campaign_id, run_id,
-- plan_id, decided_at in microseconds since 1970, reasoning, confidence with three decimals, and predicted and evidence as Postgres
-- writes a jsonb. `prev_hash` of the first entry of a chain is 64 zeros.
create function decision_text(d agent_decisions) returns text
language sql stable set search_path = public, pg_temp as $$
  select array_to_json(array['agent_decisions/1', d.workspace, d.chain_seq::text, d.prev_hash, d.id::text, d.agent, d.action,
    d.campaign_id::text, d.run_id::text, d.plan_id::text, trunc(extract(epoch from d.decided_at) * 1000000)::text, d.reasoning,
    d.confidence::text, d.predicted::text, d.evidence::text])::text
$$;

-- 64 hexadecimal digits, in small letters.
create function decision_hash(d agent_decisions) returns text
language sql stable set search_path = public, pg_temp as $$
  select encode(sha256(convert_to(decision_text(d), 'UTF8')), 'hex')
$$;

-- Appends decisions to the chains of their workspaces, in the order given, all or none. One whose id is there already is left out as it
-- is: writing again what may have been written is harmless. Returns how many are new.
create function record_decisions(p_decisions jsonb) returns integer
language plpgsql set search_path = public, pg_temp as $$
declare
  v_workspace text;
  h decision_chains;
  d agent_decisions;
  v_new integer := 0;
begin
  -- Chains are locked in one order, so that those who write to several never wait for each other in a circle.
  for v_workspace in select distinct x ->> 'workspace' as w from jsonb_array_elements(p_decisions) x order by w loop
    insert into decision_chains (workspace, seq, head_hash) values (v_workspace, 0, repeat('0', 64))
    on conflict (workspace) do nothing;
    select * into h from decision_chains where workspace = v_workspace for update;
    for d in
      select r.* from jsonb_array_elements(p_decisions) with ordinality x (item, n),
        jsonb_populate_record(null::agent_decisions, x.item) r
      where x.item ->> 'workspace' = v_workspace order by x.n
    loop
      d.predicted := coalesce(d.predicted, '{}');
      d.evidence := coalesce(d.evidence, '{}');
      d.chain_seq := h.seq + 1;
      d.prev_hash := h.head_hash;
      d.hash := decision_hash(d);
      insert into agent_decisions (id, agent, action, campaign_id, run_id, decided_at, reasoning, confidence, predicted, evidence,
        workspace, plan_id, chain_seq, prev_hash, hash)
      values (d.id, d.agent, d.action, d.campaign_id, d.run_id, d.decided_at, d.reasoning, d.confidence, d.predicted, d.evidence,
        d.workspace, d.plan_id, d.chain_seq, d.prev_hash, d.hash)
      on conflict (id) do nothing;
      continue when not found;
      h.seq := d.chain_seq;
      h.head_hash := d.hash;
      v_new := v_new + 1;
    end loop;
    update decision_chains set seq = h.seq, head_hash = h.head_hash where workspace = v_workspace;
  end loop;
  return v_new;
end $$;

-- Follows the chain of a workspace and computes every hash anew; reads one row at a time. Returns {workspace, entries, head_seq,
-- head_hash, valid, first_break, next}: entries hold from the first one on; first_break is null or {seq, id, problem}. With p_limit it
-- looks at so many rows at most, and `next` is what to give as p_from to go on (null at the end). It sees one moment (it is
-- stable), so that entries written meanwhile do not disturb it. Returns null when the workspace has no chain.
create function verify_decisions(p_workspace text, p_from jsonb default null, p_limit integer default null) returns jsonb
language plpgsql stable set search_path = public, pg_temp as $$
declare
  h decision_chains;
  d agent_decisions;
  v_seq bigint := coalesce((p_from ->> 'seq')::bigint, 0);
  v_hash text := coalesce(p_from ->> 'hash', repeat('0', 64));
  v_at bigint;
  v_id uuid;
  v_problem text;
  v_rows integer := 0;
begin
  select * into h from decision_chains where workspace = p_workspace;
  for d in
    select * from agent_decisions where workspace = p_workspace and (p_from is null or chain_seq > v_seq)
    order by chain_seq limit p_limit
  loop
    v_rows := v_rows + 1;
    v_at := d.chain_seq;
    v_id := d.id;
    v_problem := case
      when h.workspace is null then 'head_missing'
      when d.chain_seq <= v_seq then 'extra_row'
      when d.chain_seq > v_seq + 1 and v_seq < h.seq then 'row_missing'
      when d.chain_seq > h.seq then 'extra_row'
      when d.prev_hash is distinct from v_hash then 'chain_broken'
      when d.hash is distinct from decision_hash(d) then 'content_changed'
    end;
    exit when v_problem is not null;
    v_seq := d.chain_seq;
    v_hash := d.hash;
  end loop;
  if v_problem is null and v_rows >= p_limit then
    return jsonb_build_object('workspace', p_workspace, 'entries', v_seq, 'head_seq', h.seq, 'head_hash', h.head_hash, 'valid', true,
      'first_break', null, 'next', jsonb_build_object('seq', v_seq, 'hash', v_hash));
  end if;
  if v_problem is null then
    if h.workspace is null and v_seq = 0 then
      return null;
    end if;
    v_at := case when h.seq > v_seq then v_seq + 1 else v_seq end;
    v_id := null;
    v_problem := case
      when h.workspace is null then 'head_missing'
      when h.seq > v_seq then 'tail_missing'
      when h.seq < v_seq or h.head_hash is distinct from v_hash then 'head_changed'
    end;
  elsif v_problem = 'row_missing' then
    v_at := v_seq + 1;
    v_id := null;
  end if;
  return jsonb_build_object('workspace', p_workspace, 'entries', v_seq, 'head_seq', h.seq, 'head_hash', h.head_hash,
    'valid', v_problem is null, 'first_break',
    case when v_problem is not null then jsonb_build_object('seq', v_at, 'id', v_id, 'problem', v_problem) end, 'next', null);
end $$;

-- The workspaces that have a chain, or what is left of one, in order.
create function decision_workspaces() returns jsonb
language sql stable set search_path = public, pg_temp as $$
  -- From one to the next by the index, however many entries each has.
  with recursive w as (
    (select workspace from agent_decisions where workspace is not null order by workspace limit 1)
    union all
    select (select a.workspace from agent_decisions a where a.workspace > w.workspace order by a.workspace limit 1)
    from w where w.workspace is not null
  )
  select coalesce(jsonb_agg(workspace order by workspace), '[]') from (
    select workspace from w where workspace is not null union select workspace from decision_chains) u
$$;

-- Decisions that fulfil every condition that is not null, newest first. Goes on after the one with the id p_after; should that be gone,
-- after the time p_after_at.
create function list_decisions(p_workspace text, p_plan_id uuid, p_run_id uuid, p_campaign_id uuid, p_agent text, p_action text,
  p_seq bigint, p_since timestamptz, p_until timestamptz, p_after uuid, p_after_at timestamptz, p_limit integer) returns jsonb
-- Planned for the conditions that are given, or the index of none would be used.
language plpgsql stable set search_path = public, pg_temp set plan_cache_mode = force_custom_plan as $$
declare
  v_at timestamptz;
  v_seq bigint;
  v_rows jsonb;
begin
  if p_after is not null then
    select decided_at, coalesce(chain_seq, 0) into v_at, v_seq from agent_decisions where id = p_after;
    if not found then
      v_at := p_after_at;
      v_seq := 0;
    end if;
  end if;
  select coalesce(jsonb_agg(to_jsonb(l) order by l.decided_at desc, coalesce(l.chain_seq, 0) desc, l.id desc), '[]') into v_rows
  from (
    select * from agent_decisions d
    where (p_workspace is null or d.workspace = p_workspace)
      and (p_plan_id is null or d.plan_id = p_plan_id)
      and (p_run_id is null or d.run_id = p_run_id)
      and (p_campaign_id is null or d.campaign_id = p_campaign_id)
      and (p_agent is null or d.agent = p_agent)
      and (p_action is null or d.action = p_action)
      and (p_seq is null or d.chain_seq = p_seq)
      and (p_since is null or d.decided_at >= p_since)
      and (p_until is null or d.decided_at < p_until)
      and (p_after is null or (d.decided_at, coalesce(d.chain_seq, 0), d.id) < (v_at, v_seq, p_after))
    order by d.decided_at desc, coalesce(d.chain_seq, 0) desc, d.id desc limit p_limit
  ) l;
  return v_rows;
end $$;

-- For the service by whatever way it comes: what is in a chain stays as it is. Whoever else owns the database cannot be kept from
-- changing it, only found out: that is what the chain is for.
create function keep_chained_decision() returns trigger
language plpgsql set search_path = public, pg_temp as $$
begin
  raise exception 'Decision % is in the chain of a workspace: it is never changed and never removed.', old.id
    using errcode = 'restrict_violation';
end $$;
create trigger agent_decisions_append_only before update or delete on agent_decisions
  for each row when (old.workspace is not null
    and (current_user = 'service_role' or current_setting('application_name') = 'pipeline-orchestrator')) execute function keep_chained_decision();

-- As before, but decisions of a workspace stay although their run goes.
create or replace function prune_runs(p_before timestamptz, p_limit integer) returns integer
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
  delete from agent_decisions where run_id = any (v_old) and workspace is null;
  delete from budget_entries where run_id = any (v_old);
  delete from run_events where run_id = any (v_old);
  delete from run_steps where run_id = any (v_old);
  delete from campaign_runs where id = any (v_old);
  return cardinality(v_old);
end $$;

-- As before, but not those of a workspace. To lock a row needs the right to update it, which nobody has here: of replicas that prune
-- at the same time, one does and the others leave it to that one.
create or replace function prune_decisions(p_before timestamptz, p_limit integer) returns integer
language plpgsql set search_path = public, pg_temp set enable_seqscan = off set enable_hashjoin = off
set enable_mergejoin = off as $$
declare
  v_gone integer;
begin
  if not pg_try_advisory_xact_lock(7302011940) then
    return null;
  end if;
  with old as (
    select id from agent_decisions where run_id is null and workspace is null and decided_at < p_before
    order by decided_at limit p_limit
  )
  delete from agent_decisions d using old where d.id = old.id;
  get diagnostics v_gone = row_count;
  return nullif(v_gone, 0);
end $$;

alter table decision_chains enable row level security;
do $$
declare
  f regprocedure;
begin
  if exists (select from pg_roles where rolname = 'service_role') then
    revoke all on table decision_chains from public, anon, authenticated, service_role;
    grant select, insert, update on table decision_chains to service_role;
    revoke all on table agent_decisions from service_role;
    grant select, insert, delete on table agent_decisions to service_role;
  end if;
  for f in
    select p.oid::regprocedure from pg_proc p join pg_namespace n on n.oid = p.pronamespace
    where n.nspname = 'public' and p.proname in ('decision_text', 'decision_hash', 'record_decisions', 'verify_decisions',
      'decision_workspaces', 'list_decisions', 'keep_chained_decision')
  loop
    execute format('revoke all on function %s from public', f);
    if exists (select from pg_roles where rolname = 'service_role') then
      execute format('revoke all on function %s from anon, authenticated', f);
      execute format('grant execute on function %s to service_role', f);
    end if;
  end loop;
end $$;
