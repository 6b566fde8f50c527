-- Budget: admission, settlement, and what steps cost lately. Lists go in and come out in the same order.
-- The counters of a call are locked in one order, so that two calls never wait for each other; worked on in arrays, because
-- one counter may be part of every item of a call; and written once. Plans are cached while the tables are still small and would
-- then scan them for ever (the embedded database gathers no statistics): hence the planner settings that keep to the indexes.

-- Locks the counters named in p_periods ([{scope, period, starts_on}], repetitions allowed) and returns them as arrays;
-- place tells where in them "<scope> <period> <starts_on>" stands.
create function budget_lock(p_periods jsonb, out place jsonb, out scopes text[], out periods text[], out starts date[],
  out spent bigint[], out held bigint[])
language sql set search_path = public, pg_temp set enable_seqscan = off set enable_hashjoin = off
set enable_mergejoin = off as $$
  select coalesce(jsonb_object_agg(n.scope || ' ' || n.period || ' ' || to_char(n.starts_on, 'YYYY-MM-DD'), n.at), '{}'),
    array_agg(n.scope order by n.at), array_agg(n.period order by n.at), array_agg(n.starts_on order by n.at),
    array_agg(n.spent_micros order by n.at), array_agg(n.held_micros order by n.at)
  from (
    select l.*, row_number() over () as at from (
      select b.* from budget_periods b
      where (b.scope, b.period, b.starts_on) in (
        select p ->> 'scope', p ->> 'period', (p ->> 'starts_on')::date from jsonb_array_elements(p_periods) p)
      order by b.scope, b.period, b.starts_on for update
    ) l
  ) n
$$;

-- Writes back what has become of locked counters.
create function budget_write(p_scopes text[], p_periods text[], p_starts date[], p_spent bigint[], p_held bigint[])
returns void
language sql set search_path = public, pg_temp set enable_seqscan = off set enable_hashjoin = off
set enable_mergejoin = off as $$
  update budget_periods b set spent_micros = u.spent, held_micros = u.held
  from unnest(p_scopes, p_periods, p_starts, p_spent, p_held) as u (scope, period, starts_on, spent, held)
  where b.scope = u.scope and b.period = u.period and b.starts_on = u.starts_on
    and (b.spent_micros <> u.spent or b.held_micros <> u.held)
$$;

-- p_requests: [{key, campaign_id, run_id, step_name, amount, at, periods: [{scope, period, starts_on,
-- limit, campaign_id?}]}] (limit null: counted, not limited). All periods of one request admit it or none is touched.
-- Refused when a period is already used up, or when the amount does not fit beside what is spent and held. A key that is
-- held already, or charged without its cost being known, is admitted without holding twice; one that was released is held anew;
-- one whose cost is known is spent: answered with {spent: true} and nothing admitted.
-- Returns [{admitted, already?, spent?, refused?: [{scope, period, starts_on, limit, spent, held}]}], refused naming
-- every period that said no.
create function budget_reserve(p_requests jsonb) returns jsonb
language plpgsql set search_path = public, pg_temp as $$
declare
  v_place jsonb;
  v_scopes text[];
  v_periods text[];
  v_starts date[];
  v_spents bigint[];
  v_helds bigint[];
  q jsonb;
  p jsonb;
  e budget_entries;
  n integer;
  v_amount bigint;
  v_limit bigint;
  v_refused jsonb;
  v_results jsonb := '[]';
begin
  insert into budget_periods (scope, period, starts_on, campaign_id)
  select distinct p2 ->> 'scope', p2 ->> 'period', (p2 ->> 'starts_on')::date, (p2 ->> 'campaign_id')::uuid
  from jsonb_array_elements(p_requests) r, jsonb_array_elements(r -> 'periods') p2
  order by 1, 2, 3
  on conflict do nothing;
  select l.place, l.scopes, l.periods, l.starts, l.spent, l.held
    into v_place, v_scopes, v_periods, v_starts, v_spents, v_helds
    from budget_lock(jsonb_path_query_array(p_requests, '$[*].periods[*]')) l;

  for q in select value from jsonb_array_elements(p_requests) loop
    v_amount := (q ->> 'amount')::bigint;
    if v_amount is null or v_amount < 0 then
      raise exception 'not an amount to reserve: %', q ->> 'amount' using errcode = '22023';
    end if;
    select * into e from budget_entries where key = q ->> 'key' for update;
    if found and (e.state = 'held' or e.cost_unknown) then
      v_results := v_results || jsonb_build_object('admitted', true, 'already', true);
      continue;
    end if;
    if found and e.spent_micros > 0 then
      v_results := v_results || jsonb_build_object('admitted', false, 'spent', true);
      continue;
    end if;
    v_refused := '[]';
    for p in select value from jsonb_array_elements(q -> 'periods') loop
      v_limit := (p ->> 'limit')::bigint;
      n := (v_place ->> concat_ws(' ', p ->> 'scope', p ->> 'period', p ->> 'starts_on'))::integer;
      if v_spents[n] + v_helds[n] >= v_limit or v_spents[n] + v_helds[n] + v_amount > v_limit then
        v_refused := v_refused || jsonb_build_object('scope', v_scopes[n], 'period', v_periods[n],
          'starts_on', v_starts[n], 'limit', v_limit, 'spent', v_spents[n], 'held', v_helds[n]);
      end if;
    end loop;
    if v_refused <> '[]' then
      v_results := v_results || jsonb_build_object('admitted', false, 'refused', v_refused);
      continue;
    end if;
    -- Another process may have been first with this very key, under the counters of another day.
    insert into budget_entries as old (key, campaign_id, run_id, step_name, state, held_micros, periods, created_at)
    values (q ->> 'key', (q ->> 'campaign_id')::uuid, (q ->> 'run_id')::uuid, q ->> 'step_name', 'held', v_amount,
      q -> 'periods', (q ->> 'at')::timestamptz)
    on conflict (key) do update set state = 'held', held_micros = excluded.held_micros, periods = excluded.periods,
      created_at = excluded.created_at, settled_at = null
      where old.state = 'settled' and old.spent_micros = 0 and not old.cost_unknown;
    if found then
      for p in select value from jsonb_array_elements(q -> 'periods') loop
        n := (v_place ->> concat_ws(' ', p ->> 'scope', p ->> 'period', p ->> 'starts_on'))::integer;
        v_helds[n] := v_helds[n] + v_amount;
      end loop;
    end if;
    v_results := v_results || jsonb_build_object('admitted', true);
  end loop;
  perform budget_write(v_scopes, v_periods, v_starts, v_spents, v_helds);
  return v_results;
end $$;

-- p_items: [{key, amount, at}] turns holds into spending. amount null: the cost is not known, what was held is charged;
-- a cost that becomes known later takes that charge's place. Any other settling of a settled entry changes nothing.
-- Returns [{found, spent, alerts: [{scope, period, starts_on, percent, limit, spent}]}]: alerts are the thresholds
-- of 50, 80 and 100 percent that this item was the first to cross in its period.
create function budget_settle(p_items jsonb) returns jsonb
language plpgsql set search_path = public, pg_temp as $$
declare
  v_place jsonb;
  v_scopes text[];
  v_periods text[];
  v_starts date[];
  v_spents bigint[];
  v_helds bigint[];
  i jsonb;
  p jsonb;
  e budget_entries;
  n integer;
  v_amount bigint;
  v_spent bigint;
  v_limit bigint;
  v_percent integer;
  v_alerts jsonb;
  v_results jsonb := '[]';
begin
  select l.place, l.scopes, l.periods, l.starts, l.spent, l.held
    into v_place, v_scopes, v_periods, v_starts, v_spents, v_helds
    from budget_lock((
    select jsonb_agg(p2) from jsonb_array_elements(p_items) r
    cross join lateral (select e2.periods from budget_entries e2 where e2.key = r ->> 'key' limit 1) e3
    cross join lateral jsonb_array_elements(e3.periods) p2)) l;

  for i in select value from jsonb_array_elements(p_items) loop
    v_amount := (i ->> 'amount')::bigint;
    if v_amount < 0 then
      raise exception 'not an amount to settle: %', i ->> 'amount' using errcode = '22023';
    end if;
    select * into e from budget_entries where key = i ->> 'key' for update;
    if not found then
      v_results := v_results || jsonb_build_object('found', false, 'spent', 0, 'alerts', '[]'::jsonb);
      continue;
    end if;
    if e.state = 'settled' and (v_amount is null or not e.cost_unknown) then
      v_results := v_results || jsonb_build_object('found', true, 'spent', e.spent_micros, 'alerts', '[]'::jsonb);
      continue;
    end if;
    v_spent := coalesce(v_amount, e.held_micros);
    v_alerts := '[]';
    update budget_entries set state = 'settled', spent_micros = v_spent, cost_unknown = v_amount is null,
      settled_at = (i ->> 'at')::timestamptz
    where key = e.key;
    for p in select value from jsonb_array_elements(e.periods) loop
      n := (v_place ->> concat_ws(' ', p ->> 'scope', p ->> 'period', p ->> 'starts_on'))::integer;
      if n is null then
        -- Reserved anew in another period, or only just, between our locking the counters and the entry.
        raise exception 'the entry % has changed meanwhile', e.key using errcode = '40001';
      end if;
      if e.state = 'held' then
        v_helds[n] := v_helds[n] - e.held_micros;
      end if;
      v_spents[n] := v_spents[n] + v_spent - e.spent_micros;
      v_limit := (p ->> 'limit')::bigint;
      continue when v_limit is null or v_spents[n] = 0;
      foreach v_percent in array array[50, 80, 100] loop
        exit when v_spents[n]::numeric * 100 < v_limit::numeric * v_percent;
        insert into budget_alerts (scope, period, starts_on, percent, campaign_id, limit_micros, spent_micros, raised_at)
        values (v_scopes[n], v_periods[n], v_starts[n], v_percent, (p ->> 'campaign_id')::uuid, v_limit, v_spents[n],
          (i ->> 'at')::timestamptz)
        on conflict do nothing;
        if found then
          v_alerts := v_alerts || jsonb_build_object('scope', v_scopes[n], 'period', v_periods[n],
            'starts_on', v_starts[n], 'percent', v_percent, 'limit', v_limit, 'spent', v_spents[n]);
        end if;
      end loop;
    end loop;
    v_results := v_results || jsonb_build_object('found', true, 'spent', v_spent, 'alerts', v_alerts);
  end loop;
  perform budget_write(v_scopes, v_periods, v_starts, v_spents, v_helds);
  return v_results;
end $$;

-- What steps of campaigns cost lately: p_steps is [{campaign_id, step_name}]; for each the largest of the last 20 known
-- costs above zero, or null. Attempts that cost nothing (an engine that was down) do not wash the others out.
create function budget_step_history(p_steps jsonb) returns jsonb
language sql stable set search_path = public, pg_temp as $$
  select coalesce(jsonb_agg((
    select max(h.spent_micros) from (
      select e.spent_micros from budget_entries e
      where e.campaign_id = (s.value ->> 'campaign_id')::uuid and e.step_name = s.value ->> 'step_name'
        and e.state = 'settled' and e.spent_micros > 0 and not e.cost_unknown
      order by e.created_at desc limit 20
    ) h
  ) order by s.ordinality), '[]')
  from jsonb_array_elements(p_steps) with ordinality s
$$;
