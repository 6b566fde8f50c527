-- The working state of sessions: one row a session, its whole state as the JSON text that was given.
create table session_memory (
  namespace text not null,
  id text not null,
  -- From a sequence, so that no version comes twice for a session, not even when it was removed and made anew.
  version bigint not null generated always as identity,
  -- Text, not jsonb: it comes back exactly as it was given, and nothing asks for what is inside.
  state text not null,
  -- SHA-256 of the state in base64url: a copy in a cache is good when it has the same.
  digest text not null,
  updated_at timestamptz not null,
  primary key (namespace, id)
);
create index session_memory_age on session_memory (updated_at);

-- Writes a session if it is at p_version, or, when that is null, if it is not there. Returns whether it was written, and the
-- version it is at now (null: it is not there).
create function memory_put(
  p_namespace text, p_id text, p_state text, p_digest text, p_version bigint, p_at timestamptz
) returns jsonb
language plpgsql set search_path = public, pg_temp as $$
declare
  v_version bigint;
begin
  if p_version is null then
    insert into session_memory (namespace, id, state, digest, updated_at)
    values (p_namespace, p_id, p_state, p_digest, p_at)
    on conflict (namespace, id) do nothing returning version into v_version;
  else
    update session_memory set state = p_state, digest = p_digest, version = default, updated_at = p_at
    where namespace = p_namespace and id = p_id and version = p_version returning version into v_version;
  end if;
  if v_version is not null then
    return jsonb_build_object('written', true, 'version', v_version);
  end if;
  select version into v_version from session_memory where namespace = p_namespace and id = p_id;
  return jsonb_build_object('written', false, 'version', v_version);
end $$;

-- Sessions that nobody has written since p_before.
create function prune_sessions(p_before timestamptz, p_limit integer) returns integer
language plpgsql set search_path = public, pg_temp set enable_seqscan = off set enable_hashjoin = off
set enable_mergejoin = off as $$
declare
  v_gone integer;
begin
  with old as (
    select namespace, id from session_memory where updated_at < p_before
    order by updated_at limit p_limit for update skip locked
  )
  delete from session_memory s using old where s.namespace = old.namespace and s.id = old.id;
  get diagnostics v_gone = row_count;
  return nullif(v_gone, 0);
end $$;

do $$
declare
  f regprocedure;
begin
  alter table session_memory enable row level security;
  if exists (select from pg_roles where rolname = 'service_role') then
    revoke all on table session_memory from public, anon, authenticated;
    -- The sequence of an identity column needs no right of whoever writes the column.
    revoke all on sequence session_memory_version_seq from public, anon, authenticated;
    grant select, insert, update, delete on table session_memory to service_role;
  end if;
  for f in
    select p.oid::regprocedure from pg_proc p join pg_namespace n on n.oid = p.pronamespace
    where n.nspname = 'public' and p.proname in ('memory_put', 'prune_sessions')
  loop
    execute format('revoke all on function %s from public', f);
    if exists (select from pg_roles where rolname = 'service_role') then
      execute format('revoke all on function %s from anon, authenticated', f);
      execute format('grant execute on function %s to service_role', f);
    end if;
  end loop;
end $$;
