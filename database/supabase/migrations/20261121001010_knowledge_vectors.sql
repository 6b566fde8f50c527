-- requires extension vector 0.8
-- Search by meaning. Everything that needs pgvector stands here; without it the service does everything else.
--
-- Vectors are kept by the text that they stand for, so that a text is embedded once in a space, whatever collections hold it.
-- They are looked for in two steps, as pgvector's documentation has it (binary quantization with re-ranking): the nearest by the
-- signs of their components, which an HNSW index of bits finds, then the nearest of those by cosine distance. In the embedded database
-- such an index takes in 490 vectors of 512 dimensions a second, where one of halfvec takes 22, and of the ten nearest of 5,000
-- facts all were among the 200 candidates.

do $$
declare
  v_schema text;
  v_dimensions integer;
  v_slot integer;
begin
  create schema if not exists extensions;
  create extension if not exists vector with schema extensions;
  select n.nspname into v_schema from pg_extension e join pg_namespace n on n.oid = e.extnamespace where e.extname = 'vector';
  execute format('create table knowledge_vectors (
    space_id uuid not null references knowledge_spaces on delete cascade,
    slot smallint not null,
    dimensions integer not null,
    content_hash uuid not null,
    embedding %I.halfvec not null,
    primary key (space_id, content_hash))', v_schema);
  -- The dimensions of the built-in model and of the usual hosted ones. Others are searched without an index.
  foreach v_dimensions in array array[512, 768, 1536, 3072] loop
    for v_slot in 0..1 loop
      execute format(
        'create index knowledge_vectors_%1$s_%2$s on knowledge_vectors
          using hnsw ((%3$I.binary_quantize(embedding::%3$I.halfvec(%1$s))::bit(%1$s)) %3$I.bit_hamming_ops)
          where dimensions = %1$s and slot = %2$s', v_dimensions, v_slot, v_schema);
    end loop;
  end loop;

  execute format($f$
    create function knowledge_near(p_space uuid, p_vector text, p_limit integer, p_collection text, p_type text,
      p_suspicious boolean) returns jsonb
    language plpgsql set search_path = public, pg_temp as $g$
    declare
      s knowledge_spaces;
      v_filtered boolean := p_collection is not null or p_type is not null or p_suspicious is not null;
      v_few boolean := false;
      v_found jsonb;
    begin
      select * into s from knowledge_spaces where id = p_space;
      if not found then
        return '[]';
      end if;
      if v_filtered then
        -- So few that they are looked at one by one.
        v_few := (select count(*) < 2000 from (
          select from knowledge_facts f
          where f.merged_into is null and (p_collection is null or f.collection = p_collection)
            and (p_type is null or f.type = p_type) and (p_suspicious is null or f.suspicious = p_suspicious)
          limit 2000) n);
      end if;
      if v_few then
        execute $q$
          select coalesce(jsonb_agg(jsonb_build_object('id', id, 'distance', distance) order by distance, id), '[]') from (
            select f.id, v.embedding operator(%1$I.<=>) $1::%1$I.halfvec as distance
            from knowledge_facts f join knowledge_vectors v on v.space_id = $2 and v.content_hash = f.content_hash
            where f.merged_into is null and ($4 is null or f.collection = $4) and ($5 is null or f.type = $5)
              and ($6 is null or f.suspicious = $6)
            order by distance, f.id limit $3) n$q$
          into v_found using p_vector, p_space, p_limit, p_collection, p_type, p_suspicious;
        return v_found;
      end if;
      perform set_config('hnsw.ef_search', greatest(200, least(1000, 4 * p_limit))::text, true);
      perform set_config('hnsw.iterative_scan', 'relaxed_order', true);
      execute format($q$
        select coalesce(jsonb_agg(jsonb_build_object('id', id, 'distance', distance) order by distance, id), '[]') from (
          select f.id, c.embedding operator(%1$I.<=>) $1::%1$I.halfvec as distance
          from (
            select v.content_hash, v.embedding from knowledge_vectors v
            where v.dimensions = %%1$s and v.slot = %%2$s and v.space_id = $2
              and (not $7 or exists (select from knowledge_facts o where o.content_hash = v.content_hash
                and o.merged_into is null and ($4 is null or o.collection = $4) and ($5 is null or o.type = $5)
                and ($6 is null or o.suspicious = $6)))
            order by %1$I.binary_quantize(v.embedding::%1$I.halfvec(%%1$s))::bit(%%1$s)
              operator(%1$I.<~>) %1$I.binary_quantize($1::%1$I.halfvec(%%1$s))::bit(%%1$s)
            limit greatest(200, 4 * $3)) c
            join knowledge_facts f on f.content_hash = c.content_hash
          where f.merged_into is null and ($4 is null or f.collection = $4) and ($5 is null or f.type = $5)
            and ($6 is null or f.suspicious = $6)
          order by distance, f.id limit $3) n$q$, s.dimensions, s.slot)
        into v_found using p_vector, p_space, p_limit, p_collection, p_type, p_suspicious, v_filtered;
      return v_found;
    end $g$ $f$, v_schema);

  execute format($f$
    create function knowledge_put_vectors(p_space uuid, p_worker text, p_now timestamptz, p_lease_ms bigint, p_vectors jsonb,
      p_refused jsonb, p_cost_micros bigint) returns boolean
    language plpgsql set search_path = public, pg_temp as $g$
    declare
      s knowledge_spaces;
    begin
      update knowledge_spaces set lease_until_at = p_now + p_lease_ms * interval '1 millisecond',
          cost_micros = cost_micros + p_cost_micros
        where id = p_space and state <> 'retired' and claimed_by = p_worker returning * into s;
      if not found then
        return false;
      end if;
      insert into knowledge_vectors (space_id, slot, dimensions, content_hash, embedding)
      select s.id, s.slot, s.dimensions, (v ->> 0)::uuid, (v ->> 1)::%1$I.halfvec
      from jsonb_array_elements(p_vectors) v
      where %1$I.vector_dims((v ->> 1)::%1$I.halfvec) = s.dimensions
      on conflict do nothing;
      delete from knowledge_pending p using knowledge_facts f
        where p.space_id = p_space and f.id = p.fact_id
          and f.content_hash in (select (v ->> 0)::uuid from jsonb_array_elements(p_vectors) v);
      update knowledge_pending p set refused = true from knowledge_facts f
        where p.space_id = p_space and f.id = p.fact_id
          and f.content_hash in (select value::uuid from jsonb_array_elements_text(p_refused));
      return true;
    end $g$ $f$, v_schema);
end $$;

-- Gives a worker the next texts of a space that have no vector, and holds the space for it: {held, texts: [{content_hash, context,
-- text}]}. Facts whose text has a vector already, and facts that were merged, are done with on the way.
create function knowledge_next_texts(p_space uuid, p_worker text, p_now timestamptz, p_lease_ms bigint, p_limit integer) returns jsonb
language plpgsql set search_path = public, pg_temp as $$
declare
  v_batch uuid[];
  v_texts jsonb;
begin
  update knowledge_spaces set claimed_by = p_worker, lease_until_at = p_now + p_lease_ms * interval '1 millisecond'
    where id = p_space and state <> 'retired'
      and (claimed_by is null or claimed_by = p_worker or lease_until_at is null or lease_until_at <= p_now);
  if not found then
    return jsonb_build_object('held', false, 'texts', '[]'::jsonb);
  end if;
  v_batch := array(
    select fact_id from knowledge_pending where space_id = p_space and not refused order by fact_id limit p_limit);
  delete from knowledge_pending p using knowledge_facts f
    where p.space_id = p_space and p.fact_id = any (v_batch) and f.id = p.fact_id and (f.merged_into is not null
      or exists (select from knowledge_vectors v where v.space_id = p_space and v.content_hash = f.content_hash));
  select coalesce(jsonb_agg(jsonb_build_object('content_hash', content_hash, 'context', context, 'text', text)), '[]') into v_texts
    from (
      select distinct on (f.content_hash) f.content_hash, f.context, f.text
      from knowledge_pending p join knowledge_facts f on f.id = p.fact_id
      where p.space_id = p_space and p.fact_id = any (v_batch) order by f.content_hash) t;
  return jsonb_build_object('held', true, 'texts', v_texts);
end $$;

-- Removes vectors of spaces that are not used any more and of texts that no fact has, some at a time; returns how many.
create function knowledge_prune_vectors(p_limit integer) returns integer
language plpgsql set search_path = public, pg_temp as $$
declare
  v_removed integer;
begin
  delete from knowledge_vectors where (space_id, content_hash) in (
    select v.space_id, v.content_hash from knowledge_vectors v join knowledge_spaces s on s.id = v.space_id
    where s.state = 'retired' limit p_limit);
  get diagnostics v_removed = row_count;
  if v_removed > 0 then
    return v_removed;
  end if;
  delete from knowledge_spaces s where s.state = 'retired'
    and not exists (select from knowledge_vectors v where v.space_id = s.id);
  delete from knowledge_vectors where (space_id, content_hash) in (
    select v.space_id, v.content_hash from knowledge_vectors v
    where not exists (select from knowledge_facts f where f.content_hash = v.content_hash) limit p_limit);
  get diagnostics v_removed = row_count;
  return v_removed;
end $$;

do $$
declare
  f regprocedure;
begin
  alter table knowledge_vectors enable row level security;
  if exists (select from pg_roles where rolname = 'service_role') then
    execute 'grant usage on schema extensions to service_role';
    revoke all on table knowledge_vectors from public, anon, authenticated;
    grant select, insert, update, delete on table knowledge_vectors to service_role;
  end if;
  -- Not by a list of names: where the extension is missing there are none of these.
  for f in
    select p.oid::regprocedure from pg_proc p join pg_namespace n on n.oid = p.pronamespace
    where n.nspname = 'public'
      and p.proname ~ '^knowledge_(near|put_vectors|next_texts|prune_vectors)$'
  loop
    execute format('revoke all on function %s from public', f);
    if exists (select from pg_roles where rolname = 'service_role') then
      execute format('revoke all on function %s from anon, authenticated', f);
      execute format('grant execute on function %s to service_role', f);
    end if;
  end loop;
end $$;
