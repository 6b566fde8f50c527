-- Searches stay fast as facts grow.

-- Takes statistics of the tables of knowledge that have changed much since statistics were last taken, as autovacuum would: the embedded
-- database has none, and without statistics Postgres reads whole tables where an index would do (26,000 facts: a search by meaning took
-- 600 ms instead of 15). Returns how many it looked at.
create function knowledge_take_statistics() returns integer
language plpgsql set search_path = public, pg_temp as $$
declare
  t text;
  v_looked_at integer := 0;
begin
  for t in
    select c.relname from pg_class c
      join pg_namespace n on n.oid = c.relnamespace
      left join pg_stat_user_tables s on s.relid = c.oid
    where n.nspname = 'public' and c.relkind = 'r' and c.relname in ('knowledge_ingests', 'knowledge_lines', 'knowledge_facts',
        'knowledge_sources', 'knowledge_claims', 'knowledge_pending', 'knowledge_vectors')
      and (c.reltuples < 0 and s.n_live_tup > 0 or s.n_mod_since_analyze > 500 + 0.2 * greatest(c.reltuples, 0))
    order by c.relname
  loop
    execute format('analyze %I', t);
    v_looked_at := v_looked_at + 1;
  end loop;
  return v_looked_at;
end $$;

-- New entries of the index wait in a list that each search reads whole, until a vacuum comes, which in the embedded database never
-- happens (10,000 facts: a search by words took 85 ms instead of 15). So they go into the index at once.
alter index knowledge_facts_words set (fastupdate = off);
select gin_clean_pending_list('knowledge_facts_words');

-- Facts by words. A fact counts for each word of the query that it holds, in any form of it, rare words more than common ones and
-- short facts more than long ones: BM25 with k1 = 1.2 and b = 0.75 (Robertson and Zaragoza, The Probabilistic Relevance Framework,
-- 2009), where a word counts once. The last word is also taken for the beginning of one, at half the weight. With `p_strict` the
-- facts must fulfil the query as web searches write it ("a phrase", -without, or). Common words alone are looked at in 2000 facts.
-- Answers [{id, score, matched, headline}]; matched words of the headline stand between U+E000 and U+E001.
create or replace function knowledge_words(p_query text, p_strict boolean, p_collection text, p_type text, p_suspicious boolean,
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
        select count(*)::float8 as facts from (select from knowledge_facts f where f.words @@ c.loose limit 1000) f) n
    where n.facts > 0 order by n.facts, c.word
  loop
    v_words := v_words || t.word;
    v_exact := v_exact || t.exact;
    v_loose := v_loose || t.loose;
    v_weights := v_weights || ln(1 + greatest(v_facts - t.facts, 0) / (t.facts + 0.5) + 0.1);
    v_any := case when numnode(v_any) = 0 then t.loose else v_any || t.loose end;
    if v_query is null or v_looked_at + t.facts <= 2000 then
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
      limit 2000
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

do $$
declare
  f regprocedure;
begin
  for f in
    select p.oid::regprocedure from pg_proc p join pg_namespace n on n.oid = p.pronamespace
    where n.nspname = 'public' and p.proname in ('knowledge_take_statistics')
  loop
    execute format('revoke all on function %s from public', f);
    if exists (select from pg_roles where rolname = 'service_role') then
      execute format('revoke all on function %s from anon, authenticated', f);
      execute format('grant execute on function %s to service_role', f);
    end if;
  end loop;
end $$;
