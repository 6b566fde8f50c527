-- The journal written in sets: everything that workers say about many runs at one moment, in a handful of statements, each
-- over all runs, instead of a loop over them. Workers of the version before go on with claim_run and journal_commit.
-- A plan is cached when it is made, often while tables are still small; one that then goes through the other side of a join for
-- each row is quadratic for ever. So rows of tables are looked up in lateral subqueries with a limit, by = any (array), or
-- in loops: none of these leaves the planner a choice of that kind.

-- Room in a page for the new versions of its rows, which then need no new index entries.
alter table campaign_runs set (fillfactor = 70);
alter table campaigns set (fillfactor = 80);
alter table run_steps set (fillfactor = 70);

-- Steps and events are written only under the lock of their run and pruned before it; the check of each single row against
-- its run costs as much as the row.
alter table run_steps drop constraint run_steps_run_id_fkey;
alter table run_events drop constraint run_events_run_id_fkey;
alter table budget_entries drop constraint budget_entries_run_id_fkey;
alter table budget_entries drop constraint budget_entries_campaign_id_fkey;

-- While a run is running its event_seq may be behind its events: a step's entry only locks the run, and the column
-- follows with the next change of the run's own columns. Whoever takes the run over counts on from its events. (As before, save
-- for that.)
create or replace function claim_run(p_run_id uuid, p_worker text, p_now timestamptz, p_lease_ms bigint) returns jsonb
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
    started_at = coalesce(started_at, p_now), lease_until_at = p_now + p_lease_ms * interval '1 millisecond',
    event_seq = greatest(event_seq, (select max(e.seq) from run_events e where e.run_id = r.id))
  where id = r.id returning * into r;
  return to_jsonb(r);
end $$;

-- Takes runs for one worker, as claim_run does for one, and writes the event that tells of it. Answers with those that
-- were to be had: [{run, steps, campaign: {version, timezone, budget}, history}]. history: what the steps that name no
-- estimate have cost at most in the last 20 known times.
create function claim_runs(p_run_ids jsonb, p_worker text, p_now timestamptz, p_lease_ms bigint) returns json
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
        (select json_agg(row_to_json(s) order by s.position) from run_steps s where s.run_id = t.id), '[]') end,
      'campaign', (select json_build_object('version', c.version, 'timezone', c.schedule_timezone,
        'budget', coalesce(c.config -> 'budget', '{}')) from campaigns c where c.id = t.campaign_id),
      'history', case when exists (select from budget_entries e where e.campaign_id = t.campaign_id
          and e.state = 'settled' and e.spent_micros > 0 and not e.cost_unknown)
        then step_history(t.campaign_id, t.definition) else '{}' end))
    into v_answer
    from taken t;
  return coalesce(v_answer, '[]');
end $$;

-- Of each step of a definition that names no estimate, the largest of its last 20 known costs: {name: micro-dollars or null}.
create function step_history(p_campaign_id uuid, p_definition jsonb) returns json
language sql stable set search_path = public, pg_temp as $$
  select coalesce(json_object_agg(n.name, (
    select max(h.spent_micros) from (
      select e.spent_micros from budget_entries e
      where e.campaign_id = p_campaign_id and e.step_name = n.name
        and e.state = 'settled' and e.spent_micros > 0 and not e.cost_unknown
      order by e.created_at desc limit 20) h)), '{}')
  from (
    select m.value ->> 'name' as name
    from jsonb_array_elements(p_definition -> 'steps') g,
      jsonb_array_elements(coalesce(g.value -> 'parallel', jsonb_build_array(g.value))) m
    where not m.value ? 'estimatedCost') n
$$;

-- Writes what happened in many runs at once; lists refer to an entry by its place i, counted from 1.
-- p_entries: [{i, run_id, epoch, at, after_seq, again?, ends?}], one a run, in the order of the ids. An entry whose epoch is
--   not the run's present one, or whose run is not running, writes nothing. again: the answer to an earlier try was
--   lost, so the entry may be written already, which shows in the event after after_seq. ends: the campaign of a run that ends.
-- p_runs: [{i, event_seq, <columns of the run>}] for entries that change the run itself.
-- p_steps: [{i, begins?, <columns of the step>}]; p_events: [{i, seq, begins?, type, data}].
-- p_begins: [{i, name, attempts, version, campaign_id, hold?}], at most one an entry, with the row and the event (its last)
--   marked begins: an attempt that is made only if the campaign is still at the version by which its budget was read,
--   and if budget_hold admits hold.
-- p_charges: [{i, key, amount, at, campaign_id, run_id, step_name, periods}] settles what attempts cost; a key that was
--   never held is charged all the same.
-- p_extras: [{i, campaign_id, outbox?, decisions?, pause?}].
-- Ended runs add to the totals of their campaigns, and what they still hold is settled.
-- Returns the exceptions: {i, accepted: false}; {i, stale: true} and {i, refused: …} for a begin that was not made;
-- {i, alerts: […]} for budget thresholds that a charge crossed first, each written as an event after the entry's own;
-- {i, seq} for an entry that is found written already: seq is then the number of the run's last event.
create function journal_write(p_entries jsonb, p_runs jsonb, p_steps jsonb, p_events jsonb, p_begins jsonb,
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

  if (p_charges <> '[]')::integer + (p_begins @? '$[*].hold')::integer + (v_ended <> '{}')::integer > 1 then
    perform journal_counters(v_runs, p_charges, p_begins, v_ended);
  end if;
  if p_charges <> '[]' then
    select jsonb_agg(value) into v_list from jsonb_array_elements(p_charges) where v_runs[(value ->> 'i')::integer] is not null;
    if v_list is not null then
      v_alerts := journal_charge(v_list);
    end if;
  end if;

  if p_begins <> '[]' then
    select array_agg(b.i), jsonb_agg(jsonb_build_object('i', b.i, 'stale', true)) into v_out, v_list
      from jsonb_to_recordset(p_begins) as b (i integer, version integer, campaign_id uuid)
      where v_runs[b.i] is not null
        and b.version is distinct from (select c.version from campaigns c where c.id = b.campaign_id);
    v_out := coalesce(v_out, '{}');
    v_answers := v_answers || coalesce(v_list, '[]');
    if p_begins @? '$[*].hold' then
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

-- Makes and locks at once, in their one order, all counters that a call of journal_write comes to by its charges, by its holds and by
-- what ended runs still hold: taken one after the other, two calls would wait for each other. p_runs: by place, null where the entry
-- is not to be written.
create function journal_counters(p_runs uuid[], p_charges jsonb, p_begins jsonb, p_ended uuid[]) returns void
language plpgsql set search_path = public, pg_temp set enable_seqscan = off as $$
declare
  v_named jsonb;
  v_known jsonb;
begin
  select coalesce(jsonb_agg(p.value), '[]') into v_named
    from (
      select c.i, c.periods from jsonb_to_recordset(p_charges) as c (i integer, periods jsonb)
      union all select b.i, b.hold -> 'periods' from jsonb_to_recordset(p_begins) as b (i integer, hold jsonb)
    ) q, jsonb_array_elements(q.periods) p
    where p_runs[q.i] is not null;
  insert into budget_periods (scope, period, starts_on, campaign_id)
  select distinct n.scope, n.period, n.starts_on, n.campaign_id
  from jsonb_to_recordset(v_named) as n (scope text, period text, starts_on date, campaign_id uuid)
  where (select true from budget_periods b
    where b.scope = n.scope and b.period = n.period and b.starts_on = n.starts_on limit 1) is null
  order by 1, 2, 3
  on conflict do nothing;
  select coalesce(jsonb_agg(p.value), '[]') into v_known
    from (
      select (select e.periods from budget_entries e where e.key = c.key limit 1) as periods
      from jsonb_to_recordset(p_charges) as c (i integer, key text) where p_runs[c.i] is not null
      union all select h.periods from budget_entries h where h.run_id = any (p_ended) and h.state || '' = 'held'
    ) q, jsonb_array_elements(q.periods) p;
  perform 1 from budget_lock(v_named || v_known);
end $$;

-- As before, looked up in a way that is never quadratic.
create or replace function budget_lock(p_periods jsonb, out place jsonb, out scopes text[], out periods text[],
  out starts date[], out spent bigint[], out held bigint[])
language sql set search_path = public, pg_temp set enable_seqscan = off set enable_hashjoin = off
set enable_mergejoin = off as $$
  select coalesce(jsonb_object_agg(n.scope || ' ' || n.period || ' ' || to_char(n.starts_on, 'YYYY-MM-DD'), n.at), '{}'),
    array_agg(n.scope order by n.at), array_agg(n.period order by n.at), array_agg(n.starts_on order by n.at),
    array_agg(n.spent_micros order by n.at), array_agg(n.held_micros order by n.at)
  from (
    select l.*, row_number() over () as at from (
      select b.*
      from (
        select distinct p ->> 'scope' as scope, p ->> 'period' as period, (p ->> 'starts_on')::date as starts_on
        from jsonb_array_elements(p_periods) p order by 1, 2, 3
      ) k
        cross join lateral (
          select c.* from budget_periods c
          where c.scope = k.scope and c.period = k.period and c.starts_on = k.starts_on limit 1 for update) b
    ) l
  ) n
$$;

-- budget_reserve for many requests at once. As long as all of them fit together, each fits in its turn: then they are
-- admitted in a few statements over all. Otherwise budget_reserve goes through them one by one.
create function budget_hold(p_requests jsonb) returns jsonb
language plpgsql set search_path = public, pg_temp set enable_seqscan = off set enable_hashjoin = off
set enable_mergejoin = off as $$
declare
  v_count integer := jsonb_array_length(p_requests);
  v_scopes text[];
  v_periods text[];
  v_starts date[];
  v_sums bigint[];
  v_limits bigint[];
  v_fit boolean;
begin
  insert into budget_periods (scope, period, starts_on, campaign_id)
  select distinct p.scope, p.period, p.starts_on, p.campaign_id
  from jsonb_to_recordset(p_requests) as r (periods jsonb),
    jsonb_to_recordset(r.periods) as p (scope text, period text, starts_on date, campaign_id uuid)
  where (select true from budget_periods c
    where c.scope = p.scope and c.period = p.period and c.starts_on = p.starts_on limit 1) is null
  order by 1, 2, 3
  on conflict do nothing;
  select array_agg(q.scope), array_agg(q.period), array_agg(q.starts_on), array_agg(q.amount), array_agg(q.limit_micros)
    into v_scopes, v_periods, v_starts, v_sums, v_limits
    from (
      select p.scope, p.period, p.starts_on, sum(r.amount)::bigint as amount, min(p."limit") as limit_micros
      from jsonb_to_recordset(p_requests) as r (amount bigint, periods jsonb),
        jsonb_to_recordset(r.periods) as p (scope text, period text, starts_on date, "limit" bigint)
      group by 1, 2, 3 order by 1, 2, 3
    ) q;
  select count(*) = cardinality(v_scopes) and bool_and(u.limit_micros is null
      or b.spent_micros + b.held_micros + u.amount < u.limit_micros)
    into v_fit
    from unnest(v_scopes, v_periods, v_starts, v_sums, v_limits) as u (scope, period, starts_on, amount, limit_micros)
      cross join lateral (
        select c.spent_micros, c.held_micros from budget_periods c
        where c.scope = u.scope and c.period = u.period and c.starts_on = u.starts_on limit 1 for update) b;
  if not v_fit or v_count <> (select count(distinct r.key) from jsonb_to_recordset(p_requests) as r (key text, amount bigint)
      where r.amount >= 0 and (select e.key from budget_entries e where e.key = r.key limit 1) is null) then
    return budget_reserve(p_requests);
  end if;
  insert into budget_entries (key, campaign_id, run_id, step_name, state, held_micros, periods, created_at)
  select r.key, r.campaign_id, r.run_id, r.step_name, 'held', r.amount, r.periods, r.at
  from jsonb_to_recordset(p_requests) as r (key text, campaign_id uuid, run_id uuid, step_name text, amount bigint,
    periods jsonb, at timestamptz);
  for n in 1 .. cardinality(v_scopes) loop
    continue when v_sums[n] = 0;
    update budget_periods set held_micros = held_micros + v_sums[n]
      where scope = v_scopes[n] and period = v_periods[n] and starts_on = v_starts[n];
  end loop;
  return (select jsonb_agg(jsonb_build_object('admitted', true)) from generate_series(1, v_count));
end $$;

-- budget_settle for many items at once. As long as each of them settles a hold and no threshold is crossed, in a few
-- statements over all; otherwise budget_settle goes through them one by one.
create function budget_charge(p_items jsonb) returns jsonb
language plpgsql set search_path = public, pg_temp set enable_seqscan = off set enable_hashjoin = off
set enable_mergejoin = off as $$
declare
  v_count integer := jsonb_array_length(p_items);
  v_scopes text[];
  v_periods text[];
  v_starts date[];
  v_helds bigint[];
  v_spents bigint[];
  v_limits bigint[];
  v_crosses boolean;
  v_plain boolean;
  v record;
begin
  select array_agg(q.scope), array_agg(q.period), array_agg(q.starts_on), array_agg(q.held), array_agg(q.spent),
      array_agg(q.limit_micros)
    into v_scopes, v_periods, v_starts, v_helds, v_spents, v_limits
    from (
      select p.scope, p.period, p.starts_on, sum(e.held_micros)::bigint as held,
        sum(coalesce(i.amount, e.held_micros))::bigint as spent, min(p."limit") as limit_micros
      from jsonb_to_recordset(p_items) as i (key text, amount bigint)
        cross join lateral (select c.held_micros, c.periods from budget_entries c where c.key = i.key limit 1) e,
        jsonb_to_recordset(e.periods) as p (scope text, period text, starts_on date, "limit" bigint)
      group by 1, 2, 3 order by 1, 2, 3
    ) q;
  select bool_or(u.limit_micros is not null and b.spent_micros + u.spent > 0
      and (b.spent_micros + u.spent)::numeric * 100 >= u.limit_micros::numeric * t.percent
      and not exists (select from budget_alerts a where a.scope = u.scope and a.period = u.period
        and a.starts_on = u.starts_on and a.percent = t.percent))
    into v_crosses
    from unnest(v_scopes, v_periods, v_starts, v_spents, v_limits) as u (scope, period, starts_on, spent, limit_micros)
      cross join lateral (
        select c.spent_micros from budget_periods c
        where c.scope = u.scope and c.period = u.period and c.starts_on = u.starts_on limit 1 for update) b
      cross join unnest(array[50, 80, 100]) as t (percent);
  -- Only now may the entries be judged: whoever else settles one of them has let go of its counters.
  select count(*) = v_count and count(distinct e.key) = v_count and bool_and(e.state = 'held' and coalesce(i.amount, 0) >= 0)
    into v_plain
    from jsonb_to_recordset(p_items) as i (key text, amount bigint)
      cross join lateral (select c.key, c.state from budget_entries c where c.key = i.key limit 1) e;
  if v_crosses or not v_plain then
    return budget_settle(p_items);
  end if;
  for v in select * from jsonb_to_recordset(p_items) as i (key text, amount bigint, at timestamptz) loop
    update budget_entries set state = 'settled', spent_micros = coalesce(v.amount, held_micros),
      cost_unknown = v.amount is null, settled_at = v.at
    where key = v.key;
  end loop;
  for n in 1 .. cardinality(v_scopes) loop
    update budget_periods set held_micros = held_micros - v_helds[n], spent_micros = spent_micros + v_spents[n]
      where scope = v_scopes[n] and period = v_periods[n] and starts_on = v_starts[n];
  end loop;
  return (
    select jsonb_agg(jsonb_build_object('found', true, 'spent', e.spent_micros, 'alerts', '[]'::jsonb) order by i.place)
    from jsonb_array_elements(p_items) with ordinality as i (item, place)
      cross join lateral (select c.spent_micros from budget_entries c where c.key = i.item ->> 'key' limit 1) e);
end $$;

-- The money side of journal_write: charges attempts, held before or not. Returns [{i, alerts}] where thresholds were crossed.
create function journal_charge(p_charges jsonb) returns jsonb
language plpgsql set search_path = public, pg_temp set enable_seqscan = off set enable_hashjoin = off
set enable_mergejoin = off as $$
declare
  v record;
  v_answers jsonb := '[]';
begin
  -- What was never held is entered with nothing held.
  if p_charges @? '$[*].periods' then
    insert into budget_periods (scope, period, starts_on, campaign_id)
    select distinct q ->> 'scope', q ->> 'period', (q ->> 'starts_on')::date, (q ->> 'campaign_id')::uuid
    from jsonb_path_query(p_charges, '$[*].periods[*]') q
    order by 1, 2, 3
    on conflict do nothing;
    insert into budget_entries (key, campaign_id, run_id, step_name, state, held_micros, periods, created_at)
    select c.key, c.campaign_id, c.run_id, c.step_name, 'held', 0, c.periods, c.at
    from jsonb_to_recordset(p_charges) as c (key text, campaign_id uuid, run_id uuid, step_name text, periods jsonb,
      at timestamptz)
    where c.periods is not null
    order by c.key
    on conflict do nothing;
  end if;
  for v in
    select (p_charges -> (a.place::integer - 1) ->> 'i')::integer as i, a.answer -> 'alerts' as alerts
    from jsonb_array_elements(budget_charge(p_charges)) with ordinality as a (answer, place)
    where a.answer -> 'alerts' <> '[]'
  loop
    v_answers := v_answers || jsonb_build_object('i', v.i, 'alerts', v.alerts);
  end loop;
  return v_answers;
end $$;

-- Writes the events of thresholds: p_alerts is [{i, alerts}], which is also what is returned.
create function journal_alerts(p_alerts jsonb, p_runs uuid[], p_ats timestamptz[]) returns jsonb
language plpgsql set search_path = public, pg_temp as $$
declare
  a jsonb;
  v_place integer;
  v_seq integer;
begin
  for a in select value from jsonb_array_elements(p_alerts) loop
    v_place := (a ->> 'i')::integer;
    select max(seq) into v_seq from run_events where run_id = p_runs[v_place];
    update campaign_runs set event_seq = v_seq + jsonb_array_length(a -> 'alerts') where id = p_runs[v_place];
    insert into run_events (run_id, seq, type, occurred_at, data)
    select p_runs[v_place], v_seq + x.nth, 'budget.threshold', p_ats[v_place], jsonb_build_object('scope', x.value ->> 'scope',
      'period', x.value ->> 'period', 'startsOn', x.value ->> 'starts_on', 'percent', x.value -> 'percent',
      'limit', trim_scale((x.value ->> 'limit')::numeric / 1000000),
      'spent', trim_scale((x.value ->> 'spent')::numeric / 1000000))
    from jsonb_array_elements(a -> 'alerts') with ordinality as x (value, nth);
  end loop;
  return p_alerts;
end $$;

-- What follows from the end of runs: the totals of their campaigns, and no money is held for them any more. Whatever an ended
-- run still holds, because a worker died or was cut short, is charged if its attempt had begun and given back if not; one
-- call, so that the counters are locked in their one order.
create function journal_end(p_runs uuid[]) returns void
language plpgsql set search_path = public, pg_temp set enable_seqscan = off as $$
declare
  v record;
  v_holds jsonb;
begin
  for v in
    select r.campaign_id, count(*)::integer as runs, sum(r.total_cost_micros)::bigint as cost,
      max(greatest(r.started_at, r.created_at)) as latest
    from campaign_runs r where r.id = any (p_runs) group by r.campaign_id
  loop
    update campaigns set total_runs = total_runs + v.runs, total_cost_micros = total_cost_micros + v.cost,
      last_run_at = greatest(last_run_at, v.latest)
    where id = v.campaign_id;
  end loop;
  select jsonb_agg(jsonb_build_object('key', b.key, 'at', b.at, 'amount', case when b.begun then null else 0 end))
    into v_holds
    from (
      select h.key, (select r.completed_at from campaign_runs r where r.id = h.run_id) as at,
        coalesce((select s.attempts from run_steps s where s.run_id = h.run_id and s.name = h.step_name), 0)
          >= substring(h.key from '[0-9]+$')::integer as begun
      from budget_entries h where h.run_id = any (p_runs) and h.state || '' = 'held'
    ) b;
  if v_holds is not null then
    perform budget_settle(v_holds);
  end if;
end $$;

do $$
declare
  f regprocedure;
begin
  for f in
    select p.oid::regprocedure from pg_proc p join pg_namespace n on n.oid = p.pronamespace
    where n.nspname = 'public' and p.proname in ('claim_runs', 'step_history', 'journal_write', 'journal_charge', 'journal_counters', 'journal_alerts',
      'journal_end', 'budget_hold', 'budget_charge')
  loop
    execute format('revoke all on function %s from public', f);
    if exists (select from pg_roles where rolname = 'service_role') then
      execute format('revoke all on function %s from anon, authenticated', f);
      execute format('grant execute on function %s to service_role', f);
    end if;
  end loop;
end $$;
