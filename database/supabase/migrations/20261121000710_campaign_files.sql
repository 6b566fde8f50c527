-- What the campaigns of files look like to those who bring them in line with their files, as one short text: another text
-- means that some such row was made, removed, given other content, or paused or resumed for its file.
create function campaign_files_digest() returns text
language sql stable set search_path = public, pg_temp as $$
  select count(*) || '/' || coalesce(sum(hashtextextended(
    concat_ws('/', id, source_hash, deleted_at is null, coalesce(paused_by = 'file', false)), 0)), 0)
  from campaigns where source_file is not null
$$;

do $$
declare
  f regprocedure;
begin
  for f in
    select p.oid::regprocedure from pg_proc p join pg_namespace n on n.oid = p.pronamespace
    where n.nspname = 'public' and p.proname in ('campaign_files_digest')
  loop
    execute format('revoke all on function %s from public', f);
    if exists (select from pg_roles where rolname = 'service_role') then
      execute format('revoke all on function %s from anon, authenticated', f);
      execute format('grant execute on function %s to service_role', f);
    end if;
  end loop;
end $$;
