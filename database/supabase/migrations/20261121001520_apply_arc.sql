-- Makes an approved arc the plan's own: the version's row and the plan's, both or neither. Done again with the same approval it changes
-- nothing. Returns `applied`; `changed` when the plan has another arc by now than the one before this version; `ended`.
create function apply_arc(p_version jsonb, p_at timestamptz) returns text
language plpgsql set search_path = public, pg_temp as $$
declare
  v arc_versions := jsonb_populate_record(null::arc_versions, p_version);
  p plans;
begin
  select * into p from plans where id = v.plan_id for no key update;
  if not found then
    return 'changed';
  end if;
  if exists (select from arc_versions a where a.plan_id = v.plan_id and a.arc_version = v.arc_version
      and a.approval_id = v.approval_id and p.arc_version >= v.arc_version) then
    return 'applied';
  end if;
  if p.state = 'ended' then
    return 'ended';
  end if;
  if p.arc_version <> v.arc_version - 1 then
    return 'changed';
  end if;
  insert into arc_versions (plan_id, arc_version, arc, evidence, diff, changes, reason, approved_by, approval_id, pivot_id, run_id,
    model, created_at)
  values (v.plan_id, v.arc_version, v.arc, v.evidence, v.diff, v.changes, v.reason, v.approved_by, v.approval_id, v.pivot_id,
    v.run_id, v.model, p_at);
  update plans set arc_version = v.arc_version, state = 'active', state_reason = null, version = version + 1, updated_at = p_at
  where id = v.plan_id;
  return 'applied';
end $$;

do $$
declare
  f regprocedure;
begin
  for f in
    select p.oid::regprocedure from pg_proc p join pg_namespace n on n.oid = p.pronamespace
    where n.nspname = 'public' and p.proname in ('apply_arc')
  loop
    execute format('revoke all on function %s from public', f);
    if exists (select from pg_roles where rolname = 'service_role') then
      execute format('revoke all on function %s from anon, authenticated', f);
      execute format('grant execute on function %s to service_role', f);
    end if;
  end loop;
end $$;
