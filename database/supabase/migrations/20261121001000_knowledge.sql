-- Knowledge of the business: files as they came (ingests, their lines), the facts made of them, and where each fact stands.

-- One file. `segments_done` is the cursor: how many pieces of it have become facts (or problems) for good.
create table knowledge_ingests (
  id uuid primary key,
  collection text not null,
  name text not null,
  format text not null check (format in ('text', 'markdown', 'csv', 'jsonl', 'html')),
  state text not null default 'receiving'
    check (state in ('receiving', 'queued', 'refining', 'embedding', 'completed', 'cancelled', 'failed')),
  state_reason text,
  bytes bigint not null default 0,
  lines integer not null default 0,
  lines_read integer not null default 0,
  segments_done integer not null default 0,
  facts_new integer not null default 0,
  facts_repeated integer not null default 0,
  facts_merged integer not null default 0,
  suspicious integer not null default 0,
  problems integer not null default 0,
  attempts integer not null default 0,
  epoch integer not null default 0,
  claimed_by text,
  lease_until_at timestamptz,
  event_seq integer not null default 0,
  created_at timestamptz not null,
  received_at timestamptz,
  completed_at timestamptz
);
create index knowledge_ingests_open on knowledge_ingests (id) where state in ('receiving', 'queued', 'refining', 'embedding');

-- The raw lines, as they were but for U+0000, which no text column can hold.
create table knowledge_lines (
  ingest_id uuid not null references knowledge_ingests on delete cascade,
  line integer not null,
  text text not null,
  primary key (ingest_id, line)
);

-- What was wrong with a line: the first thousand of a file; `problems` of the file counts all.
create table knowledge_problems (
  ingest_id uuid not null references knowledge_ingests on delete cascade,
  seq integer not null,
  line integer not null,
  code text not null,
  message text not null,
  mend text not null,
  primary key (ingest_id, seq)
);

create table knowledge_events (
  ingest_id uuid not null references knowledge_ingests on delete cascade,
  seq integer not null,
  type text not null,
  occurred_at timestamptz not null,
  data jsonb not null default '{}',
  primary key (ingest_id, seq)
);

-- The facts, one row for each distinct text of a collection. A text that says the same as another one points to it
-- (`merged_into`); facts are the rows that point nowhere. The id and the content hash follow from what the row says. `aliases`
-- holds other spellings of its words, for the search alone.
create table knowledge_facts (
  id uuid primary key,
  collection text not null,
  context text not null,
  text text not null,
  aliases text not null default '',
  type text not null check (type in ('product', 'audience', 'brand', 'offer', 'proof', 'constraint', 'metric', 'unclassified')),
  type_rank smallint not null,
  suspicious boolean not null,
  content_hash uuid not null,
  near_key uuid,
  attributes jsonb not null default '{}',
  merged_into uuid,
  created_at timestamptz not null,
  words tsvector not null generated always as (
    to_tsvector('english', context || ' ' || text || ' ' || aliases)
      || to_tsvector('simple', context || ' ' || text || ' ' || aliases)) stored
);
create index knowledge_facts_words on knowledge_facts using gin (words);
create index knowledge_facts_near on knowledge_facts (collection, near_key) where near_key is not null;
create index knowledge_facts_content on knowledge_facts (content_hash);
create index knowledge_facts_merged on knowledge_facts (merged_into) where merged_into is not null;
create index knowledge_facts_type on knowledge_facts (collection, type, id) where merged_into is null;

create table knowledge_sources (
  fact_id uuid not null references knowledge_facts on delete cascade,
  ingest_id uuid not null references knowledge_ingests,
  line integer not null,
  last_line integer not null,
  primary key (fact_id, ingest_id, line)
);
create index knowledge_sources_ingest on knowledge_sources (ingest_id, fact_id);

-- What a fact says of something that can have one value only: two facts with one key and two values contradict each other.
create table knowledge_claims (
  fact_id uuid not null references knowledge_facts on delete cascade,
  key uuid not null,
  collection text not null,
  attribute text not null,
  value text not null,
  primary key (fact_id, key)
);
create index knowledge_claims_key on knowledge_claims (collection, key);

-- A space of vectors: one model and its number of dimensions. Searches use the active one; another is built beside it when the model
-- is changed. The slot, 0 or 1, says which index holds the space's vectors.
create table knowledge_spaces (
  id uuid primary key,
  model text not null,
  dimensions integer not null check (dimensions between 1 and 4000),
  slot smallint not null check (slot in (0, 1)),
  state text not null check (state in ('building', 'active', 'retired')),
  cost_micros bigint not null default 0,
  claimed_by text,
  lease_until_at timestamptz,
  created_at timestamptz not null,
  active_at timestamptz
);
create unique index knowledge_spaces_live on knowledge_spaces (state) where state <> 'retired';

-- The facts that a space has no vector of. `refused`: the model does not take the text, which is not asked about again.
create table knowledge_pending (
  space_id uuid not null references knowledge_spaces on delete cascade,
  fact_id uuid not null references knowledge_facts on delete cascade,
  ingest_id uuid references knowledge_ingests on delete set null,
  refused boolean not null default false,
  primary key (space_id, fact_id)
);
create index knowledge_pending_ingest on knowledge_pending (ingest_id) where ingest_id is not null;
create index knowledge_pending_fact on knowledge_pending (fact_id);

-- Whether vectors can be kept here: their table stands in a migration of its own, which needs pgvector.
create function knowledge_has_vectors() returns boolean
language sql stable set search_path = public, pg_temp as $$
  select to_regclass('public.knowledge_vectors') is not null
$$;

-- Adds to the history of a file, whose row the caller has locked.
create function knowledge_note(p_id uuid, p_type text, p_at timestamptz, p_data jsonb) returns void
language plpgsql set search_path = public, pg_temp as $$
declare
  v_seq integer;
begin
  update knowledge_ingests set event_seq = event_seq + 1 where id = p_id returning event_seq into v_seq;
  insert into knowledge_events (ingest_id, seq, type, occurred_at, data) values (p_id, v_seq, p_type, p_at, p_data);
end $$;

-- Notes problems of lines: [{line, code, message, mend}].
create function knowledge_report(p_id uuid, p_problems jsonb) returns void
language plpgsql set search_path = public, pg_temp as $$
declare
  v_before integer;
begin
  if jsonb_array_length(p_problems) = 0 then
    return;
  end if;
  select problems into v_before from knowledge_ingests where id = p_id;
  insert into knowledge_problems (ingest_id, seq, line, code, message, mend)
  select p_id, v_before + n, (p ->> 'line')::integer, p ->> 'code', p ->> 'message', p ->> 'mend'
  from jsonb_array_elements(p_problems) with ordinality as given (p, n)
  where v_before + n <= 1000;
  update knowledge_ingests set problems = problems + jsonb_array_length(p_problems) where id = p_id;
end $$;

-- Takes in lines of a file that is still being received: [[line, text]]. False when it is not, because somebody cancelled it.
create function knowledge_put_lines(p_id uuid, p_lines jsonb, p_problems jsonb, p_total integer, p_bytes bigint,
  p_lease_until timestamptz) returns boolean
language plpgsql set search_path = public, pg_temp as $$
begin
  update knowledge_ingests set lines = p_total, bytes = p_bytes, lease_until_at = p_lease_until
    where id = p_id and state = 'receiving';
  if not found then
    return false;
  end if;
  insert into knowledge_lines (ingest_id, line, text)
  select p_id, (value ->> 0)::integer, value ->> 1 from jsonb_array_elements(p_lines)
  on conflict do nothing;
  perform knowledge_report(p_id, p_problems);
  return true;
end $$;

-- The file is here as a whole. False as above.
create function knowledge_received(p_id uuid, p_at timestamptz) returns boolean
language plpgsql set search_path = public, pg_temp as $$
declare
  v knowledge_ingests;
begin
  update knowledge_ingests set state = 'queued', received_at = p_at, claimed_by = null, lease_until_at = null
    where id = p_id and state = 'receiving' returning * into v;
  if not found then
    return false;
  end if;
  perform knowledge_note(p_id, 'ingest.received', p_at,
    jsonb_build_object('name', v.name, 'lines', v.lines, 'bytes', v.bytes, 'problems', v.problems));
  return true;
end $$;

-- Removes what was received of files whose sender has gone; returns their number.
create function knowledge_drop_unfinished(p_now timestamptz) returns integer
language plpgsql set search_path = public, pg_temp as $$
declare
  v_dropped integer;
begin
  delete from knowledge_ingests where state = 'receiving' and lease_until_at <= p_now;
  get diagnostics v_dropped = row_count;
  return v_dropped;
end $$;

-- Gives a worker the oldest file to refine that nobody holds, or null. One file of a collection at a time, so that two never
-- look for the same duplicates past each other.
create function knowledge_claim(p_worker text, p_now timestamptz, p_lease_ms bigint) returns jsonb
language plpgsql set search_path = public, pg_temp as $$
declare
  v knowledge_ingests;
begin
  perform pg_advisory_xact_lock(7302011935);
  select i.* into v from knowledge_ingests i
    where i.state in ('queued', 'refining') and (i.lease_until_at is null or i.lease_until_at <= p_now)
      and not exists (
        select from knowledge_ingests o where o.collection = i.collection and o.state = 'refining' and o.lease_until_at > p_now)
    order by i.id limit 1 for no key update;
  if not found then
    return null;
  end if;
  update knowledge_ingests set state = 'refining', epoch = epoch + 1, attempts = attempts + 1, claimed_by = p_worker,
      lease_until_at = p_now + p_lease_ms * interval '1 millisecond'
    where id = v.id returning * into v;
  if v.epoch = 1 then
    perform knowledge_note(v.id, 'ingest.started', p_now, '{}');
  else
    perform knowledge_note(v.id, 'ingest.resumed', p_now, jsonb_build_object('linesRead', v.lines_read));
  end if;
  return to_jsonb(v);
end $$;

-- The workers that hold files or spaces, as a list of names.
create function knowledge_workers() returns jsonb
language sql stable set search_path = public, pg_temp as $$
  select coalesce(jsonb_agg(distinct w), '[]') from (
    select claimed_by from knowledge_ingests where state in ('receiving', 'refining') and claimed_by is not null
    union select claimed_by from knowledge_spaces where claimed_by is not null) held (w)
$$;

-- Voids what workers hold that are gone.
create function knowledge_release(p_workers jsonb, p_now timestamptz) returns void
language plpgsql set search_path = public, pg_temp as $$
declare
  v_gone text[] := array(select value from jsonb_array_elements_text(p_workers));
begin
  perform pg_advisory_xact_lock(7302011935);
  update knowledge_ingests set lease_until_at = p_now where state = 'receiving' and claimed_by = any (v_gone);
  update knowledge_ingests set lease_until_at = null, claimed_by = null where state = 'refining' and claimed_by = any (v_gone);
  update knowledge_spaces set lease_until_at = null, claimed_by = null where claimed_by = any (v_gone);
end $$;

-- The facts of a collection that may say the same as new ones.
create function knowledge_candidates(p_collection text, p_near_keys jsonb) returns jsonb
language sql stable set search_path = public, pg_temp as $$
  select coalesce(jsonb_agg(jsonb_build_object('id', id, 'context', context, 'text', text, 'near_key', near_key)), '[]')
  from (
    select id, context, text, near_key from knowledge_facts
    where collection = p_collection and near_key in (select value::uuid from jsonb_array_elements_text(p_near_keys))
    order by id limit 5000) f
$$;

-- Makes one fact of all texts that say the same as any of the given ones. The longest stands for them, since it leaves nothing
-- out; of equally long ones the first by id, so that it does not matter which came first. Answers {head, fewer}: the text that stands
-- for them, and how many facts there are less.
create function knowledge_unite(p_ids uuid[]) returns jsonb
language plpgsql set search_path = public, pg_temp as $$
declare
  v_heads uuid[] := array(select distinct coalesce(merged_into, id) from knowledge_facts where id = any (p_ids));
  v_all uuid[] := array(select id from knowledge_facts where id = any (v_heads) or merged_into = any (v_heads));
  v_head uuid := (select id from knowledge_facts where id = any (v_all) order by length(text) desc, id limit 1);
  v_best knowledge_facts := (select f from knowledge_facts f where id = any (v_all) order by type_rank desc, id limit 1);
begin
  update knowledge_facts set merged_into = v_head
    where id = any (v_all) and id <> v_head and merged_into is distinct from v_head;
  update knowledge_facts set merged_into = null, type = v_best.type, type_rank = v_best.type_rank
    where id = v_head and (merged_into is not null or type_rank <> v_best.type_rank);
  delete from knowledge_pending where fact_id = any (v_all) and fact_id <> v_head;
  return jsonb_build_object('head', v_head, 'fewer', cardinality(v_heads) - 1);
end $$;

-- Facts that are to have vectors in every space in use.
create function knowledge_await_vectors(p_facts uuid[], p_ingest uuid) returns void
language sql set search_path = public, pg_temp as $$
  insert into knowledge_pending (space_id, fact_id, ingest_id)
  select s.id, f.id, p_ingest
  from (select id from knowledge_spaces where state <> 'retired' for share) s, knowledge_facts f
  where f.id = any (p_facts) and f.merged_into is null
  on conflict do nothing
$$;

-- One step of a file, written whole or not at all, by the worker that holds it: {segments_from, segments_to, lines_read, facts,
-- repeated, problems, note, finished}; facts: [{id, context, text, aliases, type, type_rank, suspicious, content_hash, near_key,
-- attributes, claims: [[key, attribute, value]], near: [ids], sources: [[line, last_line]]}], each id once.
-- Answers {held}: false when the file is not this worker's any more. A step that is there already is not written again.
create function knowledge_commit(p_id uuid, p_epoch integer, p_now timestamptz, p_lease_ms bigint, p_step jsonb) returns jsonb
language plpgsql set search_path = public, pg_temp as $$
declare
  v knowledge_ingests;
  v_new uuid[];
  v_heads uuid[] := '{}';
  v_fewer integer := 0;
  v_united jsonb;
  f jsonb;
begin
  select * into v from knowledge_ingests where id = p_id for no key update;
  if not found or v.state <> 'refining' or v.epoch <> p_epoch or v.lease_until_at <= p_now then
    return jsonb_build_object('held', false, 'state', v.state);
  end if;
  if v.segments_done >= (p_step ->> 'segments_to')::integer and v.segments_done > (p_step ->> 'segments_from')::integer then
    return jsonb_build_object('held', true);
  end if;
  if v.segments_done <> (p_step ->> 'segments_from')::integer then
    return jsonb_build_object('held', false, 'state', v.state);
  end if;

  with given as (
    select * from jsonb_to_recordset(p_step -> 'facts') as g (id uuid, context text, text text, aliases text, type text,
      type_rank smallint, suspicious boolean, content_hash uuid, near_key uuid, attributes jsonb)
  ), inserted as (
    insert into knowledge_facts (id, collection, context, text, aliases, type, type_rank, suspicious, content_hash, near_key,
      attributes, created_at)
    select id, v.collection, context, text, aliases, type, type_rank, suspicious, content_hash, near_key, attributes, p_now
    from given on conflict (id) do nothing returning id
  )
  select coalesce(array_agg(id), '{}') into v_new from inserted;

  insert into knowledge_sources (fact_id, ingest_id, line, last_line)
  select (g ->> 'id')::uuid, p_id, (s ->> 0)::integer, (s ->> 1)::integer
  from jsonb_array_elements(p_step -> 'facts') g, jsonb_array_elements(g -> 'sources') s
  on conflict do nothing;

  insert into knowledge_claims (fact_id, key, collection, attribute, value)
  select (g ->> 'id')::uuid, (c ->> 0)::uuid, v.collection, c ->> 1, c ->> 2
  from jsonb_array_elements(p_step -> 'facts') g, jsonb_array_elements(g -> 'claims') c
  on conflict do nothing;

  update knowledge_facts k set suspicious = true
  from jsonb_to_recordset(p_step -> 'facts') as g (id uuid, suspicious boolean)
  where k.id = g.id and g.suspicious and not k.suspicious;

  -- A text known already may now be said to be of some type; whoever it was merged into hears of it too.
  update knowledge_facts k set type = g.type, type_rank = g.type_rank
  from (
    select distinct on (t.id) t.id, g.type, g.type_rank
    from jsonb_to_recordset(p_step -> 'facts') as g (id uuid, type text, type_rank smallint)
      join knowledge_facts o on o.id = g.id
      cross join lateral (values (o.id), (coalesce(o.merged_into, o.id))) t (id)
    order by t.id, g.type_rank desc) g
  where k.id = g.id and g.type_rank > k.type_rank;

  for f in select value from jsonb_array_elements(p_step -> 'facts') where jsonb_array_length(value -> 'near') > 0 loop
    continue when (f ->> 'id')::uuid <> all (v_new);
    v_united := knowledge_unite(
      array(select value::uuid from jsonb_array_elements_text(f -> 'near')) || (f ->> 'id')::uuid);
    v_heads := v_heads || (v_united ->> 'head')::uuid;
    v_fewer := v_fewer + (v_united ->> 'fewer')::integer;
  end loop;
  perform knowledge_await_vectors(v_new || v_heads, p_id);
  perform knowledge_report(p_id, p_step -> 'problems');

  update knowledge_ingests i set
      segments_done = (p_step ->> 'segments_to')::integer,
      lines_read = (p_step ->> 'lines_read')::integer,
      facts_new = facts_new + cardinality(v_new) - v_fewer,
      facts_merged = facts_merged + v_fewer,
      facts_repeated = facts_repeated + (p_step ->> 'repeated')::integer
        + jsonb_array_length(p_step -> 'facts') - cardinality(v_new),
      suspicious = i.suspicious + (select count(*) from knowledge_facts k where k.id = any (v_new) and k.suspicious),
      attempts = 1,
      lease_until_at = p_now + p_lease_ms * interval '1 millisecond'
    where i.id = p_id returning i.* into v;
  if (p_step ->> 'finished')::boolean then
    update knowledge_ingests set state = 'embedding', claimed_by = null, lease_until_at = null where id = p_id;
  end if;
  if (p_step ->> 'note')::boolean or (p_step ->> 'finished')::boolean then
    perform knowledge_note(p_id, case when (p_step ->> 'finished')::boolean then 'ingest.refined' else 'ingest.progress' end, p_now,
      jsonb_build_object('linesRead', v.lines_read, 'lines', v.lines, 'factsNew', v.facts_new, 'factsRepeated', v.facts_repeated,
        'factsMerged', v.facts_merged, 'problems', v.problems));
  end if;
  return jsonb_build_object('held', true);
end $$;

-- Lets go of a file that could not be refined now; after `p_most` attempts without a step in between it has failed.
create function knowledge_give_back(p_id uuid, p_epoch integer, p_now timestamptz, p_reason text, p_most integer,
  p_wait_ms bigint) returns text
language plpgsql set search_path = public, pg_temp as $$
declare
  v knowledge_ingests;
begin
  select * into v from knowledge_ingests where id = p_id for no key update;
  if not found or v.state <> 'refining' or v.epoch <> p_epoch then
    return v.state;
  end if;
  if v.attempts < p_most then
    update knowledge_ingests set claimed_by = null, lease_until_at = p_now + p_wait_ms * interval '1 millisecond' where id = p_id;
    return v.state;
  end if;
  update knowledge_ingests set state = 'failed', state_reason = p_reason, claimed_by = null, lease_until_at = null,
    completed_at = p_now where id = p_id;
  perform knowledge_note(p_id, 'ingest.finished', p_now, jsonb_build_object('state', 'failed', 'reason', p_reason));
  return 'failed';
end $$;

-- Stops a file wherever it is; what has become of it stays. Answers the state, null for no such file.
create function knowledge_cancel(p_id uuid, p_reason text, p_at timestamptz) returns jsonb
language plpgsql set search_path = public, pg_temp as $$
declare
  v knowledge_ingests;
begin
  select * into v from knowledge_ingests where id = p_id for no key update;
  if not found then
    return null;
  end if;
  if v.state not in ('receiving', 'queued', 'refining', 'embedding') then
    return jsonb_build_object('cancelled', false, 'state', v.state);
  end if;
  update knowledge_ingests set state = 'cancelled', state_reason = p_reason, claimed_by = null, lease_until_at = null,
    completed_at = p_at where id = p_id;
  perform knowledge_note(p_id, 'ingest.finished', p_at, jsonb_build_object('state', 'cancelled', 'reason', p_reason));
  return jsonb_build_object('cancelled', true, 'state', 'cancelled');
end $$;

-- Files all of whose facts have been embedded are complete: in the space that is being built, or where none is, in the active one.
-- Returns [{id, facts}].
create function knowledge_complete(p_at timestamptz) returns jsonb
language plpgsql set search_path = public, pg_temp as $$
declare
  v_space uuid := (select id from knowledge_spaces where state <> 'retired' order by state = 'active' limit 1);
  v knowledge_ingests;
  v_done jsonb := '[]';
begin
  for v in
    select * from knowledge_ingests i
    where state = 'embedding' and not exists (
      select from knowledge_pending p where p.ingest_id = i.id and p.space_id = v_space and not p.refused)
    order by id for no key update skip locked
  loop
    update knowledge_ingests set state = 'completed', completed_at = p_at where id = v.id;
    perform knowledge_note(v.id, 'ingest.finished', p_at, jsonb_build_object('state', 'completed', 'factsNew', v.facts_new,
      'factsRepeated', v.facts_repeated, 'factsMerged', v.facts_merged, 'problems', v.problems));
    v_done := v_done || jsonb_build_object('id', v.id, 'name', v.name, 'facts', v.facts_new, 'problems', v.problems);
  end loop;
  return v_done;
end $$;

-- Notes how far the embedding of files has come.
create function knowledge_note_embedding(p_at timestamptz) returns jsonb
language plpgsql set search_path = public, pg_temp as $$
declare
  i record;
  v_ids jsonb := '[]';
begin
  for i in
    select n.id, (select count(*) from knowledge_pending p join knowledge_spaces s on s.id = p.space_id
        where p.ingest_id = n.id and s.state <> 'retired' and not p.refused) as pending
    from knowledge_ingests n where n.state = 'embedding' order by n.id for no key update of n skip locked
  loop
    perform knowledge_note(i.id, 'ingest.embedding', p_at, jsonb_build_object('pending', i.pending));
    v_ids := v_ids || to_jsonb(i.id);
  end loop;
  return v_ids;
end $$;

-- Takes a file and what only it says away, some facts at a time. Answers whether more is left; null for no such file.
create function knowledge_forget(p_id uuid, p_limit integer) returns boolean
language plpgsql set search_path = public, pg_temp as $$
declare
  v_facts uuid[];
  v_gone uuid[];
  v_head uuid;
  v_heir uuid;
  v_heirs uuid[] := '{}';
begin
  perform from knowledge_ingests where id = p_id for no key update;
  if not found then
    return null;
  end if;
  v_facts := array(
    select distinct fact_id from knowledge_sources where ingest_id = p_id order by fact_id limit p_limit);
  delete from knowledge_sources where ingest_id = p_id and fact_id = any (v_facts);
  v_gone := array(
    select id from knowledge_facts f
    where id = any (v_facts) and not exists (select from knowledge_sources s where s.fact_id = f.id)
    order by id for update);
  for v_head in select id from knowledge_facts where id = any (v_gone) and merged_into is null loop
    select id into v_heir from knowledge_facts
      where merged_into = v_head and id <> all (v_gone) order by length(text) desc, id limit 1;
    continue when not found;
    update knowledge_facts set merged_into = v_heir where merged_into = v_head and id <> v_heir;
    update knowledge_facts set merged_into = null where id = v_heir;
    v_heirs := v_heirs || v_heir;
  end loop;
  delete from knowledge_facts where id = any (v_gone);
  perform knowledge_await_vectors(v_heirs, null);
  if cardinality(v_facts) = p_limit then
    return true;
  end if;
  delete from knowledge_ingests where id = p_id;
  return false;
end $$;

-- The space of a model, made when there is none; every fact then waits for a vector in it. The first is active at once, a later one
-- is built beside the active one, and takes the place of one that is being built.
create function knowledge_open_space(p_id uuid, p_model text, p_dimensions integer, p_at timestamptz) returns jsonb
language plpgsql set search_path = public, pg_temp as $$
declare
  v knowledge_spaces;
  v_active knowledge_spaces;
begin
  perform pg_advisory_xact_lock(7302011936);
  select * into v_active from knowledge_spaces where state = 'active';
  select * into v from knowledge_spaces where model = p_model and dimensions = p_dimensions and state <> 'retired';
  if found and v.state = 'building' then
    return to_jsonb(v);
  end if;
  -- Another model that was being brought in is not wanted any more.
  delete from knowledge_pending where space_id in (select id from knowledge_spaces where state = 'building');
  update knowledge_spaces set state = 'retired' where state = 'building';
  if v.id is not null then
    return to_jsonb(v);
  end if;
  insert into knowledge_spaces (id, model, dimensions, slot, state, created_at, active_at)
  values (p_id, p_model, p_dimensions, 1 - coalesce(v_active.slot, 1),
    case when v_active.id is null then 'active' else 'building' end, p_at, case when v_active.id is null then p_at end)
  returning * into v;
  -- A file under way waits for the vectors of its facts.
  insert into knowledge_pending (space_id, fact_id, ingest_id)
  select v.id, f.id, (
    select s.ingest_id from knowledge_sources s join knowledge_ingests i on i.id = s.ingest_id
    where s.fact_id = f.id and i.state in ('refining', 'embedding') order by s.ingest_id limit 1)
  from knowledge_facts f where f.merged_into is null;
  return to_jsonb(v);
end $$;

-- Makes the space that was being built the active one, if every fact has its vector; answers whether it did.
create function knowledge_turn_space(p_id uuid, p_at timestamptz) returns boolean
language plpgsql set search_path = public, pg_temp as $$
begin
  perform pg_advisory_xact_lock(7302011936);
  -- Whoever adds a fact holds the spaces by a shared lock until it is committed.
  perform from knowledge_spaces where state <> 'retired' order by id for update;
  if not exists (select from knowledge_spaces where id = p_id and state = 'building')
    or exists (select from knowledge_pending where space_id = p_id and not refused) then
    return false;
  end if;
  delete from knowledge_pending where space_id in (select id from knowledge_spaces where state = 'active');
  update knowledge_spaces set state = 'retired', claimed_by = null, lease_until_at = null where state = 'active';
  update knowledge_spaces set state = 'active', active_at = p_at where id = p_id;
  return true;
end $$;

-- Facts as they are shown, in the order of the ids: with the sources of everything merged into them (the first twenty), its other
-- wordings (the first five), what contradicts them, and the space of their vector.
create function knowledge_present(p_ids jsonb) returns jsonb
language sql stable set search_path = public, pg_temp as $$
  select coalesce(jsonb_agg(jsonb_build_object('id', f.id, 'collection', f.collection, 'context', f.context, 'text', f.text,
    'type', f.type, 'suspicious', f.suspicious, 'attributes', f.attributes, 'merged_into', f.merged_into,
    'created_at', f.created_at, 'sources', src.list, 'source_count', src.n, 'wordings', wordings.list,
    'contradictions', contradictions.list, 'embedding', embedding.space) order by w.n), '[]')
  from jsonb_array_elements_text(p_ids) with ordinality w (id, n)
    join knowledge_facts f on f.id = w.id::uuid
    cross join lateral (
      select array(select f.id union all select m.id from knowledge_facts m where m.merged_into = f.id) as ids) cluster
    cross join lateral (
      select coalesce(jsonb_agg(jsonb_build_object('ingest_id', s.ingest_id, 'name', i.name, 'line', s.line,
          'last_line', s.last_line) order by s.ingest_id, s.line) filter (where s.n <= 20), '[]') as list, count(*) as n
      from (
        select o.*, row_number() over (order by o.ingest_id, o.line) as n
        from knowledge_sources o where o.fact_id = any (cluster.ids)) s
      join knowledge_ingests i on i.id = s.ingest_id) src
    cross join lateral (
      select coalesce(jsonb_agg(m.text order by m.id), '[]') as list
      from (select id, text from knowledge_facts where merged_into = f.id order by id limit 5) m) wordings
    cross join lateral (
      select coalesce(jsonb_agg(jsonb_build_object('id', c.fact_id, 'text', c.text, 'attribute', c.attribute, 'here', c.here,
          'there', c.there) order by c.fact_id), '[]') as list
      from (
        select distinct on (theirs.fact_id) theirs.fact_id, o.text, theirs.attribute, mine.value as here, theirs.value as there
        from knowledge_claims mine
          join knowledge_claims theirs on theirs.collection = mine.collection and theirs.key = mine.key
            and theirs.value <> mine.value
          join knowledge_facts o on o.id = theirs.fact_id and o.merged_into is null
        where mine.fact_id = f.id and f.merged_into is null
        order by theirs.fact_id, theirs.attribute limit 20) c) contradictions
    cross join lateral (
      select (
        select jsonb_build_object('model', s.model, 'dimensions', s.dimensions) from knowledge_spaces s
        where s.state = 'active' and f.merged_into is null
          and not exists (select from knowledge_pending p where p.space_id = s.id and p.fact_id = f.id)) as space) embedding
$$;

-- The ids of facts in order, after one of them. `p_source` is the name of a file or the id of its ingest.
create function knowledge_list(p_after uuid, p_limit integer, p_collection text, p_type text, p_source text,
  p_suspicious boolean) returns jsonb
language sql stable set search_path = public, pg_temp as $$
  select coalesce(jsonb_agg(id order by id), '[]') from (
    select f.id from knowledge_facts f
    where f.merged_into is null
      and (p_after is null or f.id > p_after)
      and (p_collection is null or f.collection = p_collection)
      and (p_type is null or f.type = p_type)
      and (p_suspicious is null or f.suspicious = p_suspicious)
      and (p_source is null or f.id in (
        select coalesce(k.merged_into, k.id)
        from knowledge_ingests i join knowledge_sources s on s.ingest_id = i.id join knowledge_facts k on k.id = s.fact_id
        where i.name = p_source or i.id::text = p_source))
    order by f.id limit p_limit) l
$$;

-- Facts by words. A fact counts for each word of the query that it holds, in any form of it, rare words more than common ones and
-- short facts more than long ones: BM25 with k1 = 1.2 and b = 0.75 (Robertson and Zaragoza, The Probabilistic Relevance Framework,
-- 2009), where a word counts once. The last word is also taken for the beginning of one, at half the weight. With `p_strict` the
-- facts must fulfil the query as web searches write it ("a phrase", -without, or). Common words alone are looked at in 4000 facts.
-- Answers [{id, score, matched, headline}]; matched words of the headline stand between U+E000 and U+E001.
create function knowledge_words(p_query text, p_strict boolean, p_collection text, p_type text, p_suspicious boolean,
  p_limit integer) returns jsonb
language plpgsql stable set search_path = public, pg_temp as $$
declare
  v_facts float8 := (select count(*) from (select from knowledge_facts limit 5001) f);
  v_query tsquery;
  v_any tsquery := ''::tsquery;
  v_words text[] := '{}';
  v_exact tsquery[] := '{}';
  v_loose tsquery[] := '{}';
  v_weights float8[] := '{}';
  v_looked_at float8 := 0;
  t record;
begin
  for t in
    with simple as (
      select lexeme, unnest(positions) as place from unnest(to_tsvector('simple', p_query))
    ), stems as (
      select lexeme, unnest(positions) as place from unnest(to_tsvector('english', p_query))
    ), terms as (
      select min(s.place) as place, s.lexeme as word, bool_or(e.lexeme is not null) as tells,
        knowledge_any_of(array_agg(e.lexeme) || s.lexeme, '') as exact
      from simple s left join stems e on e.place = s.place group by s.lexeme
    ), chosen as (
      select word, exact, case when place = max(place) over () and length(word) > 2 and tells
          then exact || knowledge_any_of(array[word], ':*') else exact end as loose
      from terms where tells or not exists (select from terms where tells) order by place limit 32
    )
    select c.*, n.facts from chosen c
      cross join lateral (
        select count(*)::float8 as facts from (select from knowledge_facts f where f.words @@ c.loose limit 3000) f) n
    where n.facts > 0 order by n.facts, c.word
  loop
    v_words := v_words || t.word;
    v_exact := v_exact || t.exact;
    v_loose := v_loose || t.loose;
    v_weights := v_weights || ln(1 + greatest(v_facts - t.facts, 0) / (t.facts + 0.5) + 0.1);
    v_any := case when numnode(v_any) = 0 then t.loose else v_any || t.loose end;
    if v_query is null or v_looked_at + t.facts <= 4000 then
      v_query := case when v_query is null then t.loose else v_query || t.loose end;
      v_looked_at := v_looked_at + t.facts;
    end if;
  end loop;
  if p_strict then
    v_query := websearch_to_tsquery('english', p_query);
    if numnode(v_query) = 0 then
      v_query := websearch_to_tsquery('simple', p_query);
    end if;
  end if;
  if v_query is null or numnode(v_query) = 0 then
    return '[]';
  end if;
  return (
    with found as (
      select f.id, f.words, length(f.words)::float8 as size from knowledge_facts f
      where f.words @@ v_query and f.merged_into is null
        and (p_collection is null or f.collection = p_collection)
        and (p_type is null or f.type = p_type)
        and (p_suspicious is null or f.suspicious = p_suspicious)
      limit 4000
    ), scored as (
      select f.id, s.matched, s.weight * 2.2 / (1 + 1.2 * (0.25 + 0.75 * f.size / nullif(avg(f.size) over (), 0))) as score
      from found f
        cross join lateral (
          select coalesce(sum(v_weights[i] * case when f.words @@ v_exact[i] then 1 else 0.5 end), 0) as weight,
            coalesce(jsonb_agg(v_words[i]), '[]') as matched
          from generate_subscripts(v_words, 1) i where f.words @@ v_loose[i]) s
    ), best as (
      select * from scored order by score desc, id limit p_limit
    )
    select coalesce(jsonb_agg(jsonb_build_object('id', b.id, 'score', b.score, 'matched', b.matched,
      'headline', ts_headline('english', f.text, v_any,
        'HighlightAll=true, StartSel=' || U&'\E000' || ', StopSel=' || U&'\E001')) order by b.score desc, b.id), '[]')
    from best b join knowledge_facts f on f.id = b.id);
end $$;

-- Any of some words as they stand in an index, each with what follows it in a query (such as `:*`); nulls are left out.
create function knowledge_any_of(p_lexemes text[], p_mark text) returns tsquery
language sql immutable set search_path = public, pg_temp as $$
  select string_agg('''' || replace(replace(l, '\', '\\'), '''', '''''') || '''' || p_mark, ' | ')::tsquery
  from unnest(p_lexemes) l where l is not null
$$;

-- What there is, as a whole.
create function knowledge_overview() returns jsonb
language sql stable set search_path = public, pg_temp as $$
  select jsonb_build_object(
    'collections', (
      select coalesce(jsonb_agg(jsonb_build_object('collection', collection, 'facts', facts, 'types', types) order by collection), '[]')
      from (
        select collection, sum(n) as facts, jsonb_object_agg(type, n) as types
        from (
          select collection, type, count(*) as n from knowledge_facts where merged_into is null group by collection, type) t
        group by collection) c),
    'spaces', (
      select coalesce(jsonb_agg(jsonb_build_object('id', s.id, 'model', s.model, 'dimensions', s.dimensions, 'state', s.state,
          'active_at', s.active_at, 'cost_micros', s.cost_micros,
          'pending', (select count(*) from knowledge_pending p where p.space_id = s.id and not p.refused),
          'refused', (select count(*) from knowledge_pending p where p.space_id = s.id and p.refused)) order by s.state), '[]')
      from knowledge_spaces s where s.state <> 'retired'))
$$;

do $$
declare
  t text;
  f regprocedure;
begin
  foreach t in array array['knowledge_ingests', 'knowledge_lines', 'knowledge_problems', 'knowledge_events', 'knowledge_facts',
    'knowledge_sources', 'knowledge_claims', 'knowledge_spaces', 'knowledge_pending'] loop
    execute format('alter table %I enable row level security', t);
    if exists (select from pg_roles where rolname = 'service_role') then
      execute format('revoke all on table %I from public, anon, authenticated', t);
      execute format('grant select, insert, update, delete on table %I to service_role', t);
    end if;
  end loop;
  for f in
    select p.oid::regprocedure from pg_proc p join pg_namespace n on n.oid = p.pronamespace
    where n.nspname = 'public' and p.proname in ('knowledge_has_vectors', 'knowledge_note', 'knowledge_report',
      'knowledge_put_lines', 'knowledge_received', 'knowledge_drop_unfinished', 'knowledge_claim', 'knowledge_workers',
      'knowledge_release', 'knowledge_candidates', 'knowledge_unite', 'knowledge_await_vectors', 'knowledge_commit',
      'knowledge_give_back', 'knowledge_cancel', 'knowledge_complete', 'knowledge_note_embedding', 'knowledge_forget',
      'knowledge_open_space', 'knowledge_turn_space', 'knowledge_present', 'knowledge_list', 'knowledge_words', 'knowledge_any_of',
      'knowledge_overview')
  loop
    execute format('revoke all on function %s from public', f);
    if exists (select from pg_roles where rolname = 'service_role') then
      execute format('revoke all on function %s from anon, authenticated', f);
      execute format('grant execute on function %s to service_role', f);
    end if;
  end loop;
end $$;
