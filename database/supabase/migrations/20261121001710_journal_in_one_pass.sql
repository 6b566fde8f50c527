-- What is written at every step of every run, for less. To begin an update costs the database three times what the row does, so the
-- rows of a call are changed by one statement a table instead of one a row. And the plans of these functions are made once a
-- connection: they were made anew for each call, because with a list of one a plan of its own looked cheaper, which took longer
-- than the work. All of them look rows up by key, so one plan is as good as another.

-- What the end of runs means for their campaigns and their held money. The runs and their campaigns are locked by the caller.
create or replace function journal_end(p_runs uuid[]) returns void
language plpgsql set search_path = public, pg_temp set enable_seqscan = off
set plan_cache_mode = force_generic_plan as $$
declare
  v_campaigns uuid[];
  v_counts integer[];
  v_costs bigint[];
  v_latest timestamptz[];
  v_holds jsonb;
begin
  select array_agg(e.campaign_id), array_agg(e.runs), array_agg(e.cost), array_agg(e.latest)
    into v_campaigns, v_counts, v_costs, v_latest
    from (
      select r.campaign_id, count(*)::integer as runs, sum(r.total_cost_micros)::bigint as cost,
        max(greatest(r.started_at, r.created_at)) as latest
      from campaign_runs r where r.id = any (p_runs) group by r.campaign_id
    ) e;
  -- By a list of ids, which is looked up in the index whatever a plan made for small tables would rather do.
  update campaigns set total_runs = total_runs + v_counts[array_position(v_campaigns, id)],
    total_cost_micros = total_cost_micros + v_costs[array_position(v_campaigns, id)],
    last_run_at = greatest(last_run_at, v_latest[array_position(v_campaigns, id)])
  where id = any (v_campaigns);
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

-- As in 20261121000900, where it is told what it does.
create or replace function journal_money(p_runs uuid[], p_charges jsonb, p_begins jsonb, p_out integer[], p_ended uuid[])
returns boolean
language plpgsql set search_path = public, pg_temp set enable_seqscan = off set enable_hashjoin = off
set enable_mergejoin = off set plan_cache_mode = force_generic_plan as $$
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
  v_rows tid[];
  v_keys text[];
  v_charges jsonb;
  v_changes jsonb;
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

  select array_agg(c.key), jsonb_object_agg(c.key, jsonb_build_object('amount', c.amount, 'at', c.at)) into v_keys, v_charges
    from jsonb_to_recordset(p_charges) as c (i integer, key text, amount bigint, at timestamptz)
    where p_runs[c.i] is not null and (select x.key from budget_entries x where x.key = c.key limit 1) is not null;
  insert into budget_entries (key, campaign_id, run_id, step_name, state, held_micros, spent_micros, cost_unknown, periods,
    created_at, settled_at)
  select c.key, c.campaign_id, c.run_id, c.step_name, 'settled', 0, coalesce(c.amount, 0), c.amount is null, c.periods, c.at, c.at
  from jsonb_to_recordset(p_charges) as c (i integer, key text, amount bigint, at timestamptz, campaign_id uuid, run_id uuid,
    step_name text, periods jsonb)
  where p_runs[c.i] is not null and (select x.key from budget_entries x where x.key = c.key limit 1) is null;
  -- By lists of keys and of places in the table, which are looked up one by one whatever a plan made for small tables would rather
  -- do; one statement each, because to begin an update costs more than the row.
  update budget_entries set state = 'settled', (spent_micros, cost_unknown, settled_at) = (
      select coalesce(c.amount, held_micros), c.amount is null, c.at
      from jsonb_to_record(v_charges -> key) as c (amount bigint, at timestamptz))
    where key = any (v_keys);
  insert into budget_entries (key, campaign_id, run_id, step_name, state, held_micros, periods, created_at)
  select h.key, h.campaign_id, h.run_id, h.step_name, 'held', h.amount, h.periods, h.at
  from jsonb_to_recordset(p_begins) as b (i integer, hold jsonb),
    jsonb_to_record(b.hold) as h (key text, campaign_id uuid, run_id uuid, step_name text, amount bigint, periods jsonb,
      at timestamptz)
  where b.hold is not null and p_runs[b.i] is not null and not b.i = any (p_out);
  -- They are locked, so they stay where they are.
  select array_agg(b.place), jsonb_object_agg(b.place::text, jsonb_build_object('held', u.asked - u.freed, 'spent', u.spent))
    into v_rows, v_changes
    from unnest(v_scopes, v_periods, v_starts, v_freed, v_spent, v_asked) as u (scope, period, starts_on, freed, spent, asked)
      cross join lateral (
        select x.ctid as place from budget_periods x
        where x.scope = u.scope and x.period = u.period and x.starts_on = u.starts_on limit 1) b
    where u.asked <> u.freed or u.spent <> 0;
  update budget_periods set (held_micros, spent_micros) = (
      select held_micros + c.held, spent_micros + c.spent
      from jsonb_to_record(v_changes -> ctid::text) as c (held bigint, spent bigint))
    where ctid = any (v_rows);
  return true;
end $$;

-- As in 20261121000900; the arguments are told in 20261121000600.
create or replace function journal_write(p_entries jsonb, p_runs jsonb, p_steps jsonb, p_events jsonb, p_begins jsonb,
  p_charges jsonb, p_extras jsonb) returns jsonb
language plpgsql set search_path = public, pg_temp set enable_seqscan = off set enable_hashjoin = off
set enable_mergejoin = off set plan_cache_mode = force_generic_plan as $$
declare
  v record;
  v_count integer := jsonb_array_length(p_entries);
  -- By place; null where the entry is not to be written (again).
  v_runs uuid[] := array_fill(null::uuid, array[greatest(1, v_count)]);
  v_ats timestamptz[] := array_fill(null::timestamptz, array[greatest(1, v_count)]);
  v_taken integer := 0;
  v_ended uuid[] := '{}';
  -- The runs whose own rows change.
  v_changed uuid[];
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
    select array_agg(v_runs[g.i]), jsonb_agg(g.value) into v_changed, v_list
      from (select value, (value ->> 'i')::integer as i from jsonb_array_elements(p_runs)) g
      where v_runs[g.i] is not null;
    -- By a list of ids, which is looked up in the index whatever a plan made for small tables would rather do; one statement, because
    -- to begin an update costs more than the row.
    update campaign_runs r set (event_seq, status, status_reason, completed_at, claimed_by, lease_until_at, steps_completed, steps_failed,
        prospects_generated, leads_analyzed, emails_composed, emails_sent, total_cost_micros, cost_unknown, dry_run, results, errors) = (
      select w.event_seq,
        -- A cancel that was asked for meanwhile would be heard by nobody while the run waits: the next claim ends it.
        case when w.status = 'waiting' and r.cancel_requested_at is not null then 'queued' else coalesce(w.status, r.status) end,
        case when w.status is null then r.status_reason else w.status_reason end,
        case when w.ends then coalesce(r.completed_at, v_ats[w.i]) else r.completed_at end,
        case when coalesce(w.status, 'running') = 'running' then r.claimed_by end,
        case when coalesce(w.status, 'running') = 'running' then r.lease_until_at end,
        coalesce(w.steps_completed, r.steps_completed),
        coalesce(w.steps_failed, r.steps_failed),
        coalesce(w.prospects_generated, r.prospects_generated),
        coalesce(w.leads_analyzed, r.leads_analyzed),
        coalesce(w.emails_composed, r.emails_composed),
        coalesce(w.emails_sent, r.emails_sent),
        coalesce(w.total_cost_micros, r.total_cost_micros),
        coalesce(w.cost_unknown, r.cost_unknown),
        coalesce(w.dry_run, r.dry_run),
        coalesce(w.results, r.results),
        coalesce(w.errors, r.errors)
      from jsonb_to_record(v_list -> (array_position(v_changed, r.id) - 1)) as w (i integer, event_seq integer, ends boolean, status text,
        status_reason text, steps_completed integer, steps_failed integer, prospects_generated integer, leads_analyzed integer,
        emails_composed integer, emails_sent integer, total_cost_micros bigint, cost_unknown boolean, dry_run boolean,
        results jsonb, errors jsonb))
    where r.id = any (v_changed);
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

alter function claim_runs(jsonb, text, timestamptz, bigint) set plan_cache_mode = force_generic_plan;
alter function keep_runs(text, jsonb, timestamptz, bigint) set plan_cache_mode = force_generic_plan;
alter function journal_charge(jsonb) set plan_cache_mode = force_generic_plan;
alter function budget_hold(jsonb) set plan_cache_mode = force_generic_plan;
alter function budget_charge(jsonb) set plan_cache_mode = force_generic_plan;
