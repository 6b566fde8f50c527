-- KPIs are looked at: views that outside data is shown by, and the colours that people have been told of.

-- The newest readings of a view: {found, missing?: [column], readings?: [[milliseconds since the epoch, value]]}. Only views of the schema
-- public whose names begin with kpi_ are read; the tables of that prefix are none. A time without a zone is meant in UTC. The transaction
-- is read only from here on, so that no function within a view writes anything.
create function kpi_view_readings(p_view text, p_kpi text, p_limit integer) returns jsonb
language plpgsql set search_path = public, pg_temp set timezone = 'UTC' as $$
declare
  v_view oid;
  v_missing jsonb;
  v_readings jsonb;
begin
  perform set_config('transaction_read_only', 'on', true);
  if p_view !~ '^kpi_[a-z0-9_]{1,55}$' then
    return jsonb_build_object('found', false);
  end if;
  select c.oid into v_view from pg_class c
  where c.relnamespace = 'public'::regnamespace and c.relname = p_view and c.relkind in ('v', 'm');
  if v_view is null then
    return jsonb_build_object('found', false);
  end if;
  select jsonb_agg(wanted.name order by wanted.name) into v_missing
  from unnest(array['observed_at', 'value'] || case when p_kpi is null then array[]::text[] else array['kpi'] end) as wanted (name)
  where not exists (select from pg_attribute a
    where a.attrelid = v_view and a.attname = wanted.name and a.attnum > 0 and not a.attisdropped);
  if v_missing is not null then
    return jsonb_build_object('found', true, 'missing', v_missing);
  end if;
  execute format($read$
    select coalesce(jsonb_agg(jsonb_build_array(
      case when isfinite(at) then floor(extract(epoch from at) * 1000) end, value) order by at), '[]')
    from (
      select observed_at::timestamptz as at, value::double precision as value from public.%I
      where observed_at is not null and value is not null %s
      order by observed_at::timestamptz desc limit $2
    ) newest $read$, p_view, case when p_kpi is null then 'and $1::text is null' else 'and kpi::text = $1' end)
  into v_readings using p_kpi, p_limit;
  return jsonb_build_object('found', true, 'missing', '[]'::jsonb, 'readings', v_readings);
end $$;

-- The last reading of each day, in UTC, of every KPI of a plan: [[kpi, milliseconds since the epoch, value]], by KPI and time.
create function kpi_daily_readings(p_plan_id uuid, p_from timestamptz, p_to timestamptz) returns jsonb
language sql stable set search_path = public, pg_temp as $$
  select coalesce(jsonb_agg(jsonb_build_array(kpi, floor(extract(epoch from observed_at) * 1000), value) order by kpi, observed_at), '[]')
  from (
    select distinct on (kpi, (observed_at at time zone 'UTC')::date) kpi, observed_at, value
    from kpi_readings
    where plan_id = p_plan_id and observed_at between p_from and p_to
    order by kpi, (observed_at at time zone 'UTC')::date, observed_at desc
  ) last_of_day
$$;

-- Writes what a look at a KPI came to. p_seen is the number of changes that the looker knows of, null when it knows of no look before: has
-- somebody else seen a change since, nothing is written and the answer is false. p_colour null: the colour stays. The messages about a
-- change are committed with it.
create function kpi_look(p_plan_id uuid, p_kpi text, p_seen integer, p_colour text, p_changes integer, p_problem text,
  p_at timestamptz, p_outbox jsonb) returns boolean
language plpgsql set search_path = public, pg_temp as $$
begin
  if p_seen is null then
    insert into kpi_alerts (plan_id, kpi, colour, since_at, changes, problem, looked_at)
    values (p_plan_id, p_kpi, coalesce(p_colour, 'unknown'), p_at, p_changes, p_problem, p_at)
    on conflict (plan_id, kpi) do nothing;
  else
    update kpi_alerts a set
      colour = coalesce(p_colour, a.colour), since_at = case when p_colour is null then a.since_at else p_at end,
      changes = p_changes, problem = p_problem, looked_at = greatest(a.looked_at, p_at)
    where a.plan_id = p_plan_id and a.kpi = p_kpi and a.changes = p_seen;
  end if;
  if not found then
    return false;
  end if;
  perform outbox_put(p_outbox, p_at);
  return true;
end $$;

do $$
declare
  f regprocedure;
begin
  for f in
    select p.oid::regprocedure from pg_proc p join pg_namespace n on n.oid = p.pronamespace
    where n.nspname = 'public' and p.proname in ('kpi_view_readings', 'kpi_daily_readings', 'kpi_look')
  loop
    execute format('revoke all on function %s from public', f);
    if exists (select from pg_roles where rolname = 'service_role') then
      execute format('revoke all on function %s from anon, authenticated', f);
      execute format('grant execute on function %s to service_role', f);
    end if;
  end loop;
end $$;
