-- What agents did with tools, as old as p_before and of runs that have gone; as the other functions of retention.
create index tool_calls_age on tool_calls (called_at);

create function prune_tool_calls(p_before timestamptz, p_limit integer) returns integer
language plpgsql set search_path = public, pg_temp set enable_seqscan = off set enable_hashjoin = off
set enable_mergejoin = off as $$
declare
  v_gone integer;
begin
  with old as (
    select t.id from tool_calls t
    where t.called_at < p_before and (select true from campaign_runs r where r.id = t.run_id) is null
    order by t.called_at limit p_limit for update skip locked
  )
  delete from tool_calls c using old where c.id = old.id;
  get diagnostics v_gone = row_count;
  return nullif(v_gone, 0);
end $$;

do $$
declare
  f regprocedure;
begin
  for f in
    select p.oid::regprocedure from pg_proc p join pg_namespace n on n.oid = p.pronamespace
    where n.nspname = 'public' and p.proname in ('prune_tool_calls')
  loop
    execute format('revoke all on function %s from public', f);
    if exists (select from pg_roles where rolname = 'service_role') then
      execute format('revoke all on function %s from anon, authenticated', f);
      execute format('grant execute on function %s to service_role', f);
    end if;
  end loop;
end $$;
