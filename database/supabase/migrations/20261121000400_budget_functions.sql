-- p_requests: [{key, campaign_id, run_id, step_name, amount, at, periods: [{scope, period, starts_on,
-- limit, campaign_id?}]}] (limit null: counted, not limited). All periods of one request admit it or none is touched.
-- Refused when a period is already used up, or when the amount does not fit beside what is spent and held.
-- Returns [{admitted, already?, refused?: {scope, period, starts_on, limit, spent, held}}].
create function budget_reserve(p_requests jsonb) returns jsonb
language plpgsql set search_path = public, pg_temp as $$
declare
  q jsonb;
  p jsonb;
  b budget_periods;
  v_amount bigint;
  v_refused jsonb;
  v_results jsonb := '[]';
begin
  insert into budget_periods (scope, period, starts_on, campaign_id)
  select distinct p2 ->> 'scope', p2 ->> 'period', (p2 ->> 'starts_on')::date, (p2 ->> 'campaign_id')::uuid
  from jsonb_array_elements(p_requests) q2, jsonb_array_elements(q2 -> 'periods') p2
  order by 1, 2, 3
  on conflict do nothing;
  perform 1 from budget_periods b2
  where (b2.scope, b2.period, b2.starts_on) in (
    select p2 ->> 'scope', p2 ->> 'period', (p2 ->> 'starts_on')::date
    from jsonb_array_elements(p_requests) q2, jsonb_array_elements(q2 -> 'periods') p2)
  order by b2.scope, b2.period, b2.starts_on for update;

  for q in select value from jsonb_array_elements(p_requests) loop
    if exists (select 1 from budget_entries where key = q ->> 'key') then
      v_results := v_results || jsonb_build_object('admitted', true, 'already', true);
      continue;
    end if;
    v_amount := (q ->> 'amount')::bigint;
    v_refused := null;
    for p in select value from jsonb_array_elements(q -> 'periods') loop
      continue when p ->> 'limit' is null;
      select * into b from budget_periods
        where scope = p ->> 'scope' and period = p ->> 'period' and starts_on = (p ->> 'starts_on')::date;
      if b.spent_micros + b.held_micros >= (p ->> 'limit')::bigint
        or b.spent_micros + b.held_micros + v_amount > (p ->> 'limit')::bigint then
        v_refused := jsonb_build_object('scope', b.scope, 'period', b.period, 'starts_on', b.starts_on,
          'limit', (p ->> 'limit')::bigint, 'spent', b.spent_micros, 'held', b.held_micros);
        exit;
      end if;
    end loop;
    if v_refused is not null then
      v_results := v_results || jsonb_build_object('admitted', false, 'refused', v_refused);
      continue;
    end if;
    insert into budget_entries (key, campaign_id, run_id, step_name, state, held_micros, periods, created_at)
    values (q ->> 'key', (q ->> 'campaign_id')::uuid, (q ->> 'run_id')::uuid, q ->> 'step_name', 'held', v_amount,
      q -> 'periods', (q ->> 'at')::timestamptz);
    for p in select value from jsonb_array_elements(q -> 'periods') loop
      update budget_periods set held_micros = held_micros + v_amount
      where scope = p ->> 'scope' and period = p ->> 'period' and starts_on = (p ->> 'starts_on')::date;
    end loop;
    v_results := v_results || jsonb_build_object('admitted', true);
  end loop;
  return v_results;
end $$;

-- p_items: [{key, amount, unknown, at}] turns holds into spending; amount null charges what was held.
-- Settling a settled entry changes nothing. Returns [{found, spent, alerts: [{scope, period, starts_on,
-- percent, limit, spent}]}]: alerts are the thresholds of 50, 80 and 100 percent that this item was the
-- first to cross in its period.
create function budget_settle(p_items jsonb) returns jsonb
language plpgsql set search_path = public, pg_temp as $$
declare
  i jsonb;
  p jsonb;
  v_entry budget_entries;
  b budget_periods;
  v_spent bigint;
  v_percent integer;
  v_alerts jsonb;
  v_results jsonb := '[]';
begin
  perform 1 from budget_periods b2
  where (b2.scope, b2.period, b2.starts_on) in (
    select p2 ->> 'scope', p2 ->> 'period', (p2 ->> 'starts_on')::date
    from jsonb_array_elements(p_items) i2 join budget_entries e2 on e2.key = i2 ->> 'key',
      jsonb_array_elements(e2.periods) p2)
  order by b2.scope, b2.period, b2.starts_on for update;

  for i in select value from jsonb_array_elements(p_items) loop
    select * into v_entry from budget_entries where key = i ->> 'key' for update;
    if not found or v_entry.state = 'settled' then
      v_results := v_results || jsonb_build_object('found', found, 'spent', coalesce(v_entry.spent_micros, 0),
        'alerts', '[]'::jsonb);
      continue;
    end if;
    v_spent := coalesce((i ->> 'amount')::bigint, v_entry.held_micros);
    v_alerts := '[]';
    update budget_entries set state = 'settled', spent_micros = v_spent, settled_at = (i ->> 'at')::timestamptz,
      cost_unknown = coalesce((i ->> 'unknown')::boolean, false)
    where key = v_entry.key;
    for p in select value from jsonb_array_elements(v_entry.periods) loop
      update budget_periods set held_micros = held_micros - v_entry.held_micros, spent_micros = spent_micros + v_spent
      where scope = p ->> 'scope' and period = p ->> 'period' and starts_on = (p ->> 'starts_on')::date
      returning * into b;
      continue when p ->> 'limit' is null;
      foreach v_percent in array array[50, 80, 100] loop
        continue when b.spent_micros = 0 or b.spent_micros * 100 < (p ->> 'limit')::bigint * v_percent;
        insert into budget_alerts (scope, period, starts_on, percent, campaign_id, limit_micros, spent_micros, raised_at)
        values (b.scope, b.period, b.starts_on, v_percent, v_entry.campaign_id, (p ->> 'limit')::bigint, b.spent_micros,
          (i ->> 'at')::timestamptz)
        on conflict do nothing;
        if found then
          v_alerts := v_alerts || jsonb_build_object('scope', b.scope, 'period', b.period, 'starts_on', b.starts_on,
            'percent', v_percent, 'limit', (p ->> 'limit')::bigint, 'spent', b.spent_micros);
        end if;
      end loop;
    end loop;
    v_results := v_results || jsonb_build_object('found', true, 'spent', v_spent, 'alerts', v_alerts);
  end loop;
  return v_results;
end $$;

-- What a step of a campaign cost lately: the largest known cost of its last 20 settled attempts, or null.
create function budget_step_history(p_campaign_id uuid, p_step_name text) returns bigint
language sql stable set search_path = public, pg_temp as $$
  select max(spent_micros) from (
    select spent_micros from budget_entries
    where campaign_id = p_campaign_id and step_name = p_step_name and state = 'settled' and not cost_unknown
    order by created_at desc limit 20
  ) s
$$;
