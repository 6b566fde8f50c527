-- The money of many runs in one pass: what attempts cost and what the next ones hold comes to the same counters, which were locked,
-- judged and written once for each of the two. Now once for both. (Looked up as in 20261121000600.)

-- Charges and holds of journal_write in a few statements over all of them: p_runs by place, null where the entry is not to
-- be written; p_out the places of begins that are not made; p_ended the runs that end. Makes and locks all counters, in their one
-- order, that the call comes to, those of what ended runs still hold among them. Returns true when everything is written: each
-- charge settles a hold or is new, no threshold is crossed, and all holds fit together after all charges. Otherwise only
-- the locks are taken, and journal_charge and budget_hold are to judge each in its turn.
create function journal_money(p_runs uuid[], p_charges jsonb, p_begins jsonb, p_out integer[], p_ended uuid[])
returns boolean
language plpgsql set search_path = public, pg_temp set enable_seqscan = off set enable_hashjoin = off
set enable_mergejoin = off as $$
declare
  v_scopes text[];
  v_periods text[];
  v_starts date[];
  v_campaigns uuid[];
  v_freed bigint[];
  v_spent bigint[];
  v_asked bigint[];
  v_hold_limits bigint[];
  v_charge_limits bigint[];
  v_made boolean;
  v_plain boolean;
  v record;
begin
  select array_agg(q.scope), array_agg(q.period), array_agg(q.starts_on), array_agg(q.campaign_id), array_agg(q.freed),
      array_agg(q.spent), array_agg(q.asked), array_agg(q.hold_limit), array_agg(q.charge_limit),
      bool_and((select true from budget_periods b where b.scope = q.scope and b.period = q.period
        and b.starts_on = q.starts_on limit 1) is not null)
    into v_scopes, v_periods, v_starts, v_campaigns, v_freed, v_spent, v_asked, v_hold_limits, v_charge_limits, v_made
    from (
      select p.scope, p.period, p.starts_on, min(p.campaign_id::text)::uuid as campaign_id, sum(m.freed)::bigint as freed,
        sum(m.spent)::bigint as spent, sum(m.asked)::bigint as asked,
        min(p."limit") filter (where m.what = 'hold') as hold_limit,
        min(p."limit") filter (where m.what = 'charge') as charge_limit
      from (
        select 'hold' as what, 0 as freed, 0 as spent, h.amount as asked, h.periods
        from jsonb_to_recordset(p_begins) as b (i integer, hold jsonb), jsonb_to_record(b.hold) as h (amount bigint, periods jsonb)
        where b.hold is not null and p_runs[b.i] is not null and not b.i = any (p_out)
        union all
        select 'charge', coalesce(e.held_micros, 0), coalesce(c.amount, e.held_micros, 0), 0, coalesce(e.periods, c.periods)
        from jsonb_to_recordset(p_charges) as c (i integer, key text, amount bigint, periods jsonb)
          left join lateral (select x.held_micros, x.periods from budget_entries x where x.key = c.key limit 1) e on true
        where p_runs[c.i] is not null
        union all
        select 'left', 0, 0, 0, x.periods from budget_entries x where x.run_id = any (p_ended) and x.state || '' = 'held'
      ) m, jsonb_to_recordset(m.periods) as p (scope text, period text, starts_on date, campaign_id uuid, "limit" bigint)
      group by 1, 2, 3 order by 1, 2, 3
    ) q;
  if v_scopes is null then
    -- Nothing here is for a counter; only a charge of what was never held could be left, which is not to be passed over.
    return not exists (select from jsonb_to_recordset(p_charges) as c (i integer) where p_runs[c.i] is not null);
  end if;
  if not v_made then
    insert into budget_periods (scope, period, starts_on, campaign_id)
    select u.scope, u.period, u.starts_on, u.campaign_id
    from unnest(v_scopes, v_periods, v_starts, v_campaigns) as u (scope, period, starts_on, campaign_id)
    order by 1, 2, 3
    on conflict do nothing;
  end if;

  select count(*) = cardinality(v_scopes)
      and bool_and(u.hold_limit is null or b.spent_micros + u.spent + b.held_micros - u.freed + u.asked < u.hold_limit)
      and not bool_or(u.charge_limit is not null and b.spent_micros + u.spent > 0
        and (b.spent_micros + u.spent)::numeric * 100 >= u.charge_limit::numeric * 50
        and exists (
          select from unnest(array[50, 80, 100]) as t (percent)
          where (b.spent_micros + u.spent)::numeric * 100 >= u.charge_limit::numeric * t.percent
            and (select true from budget_alerts a where a.scope = u.scope and a.period = u.period
              and a.starts_on = u.starts_on and a.percent = t.percent limit 1) is null))
    into v_plain
    from unnest(v_scopes, v_periods, v_starts, v_freed, v_spent, v_asked, v_hold_limits, v_charge_limits)
        as u (scope, period, starts_on, freed, spent, asked, hold_limit, charge_limit)
      cross join lateral (
        select x.spent_micros, x.held_micros from budget_periods x
        where x.scope = u.scope and x.period = u.period and x.starts_on = u.starts_on limit 1 for update) b;
  -- Only now may the entries be judged: whoever else settles one of them has let go of its counters.
  v_plain := v_plain and coalesce((
      select count(distinct c.key) = count(*) and bool_and(coalesce(c.amount, 0) >= 0
        and case when e.key is null then c.periods is not null else e.state = 'held' end)
      from jsonb_to_recordset(p_charges) as c (i integer, key text, amount bigint, periods jsonb)
        left join lateral (select x.key, x.state from budget_entries x where x.key = c.key limit 1) e on true
      where p_runs[c.i] is not null), true)
    and coalesce((
      select count(distinct h.key) = count(*) and bool_and(h.amount >= 0
        and (select x.key from budget_entries x where x.key = h.key limit 1) is null)
      from jsonb_to_recordset(p_begins) as b (i integer, hold jsonb), jsonb_to_record(b.hold) as h (key text, amount bigint)
      where b.hold is not null and p_runs[b.i] is not null and not b.i = any (p_out)), true);
  if not v_plain then
    return false;
  end if;

  for v in
    select c.* from jsonb_to_recordset(p_charges) as c (i integer, key text, amount bigint, at timestamptz, campaign_id uuid,
      run_id uuid, step_name text, periods jsonb)
    where p_runs[c.i] is not null
  loop
    update budget_entries set state = 'settled', spent_micros = coalesce(v.amount, held_micros),
      cost_unknown = v.amount is null, settled_at = v.at
    where key = v.key;
    if not found then
      insert into budget_entries (key, campaign_id, run_id, step_name, state, held_micros, spent_micros, cost_unknown,
        periods, created_at, settled_at)
      values (v.key, v.campaign_id, v.run_id, v.step_name, 'settled', 0, coalesce(v.amount, 0), v.amount is null, v.periods,
        v.at, v.at);
    end if;
  end loop;
  insert into budget_entries (key, campaign_id, run_id, step_name, state, held_micros, periods, created_at)
  select h.key, h.campaign_id, h.run_id, h.step_name, 'held', h.amount, h.periods, h.at
  from jsonb_to_recordset(p_begins) as b (i integer, hold jsonb),
    jsonb_to_record(b.hold) as h (key text, campaign_id uuid, run_id uuid, step_name text, amount bigint, periods jsonb,
      at timestamptz)
  where b.hold is not null and p_runs[b.i] is not null and not b.i = any (p_out);
  for n in 1 .. cardinality(v_scopes) loop
    continue when v_asked[n] = v_freed[n] and v_spent[n] = 0;
    update budget_periods set held_micros = held_micros + v_asked[n] - v_freed[n], spent_micros = spent_micros + v_spent[n]
      where scope = v_scopes[n] and period = v_periods[n] and starts_on = v_starts[n];
  end loop;
  return true;
end $$;

-- As before, with the money of all entries in one pass where that is possible.
create or replace function journal_write(p_entries jsonb, p_runs jsonb, p_steps jsonb, p_events jsonb, p_begins jsonb,
  p_charges jsonb, p_extras jsonb) returns jsonb
language plpgsql set search_path = public, pg_temp set enable_seqscan = off set enable_hashjoin = off
set enable_mergejoin = off as $$
declare
  v record;
  v_count integer := jsonb_array_length(p_entries);
  -- By place; null where the entry is not to be written (again).
  v_runs uuid[] := array_fill(null::uuid, array[greatest(1, v_count)]);
  v_ats timestamptz[] := array_fill(null::timestamptz, array[greatest(1, v_count)]);
  v_taken integer := 0;
  v_ended uuid[] := '{}';
  -- Places of the begins that are not made.
  v_out integer[] := '{}';
  v_answers jsonb := '[]';
  v_alerts jsonb := '[]';
  v_list jsonb;
  v_items jsonb;
begin
  if p_extras <> '[]' or p_entries @? '$[*].ends' then
    perform 1 from campaigns where id in (
      select (q #>> '{}')::uuid from jsonb_path_query(p_entries, '$[*].ends') q
      union select (value ->> 'campaign_id')::uuid from jsonb_array_elements(p_extras))
    order by id for no key update;
  end if;

  if p_entries @? '$[*].again' then
    -- The earlier try may be about to commit: only a statement that begins after that sees what it has written.
    perform 1 from campaign_runs where id = any (array(select (value ->> 'run_id')::uuid from jsonb_array_elements(p_entries)))
      order by id for no key update;
  end if;
  -- Locks in the order of the list, which is that of the ids. The status is written so that no index on it fits.
  for v in
    select g.i, r.id, g.at, g.ends
    from jsonb_to_recordset(p_entries) as g (i integer, run_id uuid, epoch integer, at timestamptz, after_seq integer,
        again boolean, ends uuid)
      cross join lateral (
        select c.id from campaign_runs c
        where c.id = g.run_id and c.epoch = g.epoch and c.status || '' = 'running' limit 1 for no key update) r
    where (g.again is not true or (
      select true from run_events e where e.run_id = g.run_id and e.seq = g.after_seq + 1 and e.occurred_at = g.at
      limit 1) is null)
  loop
    v_runs[v.i] := v.id;
    v_ats[v.i] := v.at;
    v_taken := v_taken + 1;
    if v.ends is not null then
      v_ended := v_ended || v.id;
    end if;
  end loop;

  if v_taken < v_count then
    for v in
      select g.i, (select max(l.seq) from run_events l where l.run_id = r.id) as seq,
        b.name is not null and s.name is null as unmade
      from jsonb_to_recordset(p_entries) as g (i integer, run_id uuid, epoch integer, at timestamptz, after_seq integer,
          again boolean)
        left join run_events e on g.again and e.run_id = g.run_id and e.seq = g.after_seq + 1 and e.occurred_at = g.at
        left join campaign_runs r on r.id = e.run_id and r.epoch = g.epoch
        left join jsonb_to_recordset(p_begins) as b (i integer, name text, attempts integer) on b.i = g.i
        left join run_steps s on s.run_id = g.run_id and s.name = b.name and s.attempts >= b.attempts
      where v_runs[g.i] is null
    loop
      v_answers := v_answers || case
        when v.seq is null then jsonb_build_object('i', v.i, 'accepted', false)
        when v.unmade then jsonb_build_object('i', v.i, 'seq', v.seq, 'stale', true)
        else jsonb_build_object('i', v.i, 'seq', v.seq) end;
    end loop;
  end if;

  if p_runs <> '[]' then
    for v in
      select g.*
      from jsonb_to_recordset(p_runs) as g (i integer, event_seq integer, ends boolean, status text, status_reason text,
        steps_completed integer, steps_failed integer, prospects_generated integer, leads_analyzed integer,
        emails_composed integer, emails_sent integer, total_cost_micros bigint, cost_unknown boolean, dry_run boolean,
        results jsonb, errors jsonb)
      where v_runs[g.i] is not null
    loop
      update campaign_runs r set
        event_seq = v.event_seq,
        -- A cancel that was asked for meanwhile would be heard by nobody while the run waits: the next claim ends it.
        status = case when v.status = 'waiting' and r.cancel_requested_at is not null then 'queued'
          else coalesce(v.status, r.status) end,
        status_reason = case when v.status is null then r.status_reason else v.status_reason end,
        completed_at = case when v.ends then coalesce(r.completed_at, v_ats[v.i]) else r.completed_at end,
        claimed_by = case when coalesce(v.status, 'running') = 'running' then r.claimed_by end,
        lease_until_at = case when coalesce(v.status, 'running') = 'running' then r.lease_until_at end,
        steps_completed = coalesce(v.steps_completed, r.steps_completed),
        steps_failed = coalesce(v.steps_failed, r.steps_failed),
        prospects_generated = coalesce(v.prospects_generated, r.prospects_generated),
        leads_analyzed = coalesce(v.leads_analyzed, r.leads_analyzed),
        emails_composed = coalesce(v.emails_composed, r.emails_composed),
        emails_sent = coalesce(v.emails_sent, r.emails_sent),
        total_cost_micros = coalesce(v.total_cost_micros, r.total_cost_micros),
        cost_unknown = coalesce(v.cost_unknown, r.cost_unknown),
        dry_run = coalesce(v.dry_run, r.dry_run),
        results = coalesce(v.results, r.results),
        errors = coalesce(v.errors, r.errors)
      where r.id = v_runs[v.i];
    end loop;
  end if;

  if p_begins <> '[]' then
    select array_agg(b.i), jsonb_agg(jsonb_build_object('i', b.i, 'stale', true)) into v_out, v_list
      from jsonb_to_recordset(p_begins) as b (i integer, version integer, campaign_id uuid)
      where v_runs[b.i] is not null
        and b.version is distinct from (select c.version from campaigns c where c.id = b.campaign_id);
    v_out := coalesce(v_out, '{}');
    v_answers := v_answers || coalesce(v_list, '[]');
  end if;
  if (p_charges <> '[]' or p_begins @? '$[*].hold') and not journal_money(v_runs, p_charges, p_begins, v_out, v_ended) then
    if p_charges <> '[]' then
      select jsonb_agg(value) into v_list from jsonb_array_elements(p_charges) where v_runs[(value ->> 'i')::integer] is not null;
      if v_list is not null then
        v_alerts := journal_charge(v_list);
      end if;
    end if;
    select jsonb_agg(b.hold order by b.i), jsonb_agg(b.i order by b.i) into v_list, v_items
      from jsonb_to_recordset(p_begins) as b (i integer, hold jsonb)
      where b.hold is not null and v_runs[b.i] is not null and not b.i = any (v_out);
    if v_list is not null then
      for v in
        select (v_items -> (a.place::integer - 1))::integer as i, a.answer
        from jsonb_array_elements(budget_hold(v_list)) with ordinality as a (answer, place)
        where not (a.answer ->> 'admitted')::boolean
      loop
        v_out := v_out || v.i;
        v_answers := v_answers || jsonb_build_object('i', v.i, 'refused', v.answer);
      end loop;
    end if;
  end if;

  insert into run_events (run_id, seq, type, occurred_at, data)
  select v_runs[x.i], x.seq, x.type, v_ats[x.i], coalesce(x.data, '{}')
  from jsonb_to_recordset(p_events) as x (i integer, seq integer, begins boolean, type text, data jsonb)
  where v_runs[x.i] is not null and not (x.begins is true and x.i = any (v_out));

  insert into run_steps (run_id, name, position, kind, effect, status, attempts, started_at, completed_at,
    cost_micros, cost_unknown, counts, output, error, attempt_log, carried_from)
  select v_runs[s.i], s.name, s.position, s.kind, s.effect, s.status, coalesce(s.attempts, 0), s.started_at,
    s.completed_at, coalesce(s.cost_micros, 0), coalesce(s.cost_unknown, false), coalesce(s.counts, '{}'),
    s.output, s.error, coalesce(s.attempt_log, '[]'), s.carried_from
  from jsonb_to_recordset(p_steps) as s (i integer, begins boolean, name text, position integer, kind text, effect text,
    status text, attempts integer, started_at timestamptz, completed_at timestamptz, cost_micros bigint,
    cost_unknown boolean, counts jsonb, output jsonb, error jsonb, attempt_log jsonb, carried_from uuid)
  where v_runs[s.i] is not null and not (s.begins is true and s.i = any (v_out))
  on conflict (run_id, name) do update set
    position = excluded.position, kind = excluded.kind, effect = excluded.effect, status = excluded.status,
    attempts = excluded.attempts, started_at = excluded.started_at, completed_at = excluded.completed_at,
    cost_micros = excluded.cost_micros, cost_unknown = excluded.cost_unknown, counts = excluded.counts,
    output = excluded.output, error = excluded.error, attempt_log = excluded.attempt_log,
    carried_from = excluded.carried_from;

  if v_alerts <> '[]' then
    v_answers := v_answers || journal_alerts(v_alerts, v_runs, v_ats);
  end if;
  if v_ended <> '{}' then
    perform journal_end(v_ended);
  end if;
  if p_extras <> '[]' then
    for v in
      select x.*, v_ats[x.i] as at from jsonb_to_recordset(p_extras)
        as x (i integer, campaign_id uuid, outbox jsonb, decisions jsonb, pause jsonb)
      where v_runs[x.i] is not null
    loop
      if v.pause is not null then
        update campaigns set status = 'paused', paused_by = 'budget', status_reason = v.pause ->> 'reason',
          resume_at = (v.pause ->> 'resume_at')::timestamptz, version = version + 1
        where id = v.campaign_id and status = 'active';
      end if;
      perform outbox_put(coalesce(v.outbox, '[]'), v.at);
      insert into agent_decisions (id, agent, action, campaign_id, run_id, decided_at, reasoning, confidence,
        predicted, evidence)
      select d.id, d.agent, d.action, v.campaign_id, v_runs[v.i], v.at, d.reasoning, d.confidence,
        coalesce(d.predicted, '{}'), coalesce(d.evidence, '{}')
      from jsonb_populate_recordset(null::agent_decisions, coalesce(v.decisions, '[]')) d
      on conflict (id) do nothing;
    end loop;
  end if;
  return v_answers;
end $$;

-- journal_counters is not called any more; it goes with a later version.

do $$
declare
  f regprocedure;
begin
  for f in
    select p.oid::regprocedure from pg_proc p join pg_namespace n on n.oid = p.pronamespace
    where n.nspname = 'public' and p.proname in ('journal_money')
  loop
    execute format('revoke all on function %s from public', f);
    if exists (select from pg_roles where rolname = 'service_role') then
      execute format('revoke all on function %s from anon, authenticated', f);
      execute format('grant execute on function %s to service_role', f);
    end if;
  end loop;
end $$;
