-- Budget: admission, settlement, and what steps cost lately. Lists go in and come out in the same order.
-- Counters are locked in one order everywhere, so that two calls never wait for each other. Plans are cached while the
-- tables are still small and would then scan them for ever (the embedded database gathers no statistics): hence the
-- planner settings that keep to the indexes.

-- p_requests: [{key, campaign_id, run_id, step_name, amount, at, periods: [{scope, period, starts_on,
-- limit, campaign_id?}]}] (limit null: counted, not limited). All periods of one request admit it or none is touched.
-- Refused when a period is already used up, or when the amount does not fit beside what is spent and held. A key that is
-- held already, or charged without its cost being known, is admitted without holding twice; one that was released is held anew;
-- one whose cost is known is spent: answered with {spent: true} and nothing admitted.
-- Returns [{admitted, already?, spent?, refused?: [{scope, period, starts_on, limit, spent, held}]}], refused naming
-- every period that said no.
create function budget_reserve(p_requests jsonb) returns jsonb
language plpgsql set search_path = public, pg_temp set enable_seqscan = off set enable_hashjoin = off
set enable_mergejoin = off as $$
declare
  q jsonb;
  e budget_entries;
  v_amount bigint;
  v_refused jsonb;
  v_results jsonb := '[]';
begin
  insert into budget_periods (scope, period, starts_on, campaign_id)
  select distinct p ->> 'scope', p ->> 'period', (p ->> 'starts_on')::date, (p ->> 'campaign_id')::uuid
  from jsonb_array_elements(p_requests) r, jsonb_array_elements(r -> 'periods') p
  order by 1, 2, 3
  on conflict do nothing;
  perform 1 from budget_periods b
  where (b.scope, b.period, b.starts_on) in (
    select p ->> 'scope', p ->> 'period', (p ->> 'starts_on')::date
    from jsonb_array_elements(p_requests) r, jsonb_array_elements(r -> 'periods') p)
  order by b.scope, b.period, b.starts_on for update;

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
    select jsonb_agg(jsonb_build_object('scope', b.scope, 'period', b.period, 'starts_on', b.starts_on,
      'limit', (p ->> 'limit')::bigint, 'spent', b.spent_micros, 'held', b.held_micros))
    into v_refused
    from jsonb_array_elements(q -> 'periods') p
    join budget_periods b
      on b.scope = p ->> 'scope' and b.period = p ->> 'period' and b.starts_on = (p ->> 'starts_on')::date
    where b.spent_micros + b.held_micros >= (p ->> 'limit')::bigint
      or b.spent_micros + b.held_micros + v_amount > (p ->> 'limit')::bigint;
    if v_refused is not null then
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
      update budget_periods b set held_micros = b.held_micros + v_amount
      from jsonb_array_elements(q -> 'periods') p
      where b.scope = p ->> 'scope' and b.period = p ->> 'period' and b.starts_on = (p ->> 'starts_on')::date;
    end if;
    v_results := v_results || jsonb_build_object('admitted', true);
  end loop;
  return v_results;
end $$;

-- p_items: [{key, amount, at}] turns holds into spending. amount null: the cost is not known, what was held is charged;
-- a cost that becomes known later takes that charge's place. Any other settling of a settled entry changes nothing.
-- Returns [{found, spent, alerts: [{scope, period, starts_on, percent, limit, spent}]}]: alerts are the thresholds
-- of 50, 80 and 100 percent that this item was the first to cross in its period.
create function budget_settle(p_items jsonb) returns jsonb
language plpgsql set search_path = public, pg_temp set enable_seqscan = off set enable_hashjoin = off
set enable_mergejoin = off as $$
declare
  i jsonb;
  e budget_entries;
  v_amount bigint;
  v_spent bigint;
  v_alerts jsonb;
  v_results jsonb := '[]';
begin
  perform 1 from budget_periods b
  where (b.scope, b.period, b.starts_on) in (
    select p ->> 'scope', p ->> 'period', (p ->> 'starts_on')::date
    from jsonb_array_elements(p_items) r join budget_entries e2 on e2.key = r ->> 'key',
      jsonb_array_elements(e2.periods) p)
  order by b.scope, b.period, b.starts_on for update;

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
    update budget_entries set state = 'settled', spent_micros = v_spent, cost_unknown = v_amount is null,
      settled_at = (i ->> 'at')::timestamptz
    where key = e.key;
    update budget_periods b set
      held_micros = b.held_micros - case e.state when 'held' then e.held_micros else 0 end,
      spent_micros = b.spent_micros + v_spent - e.spent_micros
    from jsonb_array_elements(e.periods) p
    where b.scope = p ->> 'scope' and b.period = p ->> 'period' and b.starts_on = (p ->> 'starts_on')::date;
    with crossed as (
      insert into budget_alerts (scope, period, starts_on, percent, campaign_id, limit_micros, spent_micros, raised_at)
      select b.scope, b.period, b.starts_on, t.percent, b.campaign_id, (p ->> 'limit')::bigint, b.spent_micros,
        (i ->> 'at')::timestamptz
      from jsonb_array_elements(e.periods) p
      join budget_periods b
        on b.scope = p ->> 'scope' and b.period = p ->> 'period' and b.starts_on = (p ->> 'starts_on')::date
      cross join (values (50), (80), (100)) t (percent)
      where b.spent_micros > 0 and b.spent_micros::numeric * 100 >= (p ->> 'limit')::numeric * t.percent
      on conflict do nothing
      returning *
    )
    select coalesce(jsonb_agg(jsonb_build_object('scope', scope, 'period', period, 'starts_on', starts_on,
      'percent', percent, 'limit', limit_micros, 'spent', spent_micros)
      order by scope, array_position(array['day', 'week', 'month'], period), percent), '[]') into v_alerts from crossed;
    v_results := v_results || jsonb_build_object('found', true, 'spent', v_spent, 'alerts', v_alerts);
  end loop;
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
