import type { Pool } from 'pg';

// pg_catalog rather than information_schema, which hides what the asking role has no right to.
const SECTIONS: Record<string, string> = {
  tables: `
    select format('%s: row level security %s', c.relname, case when c.relrowsecurity then 'on' else 'OFF' end)
    from pg_class c where c.relnamespace = 'public'::regnamespace and c.relkind in ('r', 'p', 'v', 'm') order by c.relname`,
  columns: `
    select format('%s.%s %s%s%s', c.relname, a.attname, format_type(a.atttypid, a.atttypmod),
      case when a.attnotnull then ' not null' else '' end,
      case when d.oid is null then '' when a.attgenerated <> '' then ' generated as ' else ' default ' end
        || coalesce(pg_get_expr(d.adbin, d.adrelid), ''))
    from pg_attribute a join pg_class c on c.oid = a.attrelid left join pg_attrdef d on d.adrelid = c.oid and d.adnum = a.attnum
    where c.relnamespace = 'public'::regnamespace and c.relkind in ('r', 'p') and a.attnum > 0 and not a.attisdropped
    order by c.relname, a.attname`,
  constraints: `
    select format('%s %s: %s', conrelid::regclass, conname, pg_get_constraintdef(oid)) from pg_constraint
    where connamespace = 'public'::regnamespace and contype <> 'n' order by conrelid::regclass::text, conname`,
  indexes: `
    select indexdef from pg_indexes where schemaname = 'public' order by tablename, indexname`,
  functions: `
    select format('%s(%s) returns %s %s%s%s%s', p.proname, pg_get_function_arguments(p.oid), pg_get_function_result(p.oid),
      l.lanname, case p.provolatile when 'i' then ' immutable' when 's' then ' stable' else '' end,
      case when p.prosecdef then ' SECURITY DEFINER' else '' end, coalesce(' set ' || array_to_string(p.proconfig, ', '), ''))
    from pg_proc p join pg_language l on l.oid = p.prolang
    where p.pronamespace = 'public'::regnamespace order by 1`,
  triggers: `
    select pg_get_triggerdef(oid) from pg_trigger where not tgisinternal order by 1`,
  policies: `
    select format('%s on %s', policyname, tablename) from pg_policies where schemaname = 'public' order by 1`,
};

/** The schema `public` as text, one line a thing: what a change of the migrations is reviewed by. Bodies of functions are left out. */
export async function describeSchema(pool: Pool): Promise<string> {
  const parts: string[] = [];
  for (const [title, text] of Object.entries(SECTIONS)) {
    const { rows } = await pool.query<string[]>({ text, rowMode: 'array' });
    parts.push([`# ${title}`, ...rows.map(([line]) => line?.replaceAll(/\s+/g, ' '))].join('\n'));
  }
  return `${parts.join('\n\n')}\n`;
}
