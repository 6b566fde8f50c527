-- Row-level security on every table without policies: only the service's own role, or Supabase's
-- service_role, reads or writes. New Supabase projects grant nothing by themselves, so the grants are explicit;
-- on a plain Postgres the role does not exist and the owner needs none.
do $$
declare
  t text;
  f regprocedure;
begin
  foreach t in array array['campaigns', 'campaign_runs', 'run_steps', 'run_events', 'campaign_fires',
    'agent_decisions', 'idempotency_keys', 'budget_periods', 'budget_entries', 'budget_alerts', 'notifications',
    'alert_episodes'] loop
    execute format('alter table %I enable row level security', t);
    if exists (select from pg_roles where rolname = 'service_role') then
      execute format('revoke all on table %I from public, anon, authenticated', t);
      execute format('grant select, insert, update, delete on table %I to service_role', t);
    end if;
  end loop;
  for f in
    select p.oid::regprocedure from pg_proc p join pg_namespace n on n.oid = p.pronamespace
    where n.nspname = 'public' and p.proname in ('max_waiting_runs', 'outbox_put', 'outbox_claim', 'journal_commit',
      'admit_run', 'start_run', 'fire_campaign', 'claim_run', 'renew_leases', 'cancel_run', 'resolve_step',
      'runs_to_requeue', 'budget_lock', 'budget_write', 'budget_reserve', 'budget_settle', 'budget_step_history')
  loop
    execute format('revoke all on function %s from public', f);
    if exists (select from pg_roles where rolname = 'service_role') then
      execute format('revoke all on function %s from anon, authenticated', f);
      execute format('grant execute on function %s to service_role', f);
    end if;
  end loop;
end $$;
